"""Agreement of two sources, such as an observer and a tag: per animal and together, in JSON types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mcukd.metrics.agreement.budgets import over_bins, over_targets
from mcukd.metrics.agreement.event_kappa import event_kappas
from mcukd.metrics.agreement.sentences import sentences_of
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.stated import (
    ONE_ANIMAL,
    bouts_wanted,
    minutes,
    over_animals,
    share_of_bouts,
    stated,
)
from mcukd.metrics.agreement.tally import Tally, common_classes, counted_twice, joined, only_of, tally_of
from mcukd.metrics.agreement.track import NS, Track
from mcukd.metrics.bootstrap import drawn_weights
from mcukd.metrics.confusion import kappa

NO_TIME = "there is no time that both know"
ONE_CLASS = "both give one behaviour throughout, so chance alone agrees always"


def agreement_of(
    pairs: Sequence[tuple[Track, Track]], settings: AgreementSettings, *, simulated: bool = False
) -> dict[str, Any]:
    """Return how far two sources agree, per animal and together, in JSON types.

    pairs: two tracks of one animal each, first the reference (an observer), second what is judged (a tag);
    several pairs may be of one animal. simulated: whether the data are; it is passed on, and said.
    Raises ValueError where the tracks of a pair are of two animals.

    A statistic is {`value`, `interval`, `why`}: None stands for what is undefined, and `why` says in words
    why value or interval is missing. Returned are

    - `simulated`; `names`, of the two in sentences; `sources`, of all first and all second tracks;
      `settings`, with `effective_tolerance_s`; `classes`; `only_first`, `only_second`: classes that the other
      has not.
    - `animals` {animal: figures} and `together`, the same figures over all of them, each with
      - `minutes`: `first_knows`, `second_knows`, `both_know`, `no_answer` and `silent` (the first knows, and
        the second answers "unknown", or says nothing); `coverage`, both_know / first_knows; `twice`, time
        that stands in more than one pair. `median_bout_s`, of the first.
      - `same_share`: of the time both know; `of_first`, `of_second` with tolerance, seen from either.
      - `confusion_min` (K × K), rows the first's classes.
      - `kappa`: `time`, exact and without tolerance; `time_tolerant`, the lower of `of_first` and
        `of_second`; `event`, with `linked`, `omissions`, `commissions`; `grid`, with `step_s`. What each is
        stands in `time_kappa` and `event_kappa`.
      - `behaviours` {class: `minutes` and `min_per_hour` ({`first`, `second`}), `sensitivity` and `precision`
        over bouts (a statistic with `found`, `bouts`, `left_out`, `animals`, `interval_over_animals`),
        `wanted` (`half_width`, `share`, `needed`, `so_far`, `still_needed`, `formula`), `bins` and, together
        only, `over_animals`: min/h compared, second minus first (`targets`, `bias`, `limits` {`low`, `high`},
        `ccc`, `icc_2_1`, `icc_3_1`)}.
      - `bins` ({`minutes`, `counted`, `left_out`}), `animals` (their number).
    - `sentences`: what it means, in plain words.
    """
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    classes = common_classes([*sides[0], *sides[1]], settings)
    by_animal: dict[str, list[Tally]] = {}
    for first, second in pairs:
        by_animal.setdefault(first.animal, []).append(tally_of(first, second, classes, settings))
    tallies = [joined(each) for each in by_animal.values()]
    found = {
        "simulated": simulated,
        "names": list(settings.names),
        "sources": [sorted({track.source for track in side}) for side in sides],
        "settings": settings.stated(),
        "classes": classes,
        **only_of(sides[0], sides[1], settings),
        "together": _together(tallies, classes, settings),
        "animals": {tally.animal: _figures([tally], classes, settings) for tally in tallies},
    }
    return {**found, "sentences": sentences_of(found)}


def _together(
    tallies: Sequence[Tally], classes: Sequence[str], settings: AgreementSettings
) -> dict[str, Any]:
    found = _figures(tallies, classes, settings)
    known = [tally for tally in tallies if tally.table.sum()]
    first = np.array([60 * tally.table.sum(1) / tally.table.sum() for tally in known])
    second = np.array([60 * tally.table.sum(0) / tally.table.sum() for tally in known])
    shape = (len(known), len(classes))
    first, second = first.reshape(shape), second.reshape(shape)
    for k, name in enumerate(classes):
        found["behaviours"][name]["over_animals"] = over_targets(first[:, k], second[:, k], settings.level)
    return found


def _figures(tallies: Sequence[Tally], classes: Sequence[str], settings: AgreementSettings) -> dict[str, Any]:
    """Return the figures of some animals, as `agreement_of` says, but for `over_animals`."""
    kinds = len(classes)
    table = _sum([tally.table for tally in tallies], (kinds, kinds))
    both, first_knows = int(table.sum()), sum(tally.first_knows for tally in tallies)
    bins = [np.concatenate([getattr(t, name) for t in tallies] or [np.zeros((0, kinds))]) for name in _BINS]
    owner = np.repeat(np.arange(len(tallies)), [len(tally.bins_first) for tally in tallies])
    tolerant = [
        _sum([getattr(t, name) for t in tallies], (kinds, kinds)) for name in ("of_first", "of_second")
    ]
    lengths = np.concatenate([np.zeros(0, np.int64), *(tally.bout_lengths for tally in tallies)])
    behaviours: dict[str, Any] = {}
    for k, name in enumerate(classes):
        own = {"first": int(table[k].sum()), "second": int(table[:, k].sum())}
        sensitivity = share_of_bouts([tally.sensitivity for tally in tallies], k, settings.level)
        behaviours[name] = {
            "minutes": {side: minutes(time) for side, time in own.items()},
            "min_per_hour": {side: 60 * time / both if both else None for side, time in own.items()},
            "sensitivity": sensitivity,
            "precision": share_of_bouts([tally.precision for tally in tallies], k, settings.level),
            "wanted": bouts_wanted(sensitivity, settings),
            "bins": over_bins(bins[0][:, k], bins[1][:, k], owner, settings.level),
        }
    return {
        "animals": len(tallies),
        "minutes": {
            "first_knows": minutes(first_knows),
            "second_knows": minutes(sum(tally.second_knows for tally in tallies)),
            "both_know": minutes(both),
            "no_answer": minutes(sum(tally.no_answer for tally in tallies)),
            "silent": minutes(sum(tally.silent for tally in tallies)),
            "coverage": both / first_knows if first_knows else None,
            "twice": minutes(sum(counted_twice(tally.spans) for tally in tallies)),
        },
        "median_bout_s": float(np.median(lengths)) / NS if len(lengths) else None,
        "same_share": {
            "value": _diagonal_share(table),
            "of_first": _diagonal_share(tolerant[0]),
            "of_second": _diagonal_share(tolerant[1]),
        },
        "confusion_min": (table / 60e9).tolist(),
        "kappa": _kappas(tallies, settings),
        "behaviours": behaviours,
        "bins": {
            "minutes": settings.bin_minutes,
            "counted": len(owner),
            "left_out": sum(tally.bins_left_out for tally in tallies),
        },
    }


_BINS = ("bins_first", "bins_second")


def _kappas(tallies: Sequence[Tally], settings: AgreementSettings) -> dict[str, Any]:
    """Return every kappa of some animals together, with intervals over animals where there are two."""
    animals, level = len(tallies), settings.level
    if not animals:
        nothing = stated(None, None, NO_TIME)
        return {name: dict(nothing) for name in ("time", "time_tolerant", "event", "grid")}
    weights = drawn_weights(animals) if animals > 1 else np.ones((1, 1), np.int64)
    stacks = {
        name: np.stack([getattr(tally, name) for tally in tallies]).astype(np.float64)
        for name in ("table", "of_first", "of_second", "events", "grid")
    }
    drawn = {name: np.tensordot(weights, stack, 1) for name, stack in stacks.items()}
    total = {name: stack.sum(0) for name, stack in stacks.items()}
    why = "" if total["table"].sum() else NO_TIME
    lacking = ONE_ANIMAL if animals < 2 else "no interval: most draws of animals have no value"

    def statistic(value: Any, values: Any) -> dict[str, Any]:
        absent = why or (ONE_CLASS if np.isnan(value) else lacking)
        return stated(value, over_animals(values, animals, level), absent)

    sides = [float(kappa(total[name])) for name in ("of_first", "of_second")]
    lower = np.minimum(kappa(drawn["of_first"]), kappa(drawn["of_second"]))
    events = total["events"]
    return {
        "time": statistic(kappa(total["table"]), kappa(drawn["table"])),
        "time_tolerant": {
            **statistic(np.minimum(sides[0], sides[1]), lower),
            "of_first": stated(sides[0])["value"],
            "of_second": stated(sides[1])["value"],
        },
        "event": {
            **statistic(event_kappas(events), event_kappas(drawn["events"])),
            "linked": int(events[:-1, :-1].sum()),
            "omissions": int(events[:-1, -1].sum()),
            "commissions": int(events[-1, :-1].sum()),
        },
        "grid": {**statistic(kappa(total["grid"]), kappa(drawn["grid"])), "step_s": settings.grid_s},
    }


def _sum(tables: Sequence[Any], shape: tuple[int, int]) -> Any:
    return np.sum(tables, axis=0) if len(tables) else np.zeros(shape, np.int64)


def _diagonal_share(table: Any) -> Any:
    return float(np.trace(table) / table.sum()) if table.sum() else None
