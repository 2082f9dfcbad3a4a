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

LIMIT = 1 << 31
_INT16 = 1 << 15
_GATE = (1 << 16) - 1


def dot_bound(weights: NDArray[Any], bias: NDArray[Any], largest_input: int, shift: int) -> int:
    """Bound |bias + Σ w·x + rounding addend| over all rows of weights (rows, inputs), |x| ≤ largest_input."""
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=1) * largest_input + np.abs(bias.astype(np.int64))
    return int(magnitudes.max()) + _addend(shift)


def shifted(bound: int, shift: int) -> int:
    """Bound of a right shift's result, rounded or not."""
    return (bound >> shift) + 1 if shift > 0 else bound << -shift


def accumulator_bounds(
    arrays: Mapping[str, NDArray[Any]], shifts: Mapping[str, int], activation_bits: int, state_shift: int
) -> dict[str, int]:
    """Return the bound of every 32-bit sum of a model by name; a sound model has all below `LIMIT`.

    arrays: as in IntegerModel. shifts: its `shifts`.
    """
    state = 1 << (activation_bits - 1)
    coarse = max(state >> state_shift, 1)
    no_bias = np.zeros(1, np.int64)
    bounds: dict[str, int] = {}
    for gate in ("z", "r", "h"):
        samples = dot_bound(arrays[f"kernel_{gate}"], arrays[f"bias_{gate}"], _INT16, shifts[f"{gate}_pre"])
        if gate == "h":
            states = dot_bound(arrays["recurrent_h"], arrays["bias_h_rec"], coarse, shifts["h_rec"])
            gated = _GATE * min(shifted(states, shifts["h_rec"]), _INT16)
            bounds["gated state"] = gated
            second = shifted(gated, shifts["gated"])
        else:
            states = dot_bound(arrays[f"recurrent_{gate}"], no_bias, coarse, 0)
            second = shifted(states, shifts[f"state_{gate}"])
        bounds[f"state sum {gate}"] = states
        bounds[f"sum {gate}"] = samples + second
    # (65536 − z)·candidate + z·state is a mean of two int16 weighted by 65536, plus the addend.
    bounds["state update"] = 65536 * (_INT16 - 1) + _addend(16)
    for layer in (layer for layer in ("dense", "output") if layer in arrays):
        total = dot_bound(arrays[layer], arrays[f"{layer}_bias"], state, shifts[layer])
        bounds[layer] = max(total, shifted(total, shifts[layer]))
    return bounds


def _addend(shift: int) -> int:
    return 1 << (shift - 1) if shift > 0 else 0
