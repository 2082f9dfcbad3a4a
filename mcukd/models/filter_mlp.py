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

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import keras

TAPS = 8
HIDDEN = 7
LEAST_POLE = 1e-3
#: Mean, high-passed, filtered: features for each axis.
PER_AXIS = 3

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class FilterMlpWeights:
    """The filter-MLP on raw sensor counts of C axes; all arrays float32.

    mean, std: (C,) in counts; a sample x is (counts − mean) / std. pole: (C,), .001 to .999: the high-pass
    is y_t = pole · y_(t−1) + x_t − x_(t−1), from y_0 = 0. fir1, fir2: (8, C), the oldest sample's tap first;
    fir1_bias, fir2_bias: (C,). Features, axis by axis within each kind: means, high-passed, filtered.
    dense_kernel: (3C, 7). dense_bias: (7,). output_kernel: (7, K). output_bias: (K,).
    """

    mean: FloatArray
    std: FloatArray
    pole: FloatArray
    fir1: FloatArray
    fir1_bias: FloatArray
    fir2: FloatArray
    fir2_bias: FloatArray
    dense_kernel: FloatArray
    dense_bias: FloatArray
    output_kernel: FloatArray
    output_bias: FloatArray

    @property
    def channels(self) -> int:
        """C, the number of sensor axes."""
        return int(self.pole.shape[0])

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.output_kernel.shape[1])

    @property
    def parameters(self) -> int:
        """Number of trained parameters (standardisation not counted)."""
        return sum(int(array.size) for name, array in asdict(self).items() if name not in ("mean", "std"))

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""
        return filter_mlp_macs_per_window(steps, self.channels, self.classes)

    def arrays(self, prefix: str = "") -> dict[str, FloatArray]:
        """Return the arrays by name, for `np.savez`."""
        return {prefix + name: array for name, array in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], prefix: str = "") -> FilterMlpWeights:
        """Take the arrays that `arrays()` gave back out of an opened `.npz`."""
        return cls(
            **{name: np.asarray(arrays[prefix + name], np.float32) for name in cls.__dataclass_fields__}
        )

    def features(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return the features (N, 3C) of windows of counts (N, T, C), T of at least 15 samples."""
        x = (counts.astype(np.float64) - self.mean) / self.std
        state, passed = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0])
        for t in range(1, x.shape[1]):
            state = self.pole * state + x[:, t] - x[:, t - 1]
            passed += np.abs(state)
        filtered = _fir(np.tanh(_fir(x, self.fir1) + self.fir1_bias), self.fir2) + self.fir2_bias
        return np.concatenate(
            [x.mean(axis=1), passed / (x.shape[1] - 1), np.abs(filtered).mean(axis=1)], axis=1
        )

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model in NumPy on counts (N, T, C) and return logits (N, K)."""
        hidden = np.maximum(self.features(counts) @ self.dense_kernel + self.dense_bias, 0)
        return np.asarray(hidden @ self.output_kernel + self.output_bias)


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

    if window < 2 * TAPS - 1:
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


def filter_mlp_parameters(channels: int, classes: int) -> int:
    """Number of trained parameters for C axes and K classes: 175 for three and six."""
    filters = channels * (1 + 2 * (TAPS + 1))
    return filters + (PER_AXIS * channels + 1) * HIDDEN + (HIDDEN + 1) * classes


def filter_mlp_macs_per_window(window: int, channels: int, classes: int) -> int:
    """Multiply-accumulates of one window of T samples: filters where they have all their samples."""
    outputs = (window - 1) + TAPS * (window - TAPS + 1) + TAPS * (window - 2 * TAPS + 2)
    return channels * outputs + PER_AXIS * channels * HIDDEN + HIDDEN * classes


def _fir(x: NDArray[np.float64], taps: FloatArray) -> NDArray[np.float64]:
    """Filter (N, T, C) along time by taps (8, C), where all of them fall on samples: (N, T − 7, C)."""
    steps = x.shape[1] - len(taps) + 1
    return np.asarray(sum(x[:, k : k + steps] * taps[k] for k in range(len(taps))))
