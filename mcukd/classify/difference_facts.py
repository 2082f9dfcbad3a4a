"""Figures of the differences of two models on the same recordings: shares, minutes, and who is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.classify.counters import minutes
from mcukd.classify.differences import COLUMNS, Differences
from mcukd.metrics.bootstrap import LEVEL, drawn_weights, interval
from mcukd.metrics.confusion import MINUTES_PER_DAY


def comparison_facts(found: Sequence[Differences], top: int) -> dict[str, Any]:
    """Return what was counted of some animals as figures, in JSON types.

    Minutes per day are those of a day spent as the shared time was. `interval`: of the mean over animals of
    the change, at 95 %, by a bootstrap over animals; None with fewer than two.
    """
    time = np.sum([each.time for each in found], axis=0)
    one, other, truths = found[0].first_classes, found[0].second_classes, found[0].truths
    classes = tuple(dict.fromkeys([*one, *other]))
    animals = [each for each in found if each.time.sum()]
    daily = np.array([_daily(each.time.sum(axis=2), one, other, classes) for each in animals])
    shares = np.array([_same_share(each.time.sum(axis=2), one, other) for each in animals])
    longest = sorted((s for each in found for s in each.longest), key=lambda s: -s.length_ns)[:top]
    table = minutes(time.sum(axis=2))
    return {
        "animals": [_animal_facts(each, daily[n], shares[n], classes) for n, each in enumerate(animals)],
        "without_shared_time": [each.animal for each in found if not each.time.sum()],
        "classes": list(classes),
        "only_a": [name for name in one if name not in other],
        "only_b": [name for name in other if name not in one],
        "shared_minutes": _rounded(minutes(time.sum())),
        "not_shared_minutes": {
            "a": _rounded(minutes(sum(each.first_ns for each in found) - time.sum())),
            "b": _rounded(minutes(sum(each.second_ns for each in found) - time.sum())),
        },
        "same_share": _rounded(_same_share(time.sum(axis=2), one, other)),
        "same_share_by_animal": {"mean": _rounded(shares.mean()), "interval": _interval(shares)},
        "table_minutes": {
            mine: {theirs: _rounded(table[i, j]) for j, theirs in enumerate(other)}
            for i, mine in enumerate(one)
        },
        "minutes_per_day": {
            name: {
                "a": _rounded(daily[:, 0, k].mean()),
                "b": _rounded(daily[:, 1, k].mean()),
                "change": _rounded((daily[:, 1, k] - daily[:, 0, k]).mean()),
                "interval": _interval(daily[:, 1, k] - daily[:, 0, k]),
            }
            for k, name in enumerate(classes)
        },
        "interval_level": LEVEL,
        "differing_stretches": sum(each.stretches for each in found),
        "longest": [dict(zip(COLUMNS, stretch.cells())) for stretch in longest],
        "labels": _label_facts(time, one, other, truths) if truths else None,
    }


def _animal_facts(
    each: Differences, daily: NDArray[np.float64], share: float, classes: Sequence[str]
) -> dict[str, Any]:
    time = each.time
    return {
        "animal": each.animal,
        "shared_minutes": _rounded(minutes(time.sum())),
        "same_share": _rounded(share),
        "differing_stretches": each.stretches,
        "minutes_per_day": {
            name: {
                "a": _rounded(daily[0, k]),
                "b": _rounded(daily[1, k]),
                "change": _rounded(daily[1, k] - daily[0, k]),
            }
            for k, name in enumerate(classes)
        },
        "labels": (
            _label_facts(time, each.first_classes, each.second_classes, each.truths) if each.truths else None
        ),
    }


def _same_share(table: NDArray[np.int64], one: Sequence[str], other: Sequence[str]) -> float:
    same = np.array([[mine == theirs for theirs in other] for mine in one])
    return float(table[same].sum() / table.sum())


def _daily(
    table: NDArray[np.int64], one: Sequence[str], other: Sequence[str], classes: Sequence[str]
) -> NDArray[np.float64]:
    """Return minutes per day (2, K) by each model, in the classes of both."""
    found = np.zeros((2, len(classes)))
    for side, names in ((0, one), (1, other)):
        for k, name in enumerate(names):
            found[side, classes.index(name)] = table.sum(axis=1 - side)[k]
    return found / table.sum() * MINUTES_PER_DAY


def _label_facts(
    time: NDArray[np.int64], one: Sequence[str], other: Sequence[str], truths: Sequence[str]
) -> dict[str, Any]:
    """Return in how much labelled time each model gives the label's name, in all of it and where they differ.

    time: (K1, K2, L + 1) ns, the last label for none. `unknown`: labels that neither model has as a class.
    """
    labelled = time[:, :, :-1]
    mine, theirs, truth = np.array(one), np.array(other), np.array(truths)
    first = (mine[:, None] == truth)[:, None, :] & np.ones(labelled.shape, bool)
    second = (theirs[:, None] == truth)[None, :, :] & np.ones(labelled.shape, bool)
    differing = (mine[:, None] != theirs)[:, :, None] & np.ones(labelled.shape, bool)

    def told(which: NDArray[np.bool_]) -> float:
        return _rounded(minutes(labelled[which].sum()))

    return {
        "minutes": _rounded(minutes(labelled.sum())),
        "a_right_minutes": told(first),
        "b_right_minutes": told(second),
        "differing_minutes": told(differing),
        "differing_a_right_minutes": told(differing & first),
        "differing_b_right_minutes": told(differing & second),
        "differing_neither_right_minutes": told(differing & ~first & ~second),
        "unknown": [name for name in truths if name not in one and name not in other],
    }


def _interval(values: NDArray[np.float64]) -> list[float] | None:
    """Return the interval of the mean over animals (A,); None with fewer than two."""
    if len(values) < 2:
        return None
    found = interval(drawn_weights(len(values)) @ values / len(values), len(values))
    return None if found is None else [_rounded(one) for one in found]


def _rounded(value: float) -> float:
    return round(float(value), 4)
