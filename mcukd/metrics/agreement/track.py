"""Track: what one source says of one animal's behaviour over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
NS = 1_000_000_000
#: Stands for a class where nothing is known.
NOT_KNOWN = -1


@dataclass(frozen=True)
class Track:
    """What one source says of one animal's behaviour over time.

    source: who says it, in words for people. classes: names of behaviours. starts, ends: (N,) ns since 1970,
    UTC, of intervals [start, end), sorted, none empty, none overlapping. behaviours: (N,) integers into
    `classes`. Time that no interval covers is not known: out of sight, a pause, a gap. Raises ValueError for
    anything else.
    """

    animal: str
    source: str
    classes: tuple[str, ...]
    starts: IntArray
    ends: IntArray
    behaviours: IntArray

    def __post_init__(self) -> None:
        for name in ("starts", "ends", "behaviours"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.int64))
        if not len(self.starts) == len(self.ends) == len(self.behaviours):
            raise ValueError("starts, ends and behaviours differ in length")
        if np.any(self.ends <= self.starts):
            raise ValueError("an interval ends before it starts, or is empty")
        if np.any(self.starts[1:] < self.ends[:-1]):
            raise ValueError("intervals overlap or are not sorted")
        if np.any((self.behaviours < 0) | (self.behaviours >= len(self.classes))):
            raise ValueError("a behaviour is no index into the classes")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def durations(self) -> IntArray:
        """Lengths of the intervals in ns, (N,)."""
        return self.ends - self.starts

    def totals(self) -> IntArray:
        """Return the time in ns of each class, (K,)."""
        found = np.zeros(len(self.classes), np.int64)
        np.add.at(found, self.behaviours, self.durations)
        return found

    def at(self, times: IntArray) -> IntArray:
        """Return the class at each of some times in ns, `NOT_KNOWN` where no interval covers one."""
        times = np.asarray(times, np.int64)
        if not len(self):
            return np.full(times.shape, NOT_KNOWN, np.int64)
        place = np.searchsorted(self.starts, times, side="right") - 1
        inside = (place >= 0) & (times < self.ends[np.maximum(place, 0)])
        return np.where(inside, self.behaviours[np.maximum(place, 0)], NOT_KNOWN)

    def bouts(self) -> Track:
        """Return the track with intervals joined that touch and have the same behaviour."""
        if not len(self):
            return self
        begins = np.ones(len(self), bool)
        begins[1:] = (self.starts[1:] != self.ends[:-1]) | (self.behaviours[1:] != self.behaviours[:-1])
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(self)) - 1
        return replace(
            self, starts=self.starts[first], ends=self.ends[last], behaviours=self.behaviours[first]
        )

    def spans(self) -> IntArray:
        """Return the spans (M, 2) in ns in which the behaviour is known, joined where they touch."""
        alike = replace(self, behaviours=np.zeros(len(self), np.int64)).bouts()
        return np.stack([alike.starts, alike.ends], axis=1)

    def within(self, spans: IntArray) -> Track:
        """Return what lies in spans (M, 2) in ns, sorted and without overlap; intervals are cut there."""
        spans = np.asarray(spans, np.int64).reshape(-1, 2)
        first = np.searchsorted(self.ends, spans[:, 0], side="right")
        last = np.searchsorted(self.starts, spans[:, 1], side="left")
        counts = np.maximum(last - first, 0)
        which = np.repeat(first, counts) + _numbered(counts)
        low, high = (np.repeat(spans[:, side], counts) for side in (0, 1))
        return replace(
            self,
            starts=np.maximum(self.starts[which], low),
            ends=np.minimum(self.ends[which], high),
            behaviours=self.behaviours[which],
        )

    def with_classes(self, classes: Sequence[str]) -> Track:
        """Return the track with other classes, found by name. Raises ValueError where one lacks."""
        missing = [self.classes[k] for k in np.unique(self.behaviours) if self.classes[k] not in classes]
        if missing:
            raise ValueError(f"the classes lack {', '.join(missing)}")
        index = {name: k for k, name in enumerate(classes)}
        table = np.array([index.get(name, NOT_KNOWN) for name in self.classes], np.int64)
        return replace(self, classes=tuple(classes), behaviours=table[self.behaviours])


def track_of(
    animal: str, source: str, classes: Sequence[str], intervals: Sequence[tuple[int, int, int]]
) -> Track:
    """Return a track of intervals (start in ns, end in ns, class). Raises ValueError as `Track` does."""
    table = np.array(list(intervals), np.int64).reshape(-1, 3)
    return Track(animal, source, tuple(classes), table[:, 0], table[:, 1], table[:, 2])


def common_spans(first: Track, second: Track) -> IntArray:
    """Return the spans (M, 2) in ns in which both tracks know the behaviour."""
    ones, others = first.spans(), second.spans()
    begin = np.searchsorted(others[:, 1], ones[:, 0], side="right")
    end = np.searchsorted(others[:, 0], ones[:, 1], side="left")
    counts = np.maximum(end - begin, 0)
    mine, theirs = np.repeat(np.arange(len(ones)), counts), np.repeat(begin, counts) + _numbered(counts)
    return np.stack(
        [np.maximum(ones[mine, 0], others[theirs, 0]), np.minimum(ones[mine, 1], others[theirs, 1])], axis=1
    )


def overlay(first: Track, second: Track) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return the time that both tracks know, cut where either changes.

    Starts and ends in ns, and the class of the first and of the second, (M,) each. Every interval of either
    track is cut into whole pieces, so that their lengths add up to what both know.
    """
    spans = common_spans(first, second)
    first, second = first.within(spans), second.within(spans)
    edges = np.unique(np.concatenate([first.starts, first.ends, second.starts, second.ends]))
    one, other = first.at(edges[:-1]), second.at(edges[:-1])
    known = (one != NOT_KNOWN) & (other != NOT_KNOWN)
    return edges[:-1][known], edges[1:][known], one[known], other[known]


def shared_time(first: Track, second: Track) -> IntArray:
    """Return the time in ns (K, K) that both know: rows the first's class, columns the second's.

    Both have the same classes. Raises ValueError otherwise.
    """
    if first.classes != second.classes:
        raise ValueError("the tracks have other classes")
    starts, ends, one, other = overlay(first, second)
    found = np.zeros((len(first.classes), len(first.classes)), np.int64)
    np.add.at(found, (one, other), ends - starts)
    return found


def _numbered(counts: IntArray) -> IntArray:
    """Return 0 … count − 1 for each of some counts, one after another."""
    counts = np.asarray(counts, np.int64)
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(before, counts)
