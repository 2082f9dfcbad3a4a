"""Intervals of a file as tracks: animals and behaviours by their names, overlaps refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mcukd.annotations.behaviours import classes_of
from mcukd.annotations.reading import Reading
from mcukd.data.importer.animal_names import spelling_key
from mcukd.data.importer.intervals import Interval, table_of
from mcukd.errors import UserError
from mcukd.metrics.agreement.track import Track, track_of
from mcukd.text import did_you_mean, listed, plural

#: Times are kept to the microsecond: numbers of seconds since 1970 are not more exact.
_US = 1_000_000


def tracks_of(
    path: Path, source: str, intervals: Sequence[Interval], reading: Reading
) -> tuple[tuple[Track, ...], tuple[str, ...]]:
    """Return a track for each animal, and notes on what was left out.

    intervals: in seconds since 1970, UTC, as they stand in the file. source: who says them. Raises UserError
    for behaviours that are no class, for intervals that end before they start, for ones of an animal that
    overlap with another behaviour, and for two observations of it at once.
    """
    lasting = [one for one in intervals if one.end != one.start]
    if not lasting:
        raise UserError(
            f"{path} holds no behaviour with a start and an end; events without length tell no time"
        )
    classes = classes_of(path, [one.label for one in lasting], reading)
    kept = [
        replace(one, animal=who, label=name)
        for one, who in zip(lasting, _animals(path, lasting, reading))
        if (name := classes[one.label]) is not None
    ]
    if not kept:
        raise UserError(f"{path}: every behaviour in it is left out; nothing remains to be compared")
    _refuse_two_observations(path, kept)
    table = table_of(path, kept, True, "")
    names = reading.classes or tuple(dict.fromkeys(one.label for one in kept))
    tracks = tuple(
        _track(animal or "", source, names, own)
        for animal, own in sorted(table.intervals.items(), key=lambda item: str(item[0]))
    )
    return tracks, _notes(path, intervals, lasting, classes)


def _animals(path: Path, intervals: Sequence[Interval], reading: Reading) -> list[str]:
    """Return the animal of each interval: as mapped, as the file names it, or the one stated."""
    named = list(dict.fromkeys(one.animal for one in intervals if one.animal))
    known = {spelling_key(subject): animal for subject, animal in reading.animals.items()}
    for subject in reading.animals:
        if spelling_key(subject) not in {spelling_key(name) for name in named}:
            raise UserError(
                f"{path}: --subject names {subject!r}, which is none of its subjects"
                f"{did_you_mean(subject, named)}; they are {listed(named) or 'not named'}"
            )
    return [
        known.get(spelling_key(one.animal), one.animal) if one.animal else reading.animal for one in intervals
    ]


def _refuse_two_observations(path: Path, intervals: Sequence[Interval]) -> None:
    """UserError where two observations of one animal overlap: they are of two observers, or of one video."""
    by_animal: dict[str, list[Interval]] = {}
    for one in intervals:
        by_animal.setdefault(str(one.animal), []).append(one)
    for animal, own in by_animal.items():
        last = None
        for one in sorted(own, key=lambda one: (one.start, one.end)):
            if last is not None and one.observation != last.observation and one.start < last.end - 1e-6:
                who = f" of {animal}" if animal else ""
                raise UserError(
                    f"{path}, {last.where_with(one)}: the observations {last.observation!r} and "
                    f"{one.observation!r}{who} overlap; take one of them with --observation"
                )
            last = one if last is None or one.end > last.end else last


def _track(animal: str, source: str, classes: Sequence[str], own: Sequence[Interval]) -> Track:
    rows: list[tuple[int, int, int]] = []
    for one in own:
        # What overlaps by less than a microsecond touches.
        start = max(round(one.start * _US) * 1000, rows[-1][1] if rows else 0)
        end = round(one.end * _US) * 1000
        if end > start:
            rows.append((start, end, list(classes).index(one.label)))
    return track_of(animal, source, classes, rows)


def _notes(
    path: Path,
    intervals: Sequence[Interval],
    lasting: Sequence[Interval],
    classes: dict[str, str | None],
) -> tuple[str, ...]:
    notes = []
    points = len(intervals) - len(lasting)
    if points:
        notes.append(f"{path.name}: {plural(points, 'event')} without length left out.")
    left = [name for name, kept in classes.items() if kept is None]
    if left:
        count = sum(classes[one.label] is None for one in lasting)
        notes.append(f"{path.name}: {plural(count, 'interval')} of {listed(left)} left out.")
    return tuple(notes)
