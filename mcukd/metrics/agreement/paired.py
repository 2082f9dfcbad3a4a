"""Agreement of paired measurements: bias and limits, concordance, intraclass correlation.

All of them follow from the number of targets, the sums and the sums of products (`Sums`). These can be
weighted and added, so thousands of bootstrap samples of animals are computed at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.bootstrap import LEVEL, Interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sums over targets that k methods measured: number (…), totals (…, k) and products (…, k, k)."""

    number: FloatArray
    totals: FloatArray
    products: FloatArray

    def weighted(self, weights: NDArray[Any]) -> Sums:
        """Return the sums (D, …) of D samples in which group g of (G, …) stands weights[d, g] times."""
        weights = np.asarray(weights, np.float64)
        return Sums(*(np.tensordot(weights, each, 1) for each in (self.number, self.totals, self.products)))

    def covariance(self) -> FloatArray:
        """Return the products of deviations from the means, divided by the number: (…, k, k)."""
        count = np.where(self.number > 0, self.number, np.nan)[..., None]
        means = self.totals / count
        return self.products / count[..., None] - means[..., :, None] * means[..., None, :]


def sums_of(values: NDArray[Any]) -> Sums:
    """Return the sums of measurements (n, k) of n targets by k methods."""
    values = np.asarray(values, np.float64)
    return Sums(np.float64(len(values)) + np.zeros(()), values.sum(0), values.T @ values)


def bias(sums: Sums) -> FloatArray:
    """Return the mean difference (…), second minus first; NaN without targets."""
    return _ratio(sums.totals[..., 1] - sums.totals[..., 0], sums.number)


def spread(sums: Sums) -> FloatArray:
    """Return the differences' standard deviation (…), divisor n − 1; NaN with fewer than two targets."""
    covariance = sums.covariance()
    variance = covariance[..., 0, 0] + covariance[..., 1, 1] - 2 * covariance[..., 0, 1]
    return np.sqrt(_ratio(np.maximum(variance, 0) * sums.number, sums.number - 1))


def limits(sums: Sums, level: float = LEVEL) -> FloatArray:
    """Return Bland and Altman's limits of agreement (…, 2): bias ± 1.96 standard deviations at .95.

    Bland and Altman (1999, doi 10.1177/096228029900800204); in 1986 they wrote 2 for 1.96. Between them lie
    95 % of differences, if these are normal. NaN with fewer than two targets.
    """
    half = _normal_quantile(level) * spread(sums)
    return np.stack([bias(sums) - half, bias(sums) + half], axis=-1)


def bias_interval(sums: Sums, level: float = LEVEL) -> Interval:
    """Return the interval of the bias of independent targets, by Student's t; None with fewer than two."""
    if sums.number < 2:
        return None
    half = _student_quantile(level, float(sums.number) - 1) * float(spread(sums)) / math.sqrt(sums.number)
    return float(bias(sums)) - half, float(bias(sums)) + half


def limit_half_width(sums: Sums, level: float = LEVEL) -> float | None:
    """Return the half width of the interval of either limit; None with fewer than two targets.

    The standard error is s √(1/n + z²/(2(n − 1))) (Bland and Altman 1999, section 2.1), times Student's t.
    """
    if sums.number < 2:
        return None
    number, z = float(sums.number), _normal_quantile(level)
    error = float(spread(sums)) * math.sqrt(1 / number + z * z / (2 * (number - 1)))
    return _student_quantile(level, number - 1) * error


def concordance(sums: Sums) -> FloatArray:
    """Return Lin's concordance correlation coefficient (1989, doi 10.2307/2532051), (…).

    2 s₁₂ / (s₁² + s₂² + (difference of the means)²), each with divisor n. NaN with fewer than two targets,
    and where neither method varies and their means are equal.
    """
    covariance = sums.covariance()
    below = covariance[..., 0, 0] + covariance[..., 1, 1] + bias(sums) ** 2
    few = np.where(sums.number >= 2, below, 0)
    return np.clip(_ratio(2 * covariance[..., 0, 1], np.where(few > 1e-12, few, 0)), -1, 1)


def concordance_interval(sums: Sums, level: float = LEVEL) -> Interval:
    """Return the interval of Lin's coefficient for independent targets, by Fisher's z.

    With the variance of Lin (1989) as corrected in 2000 (doi 10.1111/j.0006-341X.2000.00324.x). None with
    fewer than three targets, or where one method does not vary, the correlation is 0 or the agreement
    complete.
    """
    rho, number = float(concordance(sums)), float(sums.number)
    (one, both), (_, other) = sums.covariance().tolist()
    if number < 3 or min(one, other) <= 1e-12 or abs(both) <= 1e-12 or abs(rho) >= 1 - 1e-12:
        return None
    r = both / math.sqrt(one * other)
    shift = float(bias(sums)) ** 2 / math.sqrt(one * other)
    variance = (
        (1 - r**2) * rho**2 * (1 - rho**2) / r**2
        + 2 * rho**3 * (1 - rho) * shift / r
        - rho**4 * shift**2 / (2 * r**2)
    ) / (number - 2)
    if variance < 0:
        return None
    half = _normal_quantile(level) * math.sqrt(variance) / (1 - rho**2)
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def icc_2_1(sums: Sums) -> FloatArray:
    """Return the intraclass correlation ICC(2,1) (…): absolute agreement, both methods taken at random.

    Shrout and Fleiss (1979, doi 10.1037/0033-2909.86.2.420). NaN with fewer than two targets, or without any
    variation.
    """
    targets, methods, error = mean_squares(sums)
    k = sums.totals.shape[-1]
    below = targets + (k - 1) * error + _ratio(k * (methods - error), sums.number)
    return _ratio(targets - error, np.where(below > 1e-12, below, 0))


def icc_3_1(sums: Sums) -> FloatArray:
    """Return the intraclass correlation ICC(3,1) (…): consistency of these methods, whatever their bias.

    Shrout and Fleiss (1979). NaN as `icc_2_1`.
    """
    targets, _, error = mean_squares(sums)
    below = targets + (sums.totals.shape[-1] - 1) * error
    return _ratio(targets - error, np.where(below > 1e-12, below, 0))


def icc_intervals(sums: Sums, level: float = LEVEL) -> tuple[Interval, Interval]:
    """Return the intervals of ICC(2,1) and ICC(3,1) of independent targets (Shrout and Fleiss 1979).

    None where there are fewer than two targets, where the residual does not vary, and where the formula has
    no finite value.
    """
    from scipy.special import fdtri

    targets, methods, error = (float(each) for each in mean_squares(sums))
    n, k = float(sums.number), sums.totals.shape[-1]
    if n < 2 or not error > 1e-12:
        return None, None
    tail = (1 + level) / 2
    low = targets / error / fdtri(n - 1, (n - 1) * (k - 1), tail)
    high = targets / error * fdtri((n - 1) * (k - 1), n - 1, tail)
    consistency = ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1))
    icc, ratio = np.float64(icc_2_1(sums)), methods / error
    part = n * (1 + (k - 1) * icc) - k * icc
    rest = k * methods + (k * n - k - n) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (n - 1) * (k * icc * ratio) ** 2 + part**2
        freedom = (k - 1) * (n - 1) * (k * icc * ratio + part) ** 2 / squares
        above, below = fdtri(n - 1, freedom, tail), fdtri(freedom, n - 1, tail)
        absolute = (
            n * (targets - above * error) / (above * rest + n * targets),
            n * (below * targets - error) / (rest + n * below * targets),
        )
    return _finite(absolute), _finite(consistency)


def mean_squares(sums: Sums) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean squares (…) of targets, methods and residual of the two-way analysis of variance."""
    k = sums.totals.shape[-1]
    covariance = sums.covariance()
    means = _ratio(sums.totals, sums.number[..., None])
    of_methods = sums.number * ((means - means.mean(-1, keepdims=True)) ** 2).sum(-1)
    of_targets = sums.number * covariance.sum((-2, -1)) / k
    within = sums.number * np.trace(covariance, axis1=-2, axis2=-1)
    residual = np.maximum(within - of_targets, 0)
    freedom = sums.number - 1
    return (
        _ratio(of_targets, freedom),
        _ratio(of_methods, np.where(freedom > 0, k - 1.0, 0)),
        _ratio(residual, freedom * (k - 1)),
    )


def _finite(bounds: tuple[Any, Any]) -> Interval:
    low, high = float(bounds[0]), float(bounds[1])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _ratio(above: Any, below: Any) -> FloatArray:
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _student_quantile(level: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
