"""Overflow proofs: how far any input whatever can drive each 32-bit accumulator.

Interval analysis over the weights: samples are any int16, states any N-bit mantissa. The bound of a sum is
the sum of magnitudes, so it holds for every partial sum in every order of addition, the addend of the
rounding included. A bound below 2^31 therefore proves that no C compiler and no kernel order can overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import GATES

LIMIT = 1 << 31
_INT16 = 1 << 15


def dot_bound(weights: NDArray[Any], bias: NDArray[Any], largest_input: int, shift: int) -> int:
    """Bound |bias + Σ w·x + rounding addend| over all rows of weights (rows, inputs), |x| ≤ largest_input."""
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=1) * largest_input + np.abs(bias.astype(np.int64))
    return int(magnitudes.max()) + _addend(shift)


def shifted(bound: int, shift: int) -> int:
    """Bound of a rounding shift's result."""
    return bound << -shift if shift < 0 else (bound >> shift) + 1


def accumulator_bounds(
    arrays: Mapping[str, NDArray[Any]], lengths: Mapping[str, int], activation_bits: int
) -> dict[str, int]:
    """Return the bound of every 32-bit sum of a model by name; a sound model has all below `LIMIT`.

    arrays, lengths: as in IntegerModel (mantissas and fractional lengths by tensor).
    """
    state = 1 << (activation_bits - 1)
    no_bias = np.zeros(1, np.int64)
    bounds: dict[str, int] = {}
    for gate in GATES:
        recurrent = "h_rec" if gate == "h" else f"{gate}_pre"
        x_shift = lengths[f"kernel_{gate}"] - lengths[f"{gate}_pre"]
        h_shift = lengths[f"recurrent_{gate}"] + lengths["h"] - lengths[recurrent]
        x_sum = dot_bound(arrays[f"kernel_{gate}"], arrays[f"bias_{gate}"], _INT16, x_shift)
        h_bias = arrays["bias_h_rec"] if gate == "h" else no_bias
        h_sum = dot_bound(arrays[f"recurrent_{gate}"], h_bias, state, h_shift)
        bounds[f"input sum {gate}"] = x_sum
        bounds[f"state sum {gate}"] = h_sum
        if gate == "h":
            bounds["gated state"] = _INT16 * _INT16 + _addend(15 + lengths["h_rec"] - lengths["h_pre"])
            second = shifted(_INT16 * _INT16, 15 + lengths["h_rec"] - lengths["h_pre"])
        else:
            second = shifted(h_sum, h_shift)
        bounds[f"pre-activation {gate}"] = shifted(x_sum, x_shift) + second
    # z ≤ 32767 times a difference of two Q0.15 numbers, at most 65535, plus the addend of a shift by 15.
    bounds["state update"] = 32767 * 65535 + _addend(15)
    for layer, source, target in (("dense", "h", "dense_out"), ("output", "dense_out", "logits")):
        shift = lengths[layer] + lengths[source] - lengths[target]
        total = dot_bound(arrays[layer], arrays[f"{layer}_bias"], state, shift)
        bounds[f"{layer} sum"] = max(total, shifted(total, shift))
    return bounds


def _addend(shift: int) -> int:
    return 1 << (shift - 1) if shift > 0 else 0
