"""Rounding of weights that keeps their sums, not each weight, close to the float model's.

Rounding each weight to its nearest mantissa is best for the weight, but not for its sum: errors of weights
whose inputs are correlated add up. Columns are therefore rounded one after another, and the columns not yet
rounded compensate for the error of each, as far as their inputs are correlated with its own on the
calibration windows: optimal brain compression (Frantar and Alistarh 2022), one layer at a time. The mean of
the remaining error is subtracted from the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray, saturate

FloatArray = NDArray[np.float64]
#: Rounds a column, given by its index, from wanted mantissas (rows,) as floats to integers.
ColumnRounder = Callable[[int, FloatArray], IntArray]

#: Fraction of the mean variance that is added to every input's, so that weights of nearly
#: constant inputs change little.
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
    return round_columns(scaled, range(weights.shape[1]), nearest, moments)


def rounding_bias(
    weights: FloatArray, mantissas: IntArray, lengths: NDArray[np.int64], moments: Moments
) -> FloatArray:
    """Return the mean that rounding adds to each sum (rows,), to be subtracted from its bias."""
    return np.asarray((np.ldexp(mantissas.astype(np.float64), -lengths[:, None]) - weights) @ moments.mean)


def round_columns(
    scaled: FloatArray, order: Iterable[int], rounder: ColumnRounder, moments: Moments
) -> IntArray:
    """Round the columns of `scaled` (rows, n) in `order`; later columns compensate for the errors."""
    columns = list(order)
    damping = _DAMPING * float(np.mean(np.diag(moments.covariance)))
    factor = np.eye(len(columns))
    if damping > 0.0:
        covariance = moments.covariance[np.ix_(columns, columns)]
        inverse = np.linalg.inv(covariance + damping * np.eye(len(columns)))
        # Row i of the factor says how the columns after i compensate for an error in column i.
        factor = np.linalg.cholesky((inverse + inverse.T) / 2).T
    wanted = scaled[:, columns].copy()
    mantissas = np.zeros(scaled.shape, np.int64)
    for place, column in enumerate(columns):
        mantissas[:, column] = rounder(column, wanted[:, place])
        error = (wanted[:, place] - mantissas[:, column]) / factor[place, place]
        wanted[:, place + 1 :] -= np.outer(error, factor[place, place + 1 :])
    return mantissas
