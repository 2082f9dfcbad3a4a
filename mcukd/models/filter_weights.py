"""Weights of a filter-MLP as plain NumPy arrays, its sizes, and its float model in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

TAPS = 8
HIDDEN = 7
#: Samples of the shortest window on which two filters after each other have all their taps.
LEAST_WINDOW = 2 * TAPS - 1
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

    family: ClassVar[str] = "filter-mlp"

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
            **{
                name: np.asarray(arrays[prefix + name], np.float32)
                for name in (field.name for field in fields(cls))
            }
        )

    def features(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return the features (N, 3C) of windows of counts (N, T, C), T of at least 15 samples."""
        x = (counts.astype(np.float64) - self.mean) / self.std
        state, magnitudes = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0])
        for t in range(1, x.shape[1]):
            state = self.pole * state + x[:, t] - x[:, t - 1]
            magnitudes += np.abs(state)
        filtered = _fir(np.tanh(_fir(x, self.fir1) + self.fir1_bias), self.fir2) + self.fir2_bias
        return np.concatenate(
            [x.mean(axis=1), magnitudes / (x.shape[1] - 1), np.abs(filtered).mean(axis=1)], axis=1
        )

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model in NumPy on counts (N, T, C) and return logits (N, K)."""
        hidden = np.maximum(self.features(counts) @ self.dense_kernel + self.dense_bias, 0)
        return np.asarray(hidden @ self.output_kernel + self.output_bias)


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
