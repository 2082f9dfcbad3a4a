"""Rounding of recurrent weights that share words (`packing`): low bits of a mantissa belong to other rows."""

from __future__ import annotations

import numpy as np

from mcukd.fixedpoint.arithmetic import IntArray, saturate
from mcukd.fixedpoint.gru.packing import ROWS, Packing, effective, pairs
from mcukd.fixedpoint.rounding import FloatArray, Moments, round_columns


def round_recurrent(
    weights: dict[str, FloatArray],
    lengths: dict[str, int],
    packing: Packing,
    moments: Moments,
    empty: dict[str, int] | None = None,
) -> dict[str, IntArray]:
    """Return the 16-bit mantissas {gate: (H, H)} of weights {gate: (H, H)} at their gates' lengths.

    The lower `packing.slack` bits of a mantissa belong to the rows that share its words. empty: by gate, bits
    below a mantissa's own that stay zero, where it shares no word.
    """
    hidden, count = len(weights["z"]), pairs(len(weights["z"]))
    scaled = np.zeros((len(ROWS), count, hidden))
    for row, (gate, unit) in enumerate(ROWS):
        part = np.ldexp(weights[gate][unit::2], lengths[gate])
        scaled[row, : len(part)] = part
    # Halfwords of every word, filled as mantissas are chosen: (pairs, words), lower and upper lane.
    filled = np.zeros((2, count, packing.words(hidden)), np.int64)
    own = (1 << packing.bits) - 1
    steps = {gate: 1 << (packing.slack + (empty or {}).get(gate, 0)) for gate in weights}

    def choose(column: int, wanted: FloatArray) -> IntArray:
        chosen = np.zeros((len(ROWS), count), np.int64)
        lane = column % 2
        for row in reversed(range(len(ROWS))):
            task = column // 2 * len(ROWS) + row
            word, shift = task // packing.slots, task % packing.slots * packing.slot_bits
            step = steps[ROWS[row][0]]
            below = effective(filled[0, :, word], filled[1, :, word], shift)[lane] & (step - 1)
            target = wanted.reshape(len(ROWS), count)[row]
            top = saturate(np.floor((target - below) / step + 0.5), packing.bits)
            top[len(weights["z"][ROWS[row][1] :: 2]) :] = 0  # the idle partner of an odd unit
            chosen[row] = top * step + below
            if packing.slots > 1:
                filled[lane, :, word] |= (top & own) << (16 - packing.bits - shift)
        return chosen.reshape(-1)

    # A mantissa's lower bits come from later tasks and, in the upper lane, from the lower one.
    order = [*reversed(range(0, hidden, 2)), *reversed(range(1, hidden, 2))]
    flat = round_columns(scaled.reshape(-1, hidden), order, choose, moments)
    rounded = flat.reshape(len(ROWS), count, hidden)
    result = {gate: np.zeros((hidden, hidden), np.int64) for gate in "zrh"}
    for row, (gate, unit) in enumerate(ROWS):
        result[gate][unit::2] = rounded[row, : len(result[gate][unit::2])]
    return result
