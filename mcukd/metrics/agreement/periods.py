"""Agreement of time budgets alone, where the tag tells only how long each behaviour took in each period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcukd.metrics.agreement.budgets import MINUTES_PER_HOUR, FloatArray, over_bins, over_targets
from mcukd.metrics.agreement.sentences import budget_sentences_of
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.stated import minutes
from mcukd.metrics.agreement.tally import common_classes, only_of, split_answers
from mcukd.metrics.agreement.track import IntArray, Track


@dataclass(frozen=True)
class Periods:
    """How long each behaviour of an animal took in each of a tag's periods, as one source tells it.

    animal, source, classes as of a `Track`. starts, ends: (P,) ns since 1970, UTC, of periods [start, end),
    sorted, none empty, none overlapping. times: (P, K) ns of each class, zero or more. Raises ValueError for
    anything else.
    """

    animal: str
    source: str
    classes: tuple[str, ...]
    starts: IntArray
    ends: IntArray
    times: IntArray

    def __post_init__(self) -> None:
        for name in ("starts", "ends", "times"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.int64))
        object.__setattr__(self, "times", self.times.reshape(-1, len(self.classes)))
        if not len(self.starts) == len(self.ends) == len(self.times):
            raise ValueError("starts, ends and times differ in length")
        if np.any(self.ends <= self.starts):
            raise ValueError("a period ends before it starts, or is empty")
        if np.any(self.starts[1:] < self.ends[:-1]):
            raise ValueError("periods overlap or are not sorted")
        if np.any(self.times < 0):
            raise ValueError("a time is negative")


@dataclass(frozen=True)
class PeriodTally:
    """Periods of one animal that count: ns (P, K) by either, and how many were left out."""

    animal: str
    first: IntArray
    second: IntArray
    left_out: int

    def rates(self) -> tuple[FloatArray, FloatArray]:
        """Return minutes per hour known by either, (P, K) each."""
        one, other = (
            MINUTES_PER_HOUR * times / times.sum(axis=1, keepdims=True) for times in (self.first, self.second)
        )
        return one, other


def budget_agreement(
    pairs: Sequence[tuple[Track, Periods]], settings: AgreementSettings, *, simulated: bool = False
) -> dict[str, Any]:
    """Return how far the time budgets of two sources agree, per animal and together, in JSON types.

    pairs: of one animal each, first the reference's track, second what the tag told of its periods; several
    may be of one animal. A period counts where either knows at least `known_share` of it. The tag's times
    cannot be cut to what the reference knew, so that its answers of the rest of a period count as well: the
    fuller the periods are observed, the better. Nothing can be said of kappa or bouts. Raises ValueError
    where a pair is of two animals.

    Returned are `simulated`, `names`, `sources`, `settings`, `classes`, `only_first`, `only_second` and
    `sentences` as of `agreement_of`, and `animals` {animal: figures} and `together`, each with `animals`,
    `periods` (`counted`, `left_out`), `minutes` (`first_knows`, `second_knows`, of the periods that count)
    and `behaviours` {class: `minutes`, `min_per_hour` ({`first`, `second`}), `periods` and, together only,
    `over_animals`: min/h compared as in `agreement_of`}.
    """
    sides: list[list[Track | Periods]] = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    classes = common_classes([*sides[0], *sides[1]], settings)
    by_animal: dict[str, list[PeriodTally]] = {}
    for track, periods in pairs:
        by_animal.setdefault(track.animal, []).append(period_tally(track, periods, classes, settings))
    tallies = [_joined(each) for each in by_animal.values()]
    together = _figures(tallies, classes, settings)
    told = [tally for tally in tallies if len(tally.first)]
    budgets = [
        np.array([MINUTES_PER_HOUR * times.sum(0) / times.sum() for times in side]).reshape(
            len(told), len(classes)
        )
        for side in ([tally.first for tally in told], [tally.second for tally in told])
    ]
    for k, name in enumerate(classes):
        together["behaviours"][name]["over_animals"] = over_targets(
            budgets[0][:, k], budgets[1][:, k], settings.level
        )
    found = {
        "simulated": simulated,
        "names": list(settings.names),
        "sources": [sorted({each.source for each in side}) for side in sides],
        "settings": settings.stated(),
        "classes": classes,
        **only_of(sides[0], sides[1], settings),
        "together": together,
        "animals": {tally.animal: _figures([tally], classes, settings) for tally in tallies},
    }
    return {**found, "sentences": budget_sentences_of(found)}


def period_tally(
    track: Track, periods: Periods, classes: Sequence[str], settings: AgreementSettings
) -> PeriodTally:
    """Return the periods that count, in `classes`. Raises ValueError where the two are of two animals."""
    if track.animal != periods.animal:
        raise ValueError(f"one account is of {track.animal}, the other of {periods.animal}")
    track, _ = split_answers(track, settings)
    track = track.with_classes(classes)
    first = np.zeros((len(periods.starts), len(classes)), np.int64)
    for number, span in enumerate(zip(periods.starts, periods.ends)):
        first[number] = track.within(np.array([span])).totals()
    second = np.zeros_like(first)
    for k, name in enumerate(periods.classes):
        if not settings.is_no_answer(name):
            second[:, list(classes).index(name)] += periods.times[:, k]
    least = settings.known_share * (periods.ends - periods.starts)
    counts = (first.sum(1) >= least) & (second.sum(1) >= least)
    return PeriodTally(track.animal, first[counts], second[counts], int(np.count_nonzero(~counts)))


def _joined(tallies: Sequence[PeriodTally]) -> PeriodTally:
    return PeriodTally(
        tallies[0].animal,
        np.concatenate([tally.first for tally in tallies]),
        np.concatenate([tally.second for tally in tallies]),
        sum(tally.left_out for tally in tallies),
    )


def _figures(
    tallies: Sequence[PeriodTally], classes: Sequence[str], settings: AgreementSettings
) -> dict[str, Any]:
    nothing = np.zeros((0, len(classes)))
    first = np.concatenate([nothing, *(tally.first for tally in tallies)])
    second = np.concatenate([nothing, *(tally.second for tally in tallies)])
    rates = [np.concatenate([nothing, *(tally.rates()[side] for tally in tallies)]) for side in (0, 1)]
    owner = np.repeat(np.arange(len(tallies)), [len(tally.first) for tally in tallies])
    totals = {"first": first.sum(), "second": second.sum()}
    behaviours = {}
    for k, name in enumerate(classes):
        own = {"first": first[:, k].sum(), "second": second[:, k].sum()}
        behaviours[name] = {
            "minutes": {side: minutes(time) for side, time in own.items()},
            "min_per_hour": {
                side: float(MINUTES_PER_HOUR * time / totals[side]) if totals[side] else None
                for side, time in own.items()
            },
            "periods": over_bins(rates[0][:, k], rates[1][:, k], owner, settings.level),
        }
    return {
        "animals": len(tallies),
        "periods": {"counted": len(owner), "left_out": sum(tally.left_out for tally in tallies)},
        "minutes": {f"{side}_knows": minutes(time) for side, time in totals.items()},
        "behaviours": behaviours,
    }
