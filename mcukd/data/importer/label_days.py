"""Dates for labels without one: times of day, and seconds from the start of each recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import DATED, OWN, Asked, Spans, Times, moment, offset_of
from mcukd.errors import UserError

_DAY = 86400.0


def join_days(path: Path, intervals: Sequence[Interval], asked: Asked) -> tuple[list[Interval], Times]:
    """Give times of day the day on which their animal was recorded.

    Raises UserError where an animal was recorded for a day or longer, so that a time of day may be of
    several, and where the recordings' clock has no times of day.
    """
    spans = _spans(path, asked)
    if not spans.dated and not spans.of_day:
        raise UserError(
            f"{path} gives labels as times of day, and the recordings have seconds from a zero of their own, "
            "which no time of day can be found in; if they are hours, minutes and seconds from the first "
            "sample of each animal, say --labels-from-start; else bring both to one clock"
        )
    joined = []
    for one in intervals:
        first, last = _span(path, spans, one.animal)
        ahead = offset_of(first, asked.timezone) if spans.dated else 0.0
        if last - first >= _DAY or (spans.dated and offset_of(last, asked.timezone) != ahead):
            raise UserError(
                f"{path} gives labels as times of day without a date, and the recordings"
                f"{f' of animal {one.animal}' if one.animal else ''} last {(last - first) / 3600:.1f} h, so "
                "a time "
                f"of day may be of several days; add a column of dates"
            )
        start = first + (one.start - (first + ahead)) % _DAY
        if start > last and start - last > first - (start - _DAY):
            start -= _DAY
        length = (one.end - one.start) % _DAY
        if length > _DAY / 2:
            raise UserError(
                f"{path}, line {one.line}: {one.label} ends {(_DAY - length):g} s before it starts; swap or "
                "correct "
                f"its times, or add a column of dates"
            )
        joined.append(replace(one, start=start, end=start + length))
    zone = f" of {asked.timezone}" if asked.timezone else ""
    when = (
        f"on the day of each recording ({moment(spans.all[0])[:10]})"
        if spans.dated
        else "on the recordings' day"
    )
    reason = f"times of day{zone}, {when}"
    return joined, Times((), DATED if spans.dated else OWN, reason, not asked.timezone)


def join_start(path: Path, intervals: Sequence[Interval], asked: Asked) -> tuple[list[Interval], Times]:
    """Count seconds from the first sample of each animal, as the user says they do."""
    spans = _spans(path, asked)
    joined = []
    for one in intervals:
        first, _ = _span(path, spans, one.animal)
        joined.append(replace(one, start=one.start + first, end=one.end + first))
    reason = "seconds from each animal's first sample, as you say"
    return joined, Times((), DATED if spans.dated else OWN, reason, spans.bare)


def _spans(path: Path, asked: Asked) -> Spans:
    if asked.spans is None:
        raise UserError(f"{path} gives times that only recordings tell the day of; add dates")
    return asked.spans()


def _span(path: Path, spans: Spans, animal: str | None) -> tuple[float, float]:
    if animal is None:
        starts = [first for first, _ in spans.animals.values()]
        if np.ptp(starts) > _DAY / 2:
            raise UserError(
                f"{path} names no animals, and theirs begin on different days; add a column of animals or "
                "dates"
            )
        return spans.all
    if animal not in spans.animals:
        # Said with all others where labels are compared with recordings.
        if not spans.animals:
            raise UserError(f"{path}: no animal has stamps that times of day could be of")
        return spans.all if len(spans.animals) == 1 else min(spans.animals.values())
    return spans.animals[animal]


def unlike_clocks(path: Path, times: str, dated: bool) -> UserError:
    """Return the refusal of labels on a clock that has nothing in common with the recordings'."""
    if dated:
        return UserError(
            f"{path} gives labels as {times}, and the recordings have seconds from a zero of their own; "
            "bring both "
            f"to one clock"
        )
    return UserError(
        f"{path} gives labels as {times}, and the recordings have dates; if they count from the first "
        "sample of "
        f"each animal, say --labels-from-start; else bring both to one clock"
    )
