"""The CNN student: three strided convolutions over time, their mean, and a small multilayer perceptron.

Strides make later layers run less often, so a step costs little on average, and the mean over time is a
running sum: a device needs the last few inputs of each layer, and no window of samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mcukd.models.cnn_weights import CONVOLUTIONS, CnnWeights, FloatArray, convolutions, output_counts
from mcukd.models.families import StudentNetwork

if TYPE_CHECKING:
    import keras


def build_cnn(
    window: int,
    channels: int,
    classes: int,
    mean: ArrayLike,
    variance: ArrayLike,
    filters: int = 16,
    dense: int = 16,
) -> keras.Model:
    """Build three times Conv1D → BN → ReLU, global average pooling, Dense(M, ReLU) → Dense(K).

    It maps counts (N, T, C) float32 to logits (N, K) float32. window, channels, classes: T, C, K. mean,
    variance: (C,) in counts and counts². filters: of the first convolution (`convolutions`). Nothing is
    padded. Raises ValueError for a window in which the last convolution has no output.
    """
    from mcukd.models.resnet import standardisation
    from mcukd.tensorflow_setup import keras

    sizes = convolutions(window, filters)
    if output_counts(window, sizes)[-1] == 0:
        raise ValueError(f"a window of {window} samples is too short for the convolutions {sizes}")
    layers = keras.layers
    inputs = keras.Input((window, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    for name, size in zip(CONVOLUTIONS, sizes):
        x = layers.Conv1D(size.filters, size.taps, size.stride, use_bias=False, name=name)(x)
        # Keras's default momentum of .99 remembers longer than short schedules last.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling1D(name="embedding")(x)
    x = layers.Dense(dense, activation="relu", name="dense")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="cnn_student")


def cnn_weights(model: keras.Model) -> CnnWeights:
    """Take the weights out of a model made by `build_cnn`, with batch normalization folded into them."""
    layer = model.get_layer("standardisation")
    folded: dict[str, FloatArray] = {}
    for name in CONVOLUTIONS:
        (kernel,) = model.get_layer(name).get_weights()
        norm = model.get_layer(f"{name}_bn")
        gamma, beta, average, variance = (w.astype(np.float64) for w in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        folded[f"{name}_kernel"] = (kernel * scale).astype(np.float32)
        folded[f"{name}_bias"] = (beta - average * scale).astype(np.float32)
    dense_kernel, dense_bias = model.get_layer("dense").get_weights()
    output_kernel, output_bias = model.get_layer("logits").get_weights()
    return CnnWeights(
        mean=np.asarray(layer.mean, np.float32).reshape(-1),
        std=np.sqrt(np.asarray(layer.variance, np.float32).reshape(-1)),
        **folded,
        strides=np.array([model.get_layer(name).strides[0] for name in CONVOLUTIONS], np.int16),
        dense_kernel=dense_kernel,
        dense_bias=dense_bias,
        output_kernel=output_kernel,
        output_bias=output_bias,
    )


NETWORK = StudentNetwork(
    layers=("conv1", "standardisation", *CONVOLUTIONS[1:], "dense", "logits"),
    array="conv1_kernel",
    weights_of=cnn_weights,
    from_arrays=CnnWeights.from_arrays,
)
