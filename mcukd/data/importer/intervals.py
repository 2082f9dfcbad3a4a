"""Labelled stretches of time, and the labels they give to samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError


@dataclass(frozen=True)
class Interval:
    """One labelled stretch: seconds [start, end) on the recordings' clock, and its line in the table.

    observation: of a file with several. place: where it stands, in words, in a file without lines.
    """

    animal: str | None
    start: float
    end: float
    label: str
    line: int
    observation: str = ""
    place: str = ""

    @property
    def where(self) -> str:
        """Say where it stands in the file."""
        return self.place or f"line {self.line}"

    def where_with(self, other: Interval) -> str:
        """Say where this one and another stand in the file."""
        if self.place or other.place:
            return f"{self.where} and {other.where}"
        return f"lines {self.line} and {other.line}"


@dataclass(frozen=True)
class LabelTable:
    """Intervals sorted by start, per animal; the animal None stands for every one.

    dated: whether they are dates, or seconds from the recordings' own zero. reason: what clock they are on.
    bare: whether they are on a local clock whose zone is not known.
    left_out: rows without length.
    """

    path: Path
    intervals: dict[str | None, tuple[Interval, ...]]
    dated: bool
    left_out: int
    reason: str = ""
    bare: bool = False

    def labels(self, animals: NDArray[Any], seconds: NDArray[np.float64]) -> NDArray[np.object_]:
        """Return the label of each sample, None where no interval holds it."""
        found: NDArray[np.object_] = np.full(len(seconds), None, dtype=object)
        for animal in set(animals.tolist()):
            own = self.intervals.get(animal, self.intervals.get(None, ()))
            if not own:
                continue
            of_it = np.flatnonzero(animals == animal)
            times = seconds[of_it]
            place = np.searchsorted([one.start for one in own], times, side="right") - 1
            ends = np.array([one.end for one in own])
            inside = (place >= 0) & (times < ends[np.maximum(place, 0)])
            names = np.array([one.label for one in own], dtype=object)
            found[of_it[inside]] = names[place[inside]]
        return found

    def all(self) -> list[Interval]:
        """Return every interval in the order of the table."""
        return sorted((one for own in self.intervals.values() for one in own), key=lambda one: one.line)


def table_of(
    path: Path, intervals: Sequence[Interval], dated: bool, reason: str, bare: bool = False
) -> LabelTable:
    """Return the table of intervals.

    Raises UserError for one that ends before it starts, and for two that contradict each other.
    """
    kept = [one for one in intervals if one.end > one.start]
    wrong = next((one for one in intervals if one.end < one.start), None)
    if wrong is not None:
        raise UserError(
            f"{path}, {wrong.where}: {wrong.label} ends {wrong.start - wrong.end:g} s before it starts; "
            "swap or "
            f"correct its times"
        )
    if not kept:
        raise UserError(
            f"{path} holds no behaviour with a start and an end; export states, not points in time"
        )
    by_animal: dict[str | None, list[Interval]] = {}
    for one in kept:
        by_animal.setdefault(one.animal, []).append(one)
    checked = {animal: _sorted(path, own) for animal, own in by_animal.items()}
    return LabelTable(path, checked, dated, len(intervals) - len(kept), reason, bare)


def _sorted(path: Path, own: list[Interval]) -> tuple[Interval, ...]:
    """Sort by start and join what touches with the same label; UserError where labels contradict."""
    kept: list[Interval] = []
    for one in sorted(own, key=lambda one: (one.start, one.end)):
        last = kept[-1] if kept else None
        if last is not None and one.start < last.end - 1e-6:
            if one.label != last.label:
                who = f" of animal {one.animal}" if one.animal else ""
                raise UserError(
                    f"{path}, {last.where_with(one)}: {last.label} and {one.label}{who} overlap by "
                    f"{min(last.end, one.end) - one.start:g} s; let one end where the other begins"
                )
            kept[-1] = replace(last, end=max(last.end, one.end))
            continue
        kept.append(one)
    return tuple(kept)
