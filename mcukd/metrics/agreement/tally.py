"""Tally of one animal: everything counted in its pairs of tracks, from which all figures follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mcukd.metrics.agreement.bouts import BoutCounts, found_bouts
from mcukd.metrics.agreement.budgets import FloatArray, binned
from mcukd.metrics.agreement.elementary import elementary
from mcukd.metrics.agreement.event_kappa import event_table
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.time_kappa import grid_counts, tolerant_tables
from mcukd.metrics.agreement.track import NS, IntArray, Track, common_spans, shared_time


class Account(Protocol):
    """Anything that names its classes: a track, or a tag's periods."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of behaviours."""


@dataclass(frozen=True)
class Tally:
    """Everything counted in the pairs of tracks of one animal.

    table, of_first, of_second: times in ns (K, K) without and with tolerance. events: bouts (K + 1, K + 1).
    grid: moments (K, K). sensitivity, precision: bouts of the first, and of the second, that were found.
    bins_first, bins_second: (B, K) minutes per hour. bins_left_out: bins of which too little is known.
    first_knows, second_knows: ns with an answer. no_answer, silent: ns with an answer of the first in which
    the second gives none, or says nothing at all. spans: (M, 2) ns that both know. bout_lengths: (N,) ns of
    the first's bouts.
    """

    animal: str
    table: IntArray
    of_first: IntArray
    of_second: IntArray
    events: IntArray
    grid: IntArray
    sensitivity: BoutCounts
    precision: BoutCounts
    bins_first: FloatArray
    bins_second: FloatArray
    bins_left_out: int
    first_knows: int
    second_knows: int
    no_answer: int
    silent: int
    spans: IntArray
    bout_lengths: IntArray


def tally_of(first: Track, second: Track, classes: Sequence[str], settings: AgreementSettings) -> Tally:
    """Count what two tracks of one animal say, in `classes`, which hold those of both but for no answers.

    Raises ValueError where the tracks are of two animals.
    """
    if first.animal != second.animal:
        raise ValueError(f"one track is of {first.animal}, the other of {second.animal}")
    (first, _), (second, nothing) = (split_answers(track, settings) for track in (first, second))
    first, second = first.with_classes(classes).bouts(), second.with_classes(classes).bouts()
    tolerance = settings.tolerance_ns
    pieces = elementary(first, second, tolerance)
    of_first, of_second = tolerant_tables(pieces)
    bins = binned(first, second, round(settings.bin_minutes * 60 * NS))
    enough = bins.known >= settings.known_share * settings.bin_minutes * 60 * NS
    bins_first, bins_second = bins.rates(enough)
    rule = (tolerance, settings.overlap, settings.known_share)
    knows, both = _length(first.spans()), int(pieces.durations.sum())
    no_answer = _length(common_spans(first, nothing))
    return Tally(
        animal=first.animal,
        table=shared_time(first, second),
        of_first=of_first,
        of_second=of_second,
        events=event_table(first, second, tolerance, settings.overlap),
        grid=grid_counts(first, second, round(settings.grid_s * NS)),
        sensitivity=found_bouts(first, second, *rule),
        precision=found_bouts(second, first, *rule),
        bins_first=bins_first,
        bins_second=bins_second,
        bins_left_out=int(np.count_nonzero(~enough)),
        first_knows=knows,
        second_knows=_length(second.spans()),
        no_answer=no_answer,
        silent=knows - both - no_answer,
        spans=common_spans(first, second),
        bout_lengths=first.durations,
    )


_STACKED = ("bins_first", "bins_second", "spans", "bout_lengths")


def joined(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of several pairs of tracks of one animal."""
    first, *others = tallies
    for other in others:
        summed = {
            name: getattr(first, name) + getattr(other, name)
            for name in Tally.__dataclass_fields__
            if name not in ("animal", *_STACKED)
        }
        stacked = {name: np.concatenate([getattr(first, name), getattr(other, name)]) for name in _STACKED}
        first = replace(first, **summed, **stacked)
    return first


def counted_twice(spans: IntArray) -> int:
    """Return by how many ns spans (M, 2) overlap: what they count beyond the time that they cover."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reached = np.maximum.accumulate(spans[:, 1])
    fresh = np.maximum(spans[1:, 1] - np.maximum(spans[1:, 0], reached[:-1]), 0)
    return _length(spans[1:]) - int(fresh.sum())


def split_answers(track: Track, settings: AgreementSettings) -> tuple[Track, Track]:
    """Return the intervals of a track with an answer, and those of classes that are none."""
    none = np.array([settings.is_no_answer(name) for name in track.classes], bool)[track.behaviours]
    parts = [
        replace(
            track,
            starts=track.starts[chosen],
            ends=track.ends[chosen],
            behaviours=track.behaviours[chosen],
        )
        for chosen in (~none, none)
    ]
    return parts[0], parts[1]


def common_classes(accounts: Sequence[Account], settings: AgreementSettings) -> list[str]:
    """Return the names of the accounts' classes, each once, in order, without those that are no answer."""
    names = dict.fromkeys(name for account in accounts for name in account.classes)
    return [name for name in names if not settings.is_no_answer(name)]


def only_of(
    first: Sequence[Account], second: Sequence[Account], settings: AgreementSettings
) -> dict[str, list[str]]:
    """Return `only_first` and `only_second`: the names of classes that the others lack."""
    ours, theirs = common_classes(first, settings), common_classes(second, settings)
    return {
        "only_first": [name for name in ours if name not in theirs],
        "only_second": [name for name in theirs if name not in ours],
    }


def _length(spans: IntArray) -> int:
    return int((spans[:, 1] - spans[:, 0]).sum())
