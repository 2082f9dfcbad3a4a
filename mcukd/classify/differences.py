"""Differences of two accounts of the same time: who says what when, kept while windows stream by."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.annotations.movebank import stamp
from mcukd.metrics.agreement.track import NS, Track, overlay

IntArray = NDArray[np.int64]
#: Columns of a table of stretches.
COLUMNS = ("animal", "recording", "start", "end", "seconds", "a", "b", "label")
#: Of a stream that has ended: it knows all that it will ever know.
_FOREVER = int(np.iinfo(np.int64).max)


class Said(NamedTuple):
    """Windows with their classes, (n,) each: starts and ends in ns of the time each stands for, in order."""

    starts: IntArray
    ends: IntArray
    classes: NDArray[Any]


@dataclass(frozen=True)
class Stretch:
    """A time in which two accounts differ throughout in the same way.

    where: the recording. stamped: whether times are ns since 1970; else since the recording's first sample.
    first, second: what each account says. truth: what the label says, "" where there is none.
    """

    animal: str
    where: str
    stamped: bool
    start_ns: int
    end_ns: int
    first: str
    second: str
    truth: str = ""

    @property
    def length_ns(self) -> int:
        """The length in ns."""
        return self.end_ns - self.start_ns

    def cells(self) -> tuple[str, ...]:
        """Return the cells of `COLUMNS`: a time is in UTC, or in seconds from the recording's beginning."""
        times = (self.start_ns, self.end_ns)
        shown = [stamp(ns) if self.stamped else f"+{ns / NS:.3f} s" for ns in times]
        seconds = f"{self.length_ns / NS:.3f}"
        return (self.animal, self.where, *shown, seconds, self.first, self.second, self.truth)


@dataclass(frozen=True)
class Pieces:
    """Time that two accounts share, cut where either changes: (M,) each, classes as each numbers its own."""

    starts: IntArray
    ends: IntArray
    first: IntArray
    second: IntArray


class _Side:
    """One account as a stream: the windows read and not yet compared, and until when they are complete."""

    def __init__(self, batches: Iterable[Said], classes: int) -> None:
        self._batches = iter(batches)
        self._names = tuple(map(str, range(classes)))
        self._starts, self._ends, self._classes = (np.empty(0, np.int64) for _ in range(3))
        self.until, self.total_ns = int(np.iinfo(np.int64).min), 0

    def read(self) -> None:
        """Read the next batch, or learn that there is none."""
        batch = next(self._batches, None)
        if batch is None:
            self.until = _FOREVER
            return
        if not len(batch.starts):
            return
        # The last window of a stretch stands for a whole hop, which may reach into the next one, and a window
        # of repeated stamps has no time of its own.
        starts = np.maximum(batch.starts, self.until)
        ends = np.maximum(np.minimum(batch.ends, np.append(starts[1:], _FOREVER)), starts)
        kept = ends > starts
        self._starts = np.concatenate([self._starts, starts[kept]])
        self._ends = np.concatenate([self._ends, ends[kept]])
        self._classes = np.concatenate([self._classes, batch.classes.astype(np.int64)[kept]])
        self.until = max(self.until, int(ends[-1]))
        self.total_ns += int((ends - starts).sum())

    def take(self, until: int) -> Track:
        """Return what is known before a time, and keep the rest."""
        ready = int(np.searchsorted(self._starts, until))
        ends = np.minimum(self._ends[:ready], until)
        taken = Track("", "", self._names, self._starts[:ready].copy(), ends, self._classes[:ready].copy())
        if ready and self._ends[ready - 1] > until:  # one window reaches beyond
            self._starts[ready - 1] = until
            ready -= 1
        self._starts, self._ends = self._starts[ready:].copy(), self._ends[ready:].copy()
        self._classes = self._classes[ready:].copy()
        return taken


@dataclass
class Shared:
    """The time that two streams of windows share, piece by piece, and how much of each was read in ns.

    Memory holds a batch of each: the stream that is behind is read on.
    """

    first: Iterable[Said]
    second: Iterable[Said]
    first_classes: int
    second_classes: int
    first_ns: int = 0
    second_ns: int = 0

    def __iter__(self) -> Iterator[Pieces]:
        one, other = _Side(self.first, self.first_classes), _Side(self.second, self.second_classes)
        while min(one.until, other.until) < _FOREVER:
            (one if one.until <= other.until else other).read()
            until = min(one.until, other.until)
            pieces = Pieces(*overlay(one.take(until), other.take(until)))
            self.first_ns, self.second_ns = one.total_ns, other.total_ns
            if len(pieces.starts):
                yield pieces


@dataclass
class Differences:
    """How two accounts of one animal's time differ, with what the labels say where there are some.

    first_classes, second_classes, truths: names; truths are those of labels. top: stretches to keep, the
    longest. on_stretch: called with every stretch in its order. time: (K1, K2, L + 1) ns by the first's
    class, the second's, and the label; the last label stands for none.
    """

    animal: str
    first_classes: tuple[str, ...]
    second_classes: tuple[str, ...]
    truths: tuple[str, ...] = ()
    top: int = 10
    on_stretch: Callable[[Stretch], None] | None = None
    time: IntArray = field(init=False)
    first_ns: int = 0
    second_ns: int = 0
    stretches: int = 0
    _longest: list[tuple[int, int, Stretch]] = field(default_factory=list)
    _open: tuple[int, int, int, int, int] | None = None
    _recording: tuple[str, bool] = ("", True)

    def __post_init__(self) -> None:
        shape = (len(self.first_classes), len(self.second_classes), len(self.truths) + 1)
        self.time = np.zeros(shape, np.int64)

    def add(
        self,
        where: str,
        first: Iterable[Said],
        second: Iterable[Said],
        labels: Track | None = None,
        stamped: bool = True,
    ) -> None:
        """Add a recording, named `where`, as the two classified it.

        labels: over its time, in the classes `truths`. stamped: as in `Stretch`.
        """
        self._recording = where, stamped
        shared = Shared(first, second, len(self.first_classes), len(self.second_classes))
        for pieces in shared:
            starts, ends, code = pieces.starts, pieces.ends, self._codes(pieces)
            truth = np.full(len(starts), len(self.truths), np.int64)
            if labels is not None:
                starts, ends, code, truth = self._with_labels(pieces, code, labels)
            one, other = np.divmod(code, len(self.second_classes))
            np.add.at(self.time, (one, other, truth), ends - starts)
            self._join(starts, ends, one, other, truth)
        self._close()
        self.first_ns += shared.first_ns
        self.second_ns += shared.second_ns

    def _codes(self, pieces: Pieces) -> IntArray:
        return pieces.first * len(self.second_classes) + pieces.second

    def _with_labels(
        self, pieces: Pieces, code: IntArray, labels: Track
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Cut pieces where the label changes; time without one has the label after the last."""
        names = tuple(map(str, range(len(self.first_classes) * len(self.second_classes))))
        both = Track("", "", names, pieces.starts, pieces.ends, code)
        near = labels.within(np.array([[pieces.starts[0], pieces.ends[-1]]]))
        return overlay(both, _filled(near, int(pieces.starts[0]), int(pieces.ends[-1])))

    def _join(
        self, starts: IntArray, ends: IntArray, one: IntArray, other: IntArray, truth: IntArray
    ) -> None:
        """Join pieces that touch and say the same into stretches."""
        alike = (one[1:] == one[:-1]) & (other[1:] == other[:-1]) & (truth[1:] == truth[:-1])
        new = np.flatnonzero(~alike | (starts[1:] != ends[:-1])) + 1
        edges = [0, *new.tolist(), len(starts)]
        for begin, stop in zip(edges, edges[1:]):
            says = int(one[begin]), int(other[begin]), int(truth[begin])
            start, end = int(starts[begin]), int(ends[stop - 1])
            if self._open and self._open[1:] == (start, *says):
                start = self._open[0]
            else:
                self._close()
            self._open = start, end, *says

    def _close(self) -> None:
        """End the stretch still open."""
        if self._open is None:
            return
        start, end, one, other, truth = self._open
        self._open = None
        said, now_said = self.first_classes[one], self.second_classes[other]
        if said == now_said:
            return
        label = (*self.truths, "")[truth]
        stretch = Stretch(self.animal, *self._recording, start, end, said, now_said, label)
        self.stretches += 1
        if self.on_stretch is not None:
            self.on_stretch(stretch)
        # Of two as long, the earlier one stays.
        heapq.heappush(self._longest, (stretch.length_ns, -self.stretches, stretch))
        if len(self._longest) > self.top:
            heapq.heappop(self._longest)

    @property
    def longest(self) -> list[Stretch]:
        """The longest stretches, the longest first, of equal ones the earlier first."""
        return [stretch for _, _, stretch in sorted(self._longest, reverse=True)]


def _filled(labels: Track, start: int, end: int) -> Track:
    """Return labels with a further class, the last, in the time from start to end that has none."""
    edges = np.unique(np.concatenate([[start, end], labels.starts, labels.ends]))
    found = labels.at(edges[:-1])
    found = np.where(found < 0, len(labels.classes), found)
    return Track(labels.animal, labels.source, (*labels.classes, ""), edges[:-1], edges[1:], found)
