"""Rounding weights so that sums, not weights, stay close to the float model's.

Rounding each weight to its nearest mantissa is best for the weight and not for the sum it goes into: errors
of weights whose inputs move together add up. So columns are rounded one after another, and what rounding one
column did to the sum is made up for by the columns still to come, as far as their inputs go along with it in
calibration: optimal brain compression (Frantar and Alistarh 2022), one layer at a time. The mean of what is
left goes into the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray, QFormat

FloatArray = NDArray[np.float64]

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
        return cls(values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False, bias=True)))


def round_rows(weights: FloatArray, fmt: QFormat, moments: Moments) -> IntArray:
    """Return mantissas of weights (rows, n) in `fmt`."""
    damping = _DAMPING * float(np.mean(np.diag(moments.covariance)))
    if damping == 0.0:
        return fmt.quantize(weights)
    inverse = np.linalg.inv(moments.covariance + damping * np.eye(weights.shape[1]))
    # Row i of the factor says how the columns after i make up for an error in column i.
    factor = np.linalg.cholesky((inverse + inverse.T) / 2).T
    wanted = weights.astype(np.float64).copy()
    mantissas = np.zeros(weights.shape, np.int64)
    for column in range(weights.shape[1]):
        mantissas[:, column] = fmt.quantize(wanted[:, column])
        error = (wanted[:, column] - fmt.value(mantissas[:, column])) / factor[column, column]
        wanted[:, column + 1 :] -= np.outer(error, factor[column, column + 1 :])
    return mantissas


def left_over(weights: FloatArray, mantissas: IntArray, fmt: QFormat, moments: Moments) -> FloatArray:
    """Return (rows,) the mean that rounding adds to each sum, to be taken off its bias."""
    return np.asarray((fmt.value(mantissas) - weights) @ moments.mean)
