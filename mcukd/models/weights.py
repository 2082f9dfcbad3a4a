"""The student's weights as plain NumPy arrays, so that quantization needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class StudentWeights:
    """GRU(H) → Dense(M, ReLU) → Dense(K) on raw sensor counts of C channels; all arrays float32.

    Gate order along the 3H axis is Keras's: z, r, h, with `reset_after=True` and therefore two bias
    rows (input path, recurrent path).

    mean, std: (C,) in counts; a sample enters the GRU as (counts − mean) / std.
    kernel: (C, 3H). recurrent: (H, 3H). bias: (2, 3H).
    dense_kernel: (H, M). dense_bias: (M,). output_kernel: (M, K). output_bias: (K,).
    """

    mean: FloatArray
    std: FloatArray
    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray
    dense_kernel: FloatArray
    dense_bias: FloatArray
    output_kernel: FloatArray
    output_bias: FloatArray

    @property
    def channels(self) -> int:
        """C, the number of sensor channels."""
        return int(self.kernel.shape[0])

    @property
    def hidden(self) -> int:
        """H, the number of GRU units."""
        return int(self.recurrent.shape[0])

    @property
    def dense(self) -> int:
        """M, the number of units of the hidden dense layer."""
        return int(self.dense_kernel.shape[1])

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.output_kernel.shape[1])

    @property
    def parameters(self) -> int:
        """Number of trained parameters (standardisation not counted)."""
        return sum(int(array.size) for name, array in asdict(self).items() if name not in ("mean", "std"))

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples, gate products not counted."""
        per_step = int(self.kernel.size + self.recurrent.size)
        return per_step * steps + int(self.dense_kernel.size + self.output_kernel.size)

    def arrays(self, prefix: str = "") -> dict[str, FloatArray]:
        """Return the arrays by name, for `np.savez`."""
        return {prefix + name: array for name, array in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], prefix: str = "") -> StudentWeights:
        """Take the arrays that `arrays()` gave back out of an opened `.npz`."""
        return cls(
            **{name: np.asarray(arrays[prefix + name], np.float32) for name in cls.__dataclass_fields__}
        )

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model in NumPy on counts (N, T, C) and return logits (N, K)."""
        h = np.zeros((len(counts), self.hidden))
        x = (counts.astype(np.float64) - self.mean) / self.std
        for t in range(counts.shape[1]):
            h = self.step(x[:, t], h)
        hidden = np.maximum(h @ self.dense_kernel + self.dense_bias, 0)
        return np.asarray(hidden @ self.output_kernel + self.output_bias)

    def step(self, x: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take one GRU step: standardised x (N, C) and state h (N, H) to the next state (N, H)."""
        input_part = x @ self.kernel + self.bias[0]
        state_part = h @ self.recurrent + self.bias[1]
        xz, xr, xh = np.split(input_part, 3, axis=1)
        hz, hr, hh = np.split(state_part, 3, axis=1)
        z = 1 / (1 + np.exp(-(xz + hz)))
        r = 1 / (1 + np.exp(-(xr + hr)))
        return np.asarray(z * h + (1 - z) * np.tanh(xh + r * hh))
