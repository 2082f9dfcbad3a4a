"""Events of BORIS (Friard and Gamba 2016, doi 10.1111/2041-210X.12584) as intervals on a clock.

BORIS keeps where a state starts and stops as events that alternate for each subject, code and modifier,
sorted by their seconds. Where these are of the day and the observation went on past midnight, that order is
wrong, and so are the starts and stops that an export made of it; they are told apart anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.importer.boris_clock import Observation, Placed, place_times
from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import Asked, Times
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

START, STOP, POINT = "START", "STOP", "POINT"
#: Of an event of a state where the file does not say whether it starts or stops.
ALTERNATES = ""
_NOBODY = ("", "No focal subject")


@dataclass(frozen=True)
class Event:
    """One event. time: seconds as BORIS writes them. kind: START, STOP, POINT or ALTERNATES.

    row: for an interval that the file itself gives, its number; else None. line: in the file; place: in
    words, where it has no lines.
    """

    observation: str
    subject: str | None
    behaviour: str
    modifier: str
    time: float
    kind: str
    line: int
    place: str = ""
    row: int | None = None

    @property
    def where(self) -> str:
        """Say where it stands in the file."""
        return self.place or f"line {self.line}"

    @property
    def state(self) -> tuple[Any, ...]:
        """What has to start before it stops."""
        return self.observation, self.subject, self.behaviour, self.modifier, self.row


def subject_of(name: str) -> str | None:
    """Return a subject, None where BORIS says that there is none."""
    return None if name in _NOBODY else name


def wanted_events(path: Path, events: Sequence[Event], asked: Asked) -> list[Event]:
    """Return the events of the observations that are asked for. Raises UserError for one that is not
    there."""
    if not asked.observations:
        return list(events)
    there = list(dict.fromkeys(one.observation for one in events))
    for name in asked.observations:
        if name not in there:
            raise UserError(
                f"{path}: --observation {name!r} is not in it{did_you_mean(name, there)}; its observations "
                "are "
                f"{listed(there)}"
            )
    return [one for one in events if one.observation in asked.observations]


def intervals_of(
    path: Path, events: Sequence[Event], observations: Mapping[str, Observation], asked: Asked
) -> tuple[list[Interval], Times]:
    """Return the intervals of events, those of points without length, and what clock they are on.

    Raises UserError for a state that starts without stopping or stops without having started, and for
    observations on different clocks.
    """
    found: list[Interval] = []
    placed: list[tuple[str, Placed]] = []
    for name in dict.fromkeys(one.observation for one in events):
        own = [one for one in events if one.observation == name]
        times = np.array([one.time for one in own], np.float64)
        clock = place_times(path, observations[name], times, [one.where for one in own], asked)
        pairs = list(zip(own, clock.seconds.tolist()))
        if clock.turned or any(one.kind == ALTERNATES for one in own):
            pairs = _told_apart(pairs)
        found += _paired(path, pairs)
        placed.append((name, clock))
    return found, _one_clock(path, placed)


def _told_apart(pairs: Sequence[tuple[Event, float]]) -> list[tuple[Event, float]]:
    """Return events in the order of time, in which states start and stop by turns."""
    under_way: set[tuple[Any, ...]] = set()
    found = []
    for event, seconds in sorted(pairs, key=lambda pair: pair[1]):
        if event.kind != POINT:
            event = replace(event, row=None)
            event = replace(event, kind=STOP if event.state in under_way else START)
            under_way ^= {event.state}
        found.append((event, seconds))
    return found


def _paired(path: Path, pairs: Sequence[tuple[Event, float]]) -> list[Interval]:
    begun: dict[tuple[Any, ...], tuple[Event, float]] = {}
    intervals = []
    for event, seconds in pairs:
        if event.kind == START:
            if event.state in begun:
                raise UserError(
                    f"{path}, {event.where}: {event.behaviour} starts again before it has stopped; correct "
                    "the "
                    "events"
                )
            begun[event.state] = event, seconds
        elif event.kind == STOP:
            if event.state not in begun:
                raise UserError(
                    f"{path}, {event.where}: {event.behaviour} stops but has not started; correct the events"
                )
            first, start = begun.pop(event.state)
            intervals.append(_interval(first, start, seconds))
        else:
            intervals.append(_interval(event, seconds, seconds))
    if begun:
        event, _ = next(iter(begun.values()))
        raise UserError(
            f"{path}, {event.where}: {event.behaviour} starts and never stops; correct the events"
        )
    return intervals


def _interval(event: Event, start: float, end: float) -> Interval:
    return Interval(event.subject, start, end, event.behaviour, event.line, event.observation, event.place)


def _one_clock(path: Path, placed: Sequence[tuple[str, Placed]]) -> Times:
    """Return the clock of all observations. Raises UserError where they do not have one."""
    (first_name, first), *others = placed
    for name, clock in others:
        if (clock.kind, clock.bare) != (first.kind, first.bare):
            raise UserError(
                f"{path}: the times of observation {first_name!r} are {first.words}, and those of {name!r} "
                "are "
                f"{clock.words}; state the zone of the dates with --labels-timezone, or take one observation "
                "alone"
            )
    words = "; ".join(dict.fromkeys(clock.words for _, clock in placed))
    return Times(tuple(clock.seconds for _, clock in placed), first.kind, words, first.bare)
