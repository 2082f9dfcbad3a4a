"""Shares of counts: their interval, and how many are needed to know one precisely enough."""

from __future__ import annotations

import math

from mcukd.metrics.bootstrap import LEVEL, Interval

#: Below so many bouts the share seen says too little to plan with it.
BOUTS_TO_PLAN_WITH = 10


def wilson_interval(found: int, of: int, level: float = LEVEL) -> Interval:
    """Return the interval of a share, found / of, by Wilson's score method (1927); None of nothing.

    As Newcombe (1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E) recommends,
    without correction for continuity. It takes the cases to be independent. Raises ValueError where `found`
    is below 0 or above `of`.
    """
    if not 0 <= found <= of:
        raise ValueError(f"{found} of {of} is no share")
    if not of:
        return None
    z = _normal_quantile(level)
    centre = (found + z * z / 2) / (of + z * z)
    half = wilson_half_width(found / of, of, level)
    # Rounding must not leave a hair beside 0 and 1, which the interval touches exactly.
    return 0.0 if found == 0 else centre - half, 1.0 if found == of else centre + half


def wilson_half_width(share: float, of: int, level: float = LEVEL) -> float:
    """Return half the width of Wilson's interval of a share seen in `of` cases."""
    z = _normal_quantile(level)
    return z * math.sqrt(share * (1 - share) * of + z * z / 4) / (of + z * z)


def bouts_needed(share: float, half_width: float, level: float = LEVEL) -> int:
    """Return the least number of bouts in which a share is known to ± `half_width`, by Wilson's interval.

    For .85 ± .10 that is 49, for .85 ± .05 it is 196; the normal formula, z² p (1 − p) / d² (Cochran 1977),
    gives the same, but would need no bout at all for a share of 1. Bouts are taken to be independent.
    """
    z = _normal_quantile(level)
    # half_width · (n + z²) = z · √(share (1 − share) n + z²/4), squared and solved for n.
    a = half_width**2
    b = 2 * a * z**2 - z**2 * share * (1 - share)
    c = z**4 * (a - 0.25)
    exact = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    return max(1, math.ceil(exact - 1e-9))


def share_to_plan_with(found: int, of: int, expected: float) -> float:
    """Return the share seen, or the expected one while fewer than ten bouts were seen."""
    return found / of if of >= BOUTS_TO_PLAN_WITH else expected


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
