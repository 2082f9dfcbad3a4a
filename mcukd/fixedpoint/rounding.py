"""Rounding weights so that sums, not weights, stay close to the float model's.

Rounding each weight to its nearest mantissa is best for the weight and not for the sum it goes into: errors
of weights whose inputs move together add up. So columns are rounded one after another, and what rounding one
column did to the sum is made up for by the columns still to come, as far as their inputs go along with it in
calibration: optimal brain compression (Frantar and Alistarh 2022), one layer at a time. The mean of what is
left goes into the bias.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray, saturate
from mcukd.fixedpoint.packing import ROWS, Packing, effective, pairs

FloatArray = NDArray[np.float64]
#: Turns (rows,) wanted mantissas of a column, as floats, into the integers they become.
ColumnRounder = Callable[[int, FloatArray], IntArray]

#: Share of the mean variance added to every input's, so that inputs which hardly move keep their weights.
_DAMPING = 0.01


@dataclass(frozen=True)
class Moments:
    """Mean (n,) and covariance (n, n) of the n inputs of a weight group over calibration."""

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, inputs: NDArray[Any]) -> Moments:
        """Measure inputs (samples, n)."""
        values = np.asarray(inputs, np.float64)
        if len(values) == 1:  # which np.cov takes for one input of n samples
            return cls(values[0], np.zeros((values.shape[1], values.shape[1])))
        return cls(values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False, bias=True)))


def round_rows(weights: FloatArray, lengths: NDArray[np.int64], bits: int, moments: Moments) -> IntArray:
    """Return `bits`-bit mantissas of weights (rows, n), whose rows have the fractional lengths (rows,)."""

    def nearest(column: int, wanted: FloatArray) -> IntArray:
        return saturate(np.floor(wanted + 0.5), bits)

    scaled = np.ldexp(weights, lengths[:, None])
    return _compensated(scaled, range(weights.shape[1]), nearest, moments)


def round_recurrent(
    weights: dict[str, FloatArray],
    lengths: dict[str, int],
    packing: Packing,
    moments: Moments,
    empty: Optional[dict[str, int]] = None,
) -> dict[str, IntArray]:
    """Return the 16-bit mantissas {gate: (H, H)} of weights {gate: (H, H)} at their gates' lengths.

    A mantissa's lower `packing.slack` bits are what the rows it shares words with put there. empty: by gate,
    bits below a mantissa's own that stay zero, where it shares no word.
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
    flat = _compensated(scaled.reshape(-1, hidden), order, choose, moments)
    rounded = flat.reshape(len(ROWS), count, hidden)
    result = {gate: np.zeros((hidden, hidden), np.int64) for gate in "zrh"}
    for row, (gate, unit) in enumerate(ROWS):
        result[gate][unit::2] = rounded[row, : len(result[gate][unit::2])]
    return result


def left_over(
    weights: FloatArray, mantissas: IntArray, lengths: NDArray[np.int64], moments: Moments
) -> FloatArray:
    """Return (rows,) the mean that rounding adds to each sum, to be taken off its bias."""
    return np.asarray((np.ldexp(mantissas.astype(np.float64), -lengths[:, None]) - weights) @ moments.mean)


def _compensated(
    scaled: FloatArray, order: Iterable[int], rounder: ColumnRounder, moments: Moments
) -> IntArray:
    """Round the columns of `scaled` (rows, n) in `order`; errors are made up for by the columns to come."""
    columns = list(order)
    damping = _DAMPING * float(np.mean(np.diag(moments.covariance)))
    factor = np.eye(len(columns))
    if damping > 0.0:
        covariance = moments.covariance[np.ix_(columns, columns)]
        inverse = np.linalg.inv(covariance + damping * np.eye(len(columns)))
        # Row i of the factor says how the columns after i make up for an error in column i.
        factor = np.linalg.cholesky((inverse + inverse.T) / 2).T
    wanted = scaled[:, columns].copy()
    mantissas = np.zeros(scaled.shape, np.int64)
    for place, column in enumerate(columns):
        mantissas[:, column] = rounder(column, wanted[:, place])
        error = (wanted[:, place] - mantissas[:, column]) / factor[place, place]
        wanted[:, place + 1 :] -= np.outer(error, factor[place, place + 1 :])
    return mantissas
