"""Weights of a CNN student as plain NumPy arrays, its sizes, and its float model in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.models.weights import Head

#: The convolutions, first to last.
CONVOLUTIONS = ("conv1", "conv2", "conv3")
#: Windows of fewer samples have smaller strides, so that the last convolution still has several outputs.
LONG_WINDOW = 100
#: Windows whose features are computed at once, which bounds the memory of their patches.
_CHUNK = 512

FloatArray = NDArray[np.float32]


class Convolution(NamedTuple):
    """Sizes of a convolution: taps k, stride s (at most k) and filters F."""

    taps: int
    stride: int
    filters: int


def convolutions(steps: int, filters: int) -> tuple[Convolution, ...]:
    """Return the sizes of the convolutions for windows of T samples and F filters in the first of them.

    One output of the last convolution covers 8 + 4·4 + 2·8 = 40 samples of a long window, .8 s at 50 Hz.
    """
    strides = (4, 2, 2) if steps >= LONG_WINDOW else (2, 2, 1)
    widths = (filters, filters, filters + filters // 2)
    return tuple(map(Convolution, (8, 5, 3), strides, widths))


def output_counts(steps: int, layers: Sequence[Convolution]) -> list[int]:
    """Return the number of outputs in time of each convolution on windows of T samples, without padding."""
    counts = []
    for layer in layers:
        steps = max(0, steps - layer.taps) // layer.stride + 1 if steps >= layer.taps else 0
        counts.append(steps)
    return counts


@dataclass(frozen=True)
class CnnWeights:
    """Three strided convolutions with ReLU, their mean over time, and a head; arrays float32 unless stated.

    mean, std: (C,) in counts; a sample enters as (counts − mean) / std. conv1_kernel, conv2_kernel,
    conv3_kernel: (k, inputs, F), the oldest input first; biases (F,). Nothing is padded. strides: (3,) int16.
    dense_kernel: (F, M). dense_bias: (M,). output_kernel: (M, K). output_bias: (K,).
    Batch normalization is in kernels and biases.
    """

    family: ClassVar[str] = "cnn"

    mean: FloatArray
    std: FloatArray
    conv1_kernel: FloatArray
    conv1_bias: FloatArray
    conv2_kernel: FloatArray
    conv2_bias: FloatArray
    conv3_kernel: FloatArray
    conv3_bias: FloatArray
    strides: NDArray[np.int16]
    dense_kernel: FloatArray
    dense_bias: FloatArray
    output_kernel: FloatArray
    output_bias: FloatArray

    @property
    def channels(self) -> int:
        """C, the number of sensor axes."""
        return int(self.conv1_kernel.shape[1])

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.output_kernel.shape[1])

    @property
    def layers(self) -> tuple[Convolution, ...]:
        """Sizes of the convolutions."""
        kernels = [getattr(self, f"{name}_kernel") for name in CONVOLUTIONS]
        return tuple(Convolution(len(k), int(s), k.shape[2]) for k, s in zip(kernels, self.strides))

    @property
    def parameters(self) -> int:
        """Number of parameters that the device has (standardisation not counted)."""
        return sum(array.size for name, array in asdict(self).items() if name.endswith(("kernel", "bias")))

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""
        return cnn_macs(self.layers, steps, self.channels, self.classes, len(self.dense_bias))

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for `np.savez`."""
        return {prefix + name: array for name, array in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str = "") -> CnnWeights:
        """Take the arrays that `arrays()` gave back out of an opened `.npz`."""
        named: dict[str, Any] = {
            field.name: np.asarray(arrays[prefix + field.name], np.float32) for field in fields(cls)
        }
        named["strides"] = named["strides"].astype(np.int16)
        return cls(**named)

    def tensors(self, counts: NDArray[np.int16]) -> dict[str, NDArray[np.float64]]:
        """Return what the layers read and make of windows of counts (N, T, C).

        For each convolution its patches, `conv1_in` (N, M, k·inputs), and outputs, `conv1_out` (N, M, F);
        then `means` (N, F), `dense_out` and `logits`.
        """
        found: dict[str, NDArray[np.float64]] = {}
        x = (counts.astype(np.float64) - self.mean) / self.std
        for name, layer in zip(CONVOLUTIONS, self.layers):
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            found[f"{name}_in"] = patches(x, layer)
            x = np.maximum(found[f"{name}_in"] @ kernel.reshape(-1, layer.filters) + bias, 0)
            found[f"{name}_out"] = x
        found["means"] = x.mean(axis=1)
        head = Head(self.dense_kernel, self.dense_bias, self.output_kernel, self.output_bias)
        return {**found, "dense_out": head.hidden(found["means"]), "logits": head.logits(found["means"])}

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model in NumPy on counts (N, T, C) and return logits (N, K)."""
        parts = [self.tensors(counts[i : i + _CHUNK])["logits"] for i in range(0, len(counts), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes))


def patches(x: NDArray[Any], layer: Convolution) -> NDArray[Any]:
    """Return what a convolution multiplies of x (N, T, inputs): (N, outputs, k·inputs), oldest first."""
    shifts = np.lib.stride_tricks.sliding_window_view(x, layer.taps, axis=1)[:, :: layer.stride]
    return np.moveaxis(shifts, 3, 2).reshape(*shifts.shape[:2], -1)


def cnn_parameters(layers: Sequence[Convolution], channels: int, classes: int, dense: int) -> int:
    """Number of parameters that the device has, batch normalization folded, for C, K and M dense units."""
    total, inputs = 0, channels
    for layer in layers:
        total += (layer.taps * inputs + 1) * layer.filters
        inputs = layer.filters
    return total + (inputs + 1) * dense + (dense + 1) * classes


def cnn_macs(layers: Sequence[Convolution], steps: int, channels: int, classes: int, dense: int) -> int:
    """Multiply-accumulates of one window of T samples, for C, K and M dense units."""
    total, inputs = 0, channels
    for layer, outputs in zip(layers, output_counts(steps, layers)):
        total += outputs * layer.taps * inputs * layer.filters
        inputs = layer.filters
    return total + inputs * dense + dense * classes
