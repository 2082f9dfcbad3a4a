"""Overflow proof of the GRU-MLP: bounds of its 32-bit accumulators (`mcukd.fixedpoint.bounds`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.bounds import INT16, addend, dot_bound, shifted

_GATE = (1 << 16) - 1


def accumulator_bounds(
    arrays: Mapping[str, NDArray[Any]], shifts: Mapping[str, int], activation_bits: int, state_shift: int
) -> dict[str, int]:
    """Return the bound of every 32-bit sum of a model by name; a sound model has all below `LIMIT`.

    arrays: as in GruMlpModel. shifts: its `shifts`.
    """
    state = 1 << (activation_bits - 1)
    truncated = max(state >> state_shift, 1)
    no_bias = np.zeros(1, np.int64)
    bounds: dict[str, int] = {}
    for gate in ("z", "r", "h"):
        samples = dot_bound(arrays[f"kernel_{gate}"], arrays[f"bias_{gate}"], INT16, shifts[f"{gate}_pre"])
        if gate == "h":
            states = dot_bound(arrays["recurrent_h"], arrays["bias_h_rec"], truncated, shifts["h_rec"])
            gated = _GATE * min(shifted(states, shifts["h_rec"]), INT16)
            bounds["gated state"] = gated
            second = shifted(gated, shifts["gated"])
        else:
            states = dot_bound(arrays[f"recurrent_{gate}"], no_bias, truncated, 0)
            second = shifted(states, shifts[f"state_{gate}"])
        bounds[f"state sum {gate}"] = states
        bounds[f"sum {gate}"] = samples + second
    # (65536 − z)·candidate + z·state is a mean of two int16 weighted by 65536, plus the addend.
    bounds["state update"] = 65536 * (INT16 - 1) + addend(16)
    for layer in (layer for layer in ("dense", "output") if layer in arrays):
        total = dot_bound(arrays[layer], arrays[f"{layer}_bias"], state, shifts[layer])
        bounds[layer] = max(total, shifted(total, shifts[layer]))
    return bounds
