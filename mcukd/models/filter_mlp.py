"""The filter-MLP: a few learnable filters, their mean magnitudes, and a small perceptron.

The baseline of the group whose papers this project follows ("Animal behavior classification via deep
learning on embedded systems", arXiv 2111.12295): for each axis the mean, the mean magnitude of a
first-order high-pass filter, and the mean magnitude of FIR(tanh(FIR)) with eight taps each; then a perceptron
of seven hidden units. On their collars it was better than a residual network three thousand times its size.

Parameters, with C axes and K classes: C poles, 2·C·(8 + 1) taps and biases, (3C + 1)·7 + 8·K in the
perceptron. For three axes and six classes 3 + 54 + 70 + 48 = 175, the published number. That the filters have
biases is inferred from this sum; 175 would also come out without them if the mean and deviation by which each
axis is standardised were counted. The publication's abstract does not say, nor which hidden activation it
uses (here: ReLU).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mcukd.models.families import StudentNetwork
from mcukd.models.filter_weights import HIDDEN, LEAST_POLE, LEAST_WINDOW, TAPS, FilterMlpWeights

if TYPE_CHECKING:
    import keras


def build_filter_mlp(
    window: int, channels: int, classes: int, mean: ArrayLike, variance: ArrayLike
) -> keras.Model:
    """Build the filter-MLP from counts (N, T, C) float32 to logits (N, K) float32.

    window, channels, classes: T (at least 15, for two filters of eight taps), C, K. mean, variance: (C,) in
    counts and counts². Raises ValueError for a shorter window.
    """
    from mcukd.models.filter_layer import FilterFeatures
    from mcukd.models.resnet import standardisation
    from mcukd.tensorflow_setup import keras

    if window < LEAST_WINDOW:
        raise ValueError(f"a window of {window} samples is too short for two filters of {TAPS} taps")
    layers = keras.layers
    inputs = keras.Input((window, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    x = FilterFeatures(name="filters")(x)
    x = layers.Dense(HIDDEN, activation="relu", name="dense")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="filter_mlp")


def filter_mlp_weights(model: keras.Model) -> FilterMlpWeights:
    """Take the weights out of a model made by `build_filter_mlp`."""
    pole_logit, fir1, fir1_bias, fir2, fir2_bias = model.get_layer("filters").get_weights()
    dense_kernel, dense_bias = model.get_layer("dense").get_weights()
    output_kernel, output_bias = model.get_layer("logits").get_weights()
    layer = model.get_layer("standardisation")
    return FilterMlpWeights(
        mean=np.asarray(layer.mean, np.float32).reshape(-1),
        std=np.sqrt(np.asarray(layer.variance, np.float32).reshape(-1)),
        pole=(LEAST_POLE + (1 - 2 * LEAST_POLE) / (1 + np.exp(-pole_logit))).astype(np.float32),
        fir1=fir1,
        fir1_bias=fir1_bias,
        fir2=fir2,
        fir2_bias=fir2_bias,
        dense_kernel=dense_kernel,
        dense_bias=dense_bias,
        output_kernel=output_kernel,
        output_bias=output_bias,
    )


NETWORK = StudentNetwork(
    layers=("filters", "standardisation", "dense", "logits"),
    array="pole",
    weights_of=filter_mlp_weights,
    from_arrays=FilterMlpWeights.from_arrays,
    layer_modules=("mcukd.models.filter_layer",),
)
