"""Statistics in JSON types: a value, its interval, and in words why either is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.bouts import BoutCounts
from mcukd.metrics.agreement.proportions import bouts_needed, share_to_plan_with, wilson_interval
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.bootstrap import Interval, drawn_weights, interval

ONE_ANIMAL = "no interval: of one animal only"


def stated(value: float | NDArray[Any] | None, bounds: Interval = None, why: str = "") -> dict[str, Any]:
    """Return `value`, `interval` and `why` in JSON types; NaN becomes None, `why` only where one lacks."""
    number = None if value is None or np.isnan(value) else float(value)
    found = None if number is None or bounds is None else [float(bound) for bound in bounds]
    return {
        "value": number,
        "interval": found,
        "why": (why or None) if number is None or found is None else None,
    }


def over_animals(values: NDArray[Any], animals: int, level: float) -> Interval:
    """Return the interval of bootstrap values (draws,) from so many animals; None with fewer than two."""
    return interval(values, animals, level) if animals > 1 else None


def share_of_bouts(counts: Sequence[BoutCounts], k: int, level: float) -> dict[str, Any]:
    """Return the share of the bouts of class k that were found, over animals, with both its intervals.

    `interval` is Wilson's over bouts, as if all were independent; `interval_over_animals` is the bootstrap's
    over animals that show the class, None with fewer than two of them.
    """
    found = np.array([int(one.found[k]) for one in counts])
    counted = np.array([int(one.counted[k]) for one in counts])
    showing = counted > 0
    animals, bouts = int(showing.sum()), int(counted.sum())
    bounds = None
    if animals > 1:
        weights = drawn_weights(animals)
        bounds = interval((weights @ found[showing]) / (weights @ counted[showing]), animals, level)
    value = int(found.sum()) / bouts if bouts else None
    return {
        **stated(value, wilson_interval(int(found.sum()), bouts, level), "no bout that both know enough of"),
        "found": int(found.sum()),
        "bouts": bouts,
        "left_out": int(sum(int(one.left_out[k]) for one in counts)),
        "animals": animals,
        "interval_over_animals": None if bounds is None else list(bounds),
    }


def bouts_wanted(sensitivity: dict[str, Any], settings: AgreementSettings) -> dict[str, Any]:
    """Return how many bouts are needed for the precision wanted, and how many of them still lack."""
    found, bouts = sensitivity["found"], sensitivity["bouts"]
    share = share_to_plan_with(found, bouts, settings.expected_share)
    needed = bouts_needed(share, settings.wanted_half_width, settings.level)
    return {
        "half_width": settings.wanted_half_width,
        "share": share,
        "needed": needed,
        "so_far": bouts,
        "still_needed": max(0, needed - bouts),
        "formula": "half width of Wilson's interval",
    }


def reason(*conditions: tuple[bool, str]) -> str:
    """Return the first reason that holds, or nothing."""
    return next((words for holds, words in conditions if holds), "")


def minutes(nanoseconds: Any) -> float | None:
    """Return minutes of a time in ns."""
    return float(nanoseconds) / 60e9
