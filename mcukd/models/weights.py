"""Weights of a GRU-MLP and of heads as plain NumPy arrays, so that quantization needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

#: Kinds of head that have an integer form.
HEADS = ("mlp", "linear", "prototype")
_HEAD_ARRAYS = ("dense_kernel", "dense_bias", "output_kernel", "output_bias")


@dataclass(frozen=True)
class Head:
    """Classifier head: from an embedding (N, E) to logits (N, K), of one of three kinds; arrays float32.

    "mlp": Dense(M, ReLU) → Dense(K). "linear": Dense(K). "prototype": Dense(K·P), of whose P scores per class
    the largest is the class's logit. Columns of the scores go class by class.

    dense_kernel: (E, M). dense_bias: (M,). output_kernel: (M, K·P). output_bias: (K·P,). prototypes: P.
    Without a hidden layer M is 0 and output_kernel (E, K·P). Raises ValueError where shapes do not fit.
    """

    dense_kernel: FloatArray
    dense_bias: FloatArray
    output_kernel: FloatArray
    output_bias: FloatArray
    prototypes: int = 1

    def __post_init__(self) -> None:
        inputs, units = self.dense_kernel.shape
        rows, scores = self.output_kernel.shape
        if (
            rows != (units or inputs)
            or self.dense_bias.shape != (units,)
            or self.output_bias.shape != (scores,)
        ):
            raise ValueError(
                f"shapes of a head do not fit: {self.dense_kernel.shape}, {self.output_kernel.shape}"
            )
        if self.prototypes < 1 or scores % self.prototypes or (units and self.prototypes > 1):
            raise ValueError(
                f"a head with {units} units and {scores} scores cannot have P = {self.prototypes}"
            )

    @classmethod
    def direct(cls, kernel: NDArray[np.floating], bias: NDArray[np.floating], prototypes: int = 1) -> Head:
        """Make a linear head, or with P > 1 a prototype head, of kernel (E, K·P) and bias (K·P,)."""
        nothing = np.zeros((len(kernel), 0), np.float32)
        scores = np.asarray(kernel, np.float32), np.asarray(bias, np.float32)
        return cls(nothing, nothing[0], *scores, prototypes=prototypes)

    @property
    def kind(self) -> str:
        """Which of `HEADS` it is."""
        if self.dense_kernel.shape[1]:
            return "mlp"
        return "prototype" if self.prototypes > 1 else "linear"

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.output_kernel.shape[1]) // self.prototypes

    def hidden(self, embedding: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the output layer's input for an embedding (N, E): the hidden layer's output, or itself."""
        x = np.asarray(embedding, np.float64)
        if not self.dense_kernel.shape[1]:
            return x
        return np.asarray(np.maximum(x @ self.dense_kernel + self.dense_bias, 0))

    def logits(self, embedding: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logits (N, K) of an embedding (N, E)."""
        scores = self.hidden(embedding) @ self.output_kernel + self.output_bias
        return np.asarray(scores.reshape(len(scores), self.classes, self.prototypes).max(axis=2))

    def as_mlp(self) -> Head:
        """Return the same function as an "mlp": a linear head reads ReLU(h) − ReLU(−h), which is h.

        For code that supports no other kind. Raises ValueError for a prototype head, whose maximum has no
        such form.
        """
        if self.kind == "mlp":
            return self
        if self.kind == "prototype":
            raise ValueError("a prototype head has no form with one hidden layer")
        eye = np.eye(len(self.output_kernel), dtype=np.float32)
        kernel = np.concatenate([eye, -eye], axis=1)
        bias = np.zeros(kernel.shape[1], np.float32)
        return Head(kernel, bias, np.concatenate([self.output_kernel, -self.output_kernel]), self.output_bias)


@dataclass(frozen=True)
class GruMlpWeights:
    """GRU(H) and a head on raw sensor counts of C channels; all arrays float32.

    Gate order along the 3H axis is Keras's: z, r, h, with `reset_after=True` and therefore two bias
    rows (input path, recurrent path).

    mean, std: (C,) in counts; a sample enters the GRU as (counts − mean) / std.
    kernel: (C, 3H). recurrent: (H, 3H). bias: (2, 3H).
    The head is usually Dense(M, ReLU) → Dense(K): dense_kernel (H, M), dense_bias (M,), output_kernel (M, K),
    output_bias (K,). Other kinds and `prototypes` are those of `Head`. Raises ValueError where the head's
    shapes do not fit.
    """

    family: ClassVar[str] = "gru-mlp"

    mean: FloatArray
    std: FloatArray
    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray
    dense_kernel: FloatArray
    dense_bias: FloatArray
    output_kernel: FloatArray
    output_bias: FloatArray
    prototypes: int = 1

    @property
    def head(self) -> Head:
        """The head on its own."""
        layers = self.dense_kernel, self.dense_bias, self.output_kernel, self.output_bias
        return Head(*layers, prototypes=self.prototypes)

    def with_head(self, head: Head) -> GruMlpWeights:
        """Return the same GRU with another head on its last state."""
        arrays = {name: getattr(head, name) for name in _HEAD_ARRAYS}
        return replace(self, **arrays, prototypes=head.prototypes)

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
        """M, the number of units of the hidden dense layer; 0 where the head has none."""
        return int(self.dense_kernel.shape[1])

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.output_kernel.shape[1]) // self.prototypes

    @property
    def parameters(self) -> int:
        """Number of trained parameters (standardisation not counted)."""
        return sum(int(array.size) for name, array in self._arrays().items() if name not in ("mean", "std"))

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples, gate products not counted."""
        per_step = int(self.kernel.size + self.recurrent.size)
        return per_step * steps + int(self.dense_kernel.size + self.output_kernel.size)

    def arrays(self, prefix: str = "") -> dict[str, FloatArray]:
        """Return the arrays by name, for `np.savez`; `prototypes` is one of them where it is not 1."""
        arrays = self._arrays()
        if self.prototypes > 1:
            arrays["prototypes"] = np.array(self.prototypes, np.float32)
        return {prefix + name: array for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], prefix: str = "") -> GruMlpWeights:
        """Take the arrays that `arrays()` gave back out of an opened `.npz`."""
        named = {name: np.asarray(arrays[prefix + name], np.float32) for name in _array_names(cls)}
        prototypes = int(arrays[prefix + "prototypes"]) if prefix + "prototypes" in arrays else 1
        return cls(**named, prototypes=prototypes)

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model in NumPy on counts (N, T, C) and return logits (N, K)."""
        return self.head.logits(self.state(counts))

    def state(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return the last state (N, H) on counts (N, T, C): the embedding that the head reads."""
        h = np.zeros((len(counts), self.hidden))
        x = (counts.astype(np.float64) - self.mean) / self.std
        for t in range(counts.shape[1]):
            h = self.step(x[:, t], h)
        return h

    def step(self, x: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take one GRU step: standardised x (N, C) and state h (N, H) to the next state (N, H)."""
        input_part = x @ self.kernel + self.bias[0]
        state_part = h @ self.recurrent + self.bias[1]
        xz, xr, xh = np.split(input_part, 3, axis=1)
        hz, hr, hh = np.split(state_part, 3, axis=1)
        z = 1 / (1 + np.exp(-(xz + hz)))
        r = 1 / (1 + np.exp(-(xr + hr)))
        return np.asarray(z * h + (1 - z) * np.tanh(xh + r * hh))

    def _arrays(self) -> dict[str, FloatArray]:
        return {name: getattr(self, name) for name in _array_names(type(self))}


def _array_names(form: type[GruMlpWeights]) -> list[str]:
    return [field.name for field in fields(form) if field.name != "prototypes"]
