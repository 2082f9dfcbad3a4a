"""Time budgets of two sources compared: minutes per hour of each behaviour, over bins or over animals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement import paired
from mcukd.metrics.agreement.elementary import elementary
from mcukd.metrics.agreement.paired import Sums, sums_of
from mcukd.metrics.agreement.stated import ONE_ANIMAL, reason, stated
from mcukd.metrics.agreement.track import IntArray, Track, common_spans
from mcukd.metrics.bootstrap import LEVEL, drawn_weights, interval

FloatArray = NDArray[np.float64]
MINUTES_PER_HOUR = 60.0


@dataclass(frozen=True)
class Bins:
    """Time of two sources in bins of one length.

    first, second: (B, K) ns of each class; known: (B,) ns that both know. Bins of which nothing is known are
    not among them.
    """

    first: IntArray
    second: IntArray
    known: IntArray

    def rates(self, chosen: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return minutes per hour known, (B, K) of each source, in the bins chosen."""
        known = self.known[chosen, None]
        return MINUTES_PER_HOUR * self.first[chosen] / known, MINUTES_PER_HOUR * self.second[chosen] / known


def binned(first: Track, second: Track, bin_ns: int) -> Bins:
    """Return the time that both know in bins that begin at the first moment both know.

    Raises ValueError where the classes differ.
    """
    spans = common_spans(first, second)
    kinds = len(first.classes)
    if not len(spans):
        nothing = np.zeros((0, kinds), np.int64)
        return Bins(nothing, nothing, np.zeros(0, np.int64))
    begin = int(spans[0, 0])
    # Only edges inside what both know cut anything: months between two sessions need none.
    inside = [
        np.arange(begin + -(-(low - begin) // bin_ns) * bin_ns, high, bin_ns, dtype=np.int64)
        for low, high in spans.tolist()
    ]
    pieces = elementary(first, second, cuts=np.concatenate(inside))
    numbers, place = np.unique((pieces.starts - begin) // bin_ns, return_inverse=True)
    one, other = (np.zeros((len(numbers), kinds), np.int64) for _ in range(2))
    np.add.at(one, (place, pieces.first), pieces.durations)
    np.add.at(other, (place, pieces.second), pieces.durations)
    return Bins(one, other, one.sum(axis=1))


def over_targets(first: NDArray[Any], second: NDArray[Any], level: float = LEVEL) -> dict[str, Any]:
    """Return the agreement of two sources on independent targets (n,), such as animals; intervals by formula.

    Returns `bias`, `limits` (`low`, `high`), `ccc`, `icc_2_1`, `icc_3_1` and `targets`, their number.
    """
    sums = sums_of(np.stack([first, second], axis=-1))
    half = paired.limit_half_width(sums, level)
    bounds = [None if half is None else (limit - half, limit + half) for limit in paired.limits(sums, level)]
    absolute, consistency = paired.icc_intervals(sums, level)
    return _figures(
        sums,
        level,
        {
            "bias": paired.bias_interval(sums, level),
            "low": bounds[0],
            "high": bounds[1],
            "ccc": paired.concordance_interval(sums, level),
            "icc_2_1": absolute,
            "icc_3_1": consistency,
        },
        "too few targets, or nothing varies",
    )


def over_bins(
    first: NDArray[Any], second: NDArray[Any], animals: NDArray[Any], level: float = LEVEL
) -> dict[str, Any]:
    """Return the agreement of two sources on bins (n,) of `animals` (n,), numbered; intervals over animals.

    Bins of one animal resemble each other, so whole animals are drawn (`mcukd.metrics.bootstrap`), never
    bins; with fewer than two animals there is no interval. Returns what `over_targets` does.
    """
    pairs = np.stack([first, second], axis=-1)
    numbers = np.unique(animals)
    bounds: dict[str, Any] = {}
    if len(numbers) > 1:
        each = [sums_of(pairs[animals == number]) for number in numbers]
        groups = Sums(
            *(np.stack([getattr(one, key) for one in each]) for key in ("number", "totals", "products"))
        )
        drawn = groups.weighted(drawn_weights(len(numbers)))
        low, high = np.moveaxis(paired.limits(drawn, level), -1, 0)
        values = {
            "bias": paired.bias(drawn),
            "low": low,
            "high": high,
            "ccc": paired.concordance(drawn),
            "icc_2_1": paired.icc_2_1(drawn),
            "icc_3_1": paired.icc_3_1(drawn),
        }
        bounds = {key: interval(each, len(numbers), level) for key, each in values.items()}
    lacking = ONE_ANIMAL if len(numbers) < 2 else "no interval: most draws of animals have no value"
    return _figures(sums_of(pairs), level, bounds, lacking)


def _figures(sums: Sums, level: float, bounds: dict[str, Any], lacking: str) -> dict[str, Any]:
    targets = int(sums.number)
    spread = sums.covariance() if targets else np.zeros((2, 2))
    why = reason(
        (targets == 0, "nothing to compare"),
        (targets == 1, "one target only"),
        (float(np.trace(spread)) <= 1e-9, "no variation between targets"),
    )
    low, high = paired.limits(sums, level)
    return {
        "targets": targets,
        "bias": stated(paired.bias(sums), bounds.get("bias"), why or lacking),
        "limits": {
            "low": stated(low, bounds.get("low"), why or lacking),
            "high": stated(high, bounds.get("high"), why or lacking),
        },
        "ccc": stated(paired.concordance(sums), bounds.get("ccc"), why or lacking),
        "icc_2_1": stated(paired.icc_2_1(sums), bounds.get("icc_2_1"), why or lacking),
        "icc_3_1": stated(paired.icc_3_1(sums), bounds.get("icc_3_1"), why or lacking),
    }
