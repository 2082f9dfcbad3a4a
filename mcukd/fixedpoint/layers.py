"""Formats, integers and overflow proofs of layers of weighted sums, such as dense layers and convolutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint.arithmetic import IntArray, closest_length
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.rounding import Moments, round_rows, rounding_bias

FloatArray = NDArray[np.float64]

#: Largest right shift of a sum.
LARGEST_SHIFT = 30


@dataclass
class LayerFit:
    """Formats and integers in the making: lengths by tensor, lengths of rows, arrays and bounds."""

    lengths: dict[str, int]
    row_lengths: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)

    def layer(
        self,
        name: str,
        tensors: tuple[str, str],
        weights: FloatArray,
        bias: NDArray[np.floating],
        *,
        bits: int,
        largest_input: int,
        moments: Moments,
        own_rows: bool = False,
    ) -> None:
        """Round the weights (rows, n) of a layer, and its bias (rows,), so that its sums are proven to hold.

        tensors: what the layer reads and what it makes, which gets a shorter length where the sums need one.
        largest_input: bound of a mantissa read. own_rows: whether each row has its own length, else all have
        one. Raises UserError where weights are so large that no length holds.
        """
        source, target = (self.lengths[tensor] for tensor in tensors)
        parts = [weights[n : n + 1] for n in range(len(weights))] if own_rows else [weights]
        rows = np.repeat([closest_length(part, bits) for part in parts], [len(part) for part in parts])
        while True:
            rows = np.minimum(rows, target - source + LARGEST_SHIFT)
            target = min(target, int(rows.min()) + source)
            rounded = round_rows(weights, rows, bits, moments)
            exact = np.asarray(bias, np.float64) - rounding_bias(weights, rounded, rows, moments)
            start = np.floor(np.ldexp(exact, rows + source) + 0.5)
            shifts = rows + source - target
            addends = np.where(shifts > 0, np.exp2(shifts - 1), 0)
            bounds = np.abs(rounded).sum(axis=1) * float(largest_input) + np.abs(start) + addends
            unsafe = (bounds >= LIMIT) | (shifts > LARGEST_SHIFT)
            if not unsafe.any():
                break
            rows = rows - (unsafe if own_rows else 1)
            if rows.min() < -LARGEST_SHIFT:
                raise UserError(
                    f"student: the weights of '{name}' are too large for 32-bit sums "
                    f"({np.abs(weights).max():.3g}); train it again with a smaller learning rate."
                )
        self.lengths[name], self.lengths[tensors[1]] = int(rows.min()), target
        if own_rows:
            self.row_lengths[name] = rows
        self.arrays[name] = rounded.astype(np.int16)
        self.arrays[f"{name}_bias"] = start.astype(np.int32)
        self.bounds[name] = int(bounds.max())


def rounded_at(values: FloatArray, length: int) -> IntArray:
    """Return values as mantissas of a fractional length, ties upwards."""
    return np.floor(np.ldexp(np.asarray(values, np.float64), length) + 0.5).astype(np.int64)
