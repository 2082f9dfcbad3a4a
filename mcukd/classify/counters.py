"""Counters over the windows of a recording of any length: minutes by behaviour, and bouts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from mcukd.annotations.movebank import stamp

_NS = 10**9
#: Minutes of a bin. Every zone's offset from UTC is a multiple of it, so bins make up days anywhere.
BIN_MINUTES = 15
_BIN_NS = BIN_MINUTES * 60 * _NS
BINS_PER_DAY = 24 * 60 // BIN_MINUTES


class TimeBudget:
    """Time budget: ns by behaviour in bins of a quarter of an hour since 1970, UTC."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._bins: dict[int, NDArray[np.int64]] = {}

    def add(self, starts: NDArray[np.int64], ends: NDArray[np.int64], classes: NDArray[np.uint8]) -> None:
        """Add windows by the time they stand for, [starts, ends) in ns, split at the ends of bins."""
        bins, codes = starts // _BIN_NS, classes.astype(np.int64)
        lengths = ends - starts
        while len(bins):
            here = np.minimum(lengths, (bins + 1) * _BIN_NS - starts)
            low = int(bins.min())
            width = int(bins.max()) - low + 1
            sums = np.zeros((width, self._classes), np.int64)
            np.add.at(sums, (bins - low, codes), here)
            for number in np.unique(bins).tolist():
                row = self._bins.setdefault(number, np.zeros(self._classes, np.int64))
                row += sums[number - low]
            left = lengths > here
            starts, lengths, codes = (starts + here)[left], (lengths - here)[left], codes[left]
            bins = bins[left] + 1

    def days(self, zone: tzinfo) -> dict[date, NDArray[np.int64]]:
        """Return the time (BINS_PER_DAY, K) in ns of every local day from the first to the last.

        Rows are quarters of an hour on the local clock: an hour that it shows twice in autumn is summed.
        """
        found: dict[date, NDArray[np.int64]] = {}
        for number in sorted(self._bins):
            local = datetime.fromtimestamp(number * BIN_MINUTES * 60, UTC).astimezone(zone)
            day = found.setdefault(local.date(), np.zeros((BINS_PER_DAY, self._classes), np.int64))
            day[(local.hour * 60 + local.minute) // BIN_MINUTES] += self._bins[number]
        first, last = (min(found), max(found)) if found else (date.min, date.min)
        for gone in range(1, (last - first).days):
            found.setdefault(first + timedelta(gone), np.zeros((BINS_PER_DAY, self._classes), np.int64))
        return dict(sorted(found.items()))


class Annotations:
    """Runs of one behaviour, written as rows of CSV: who, from when, until when, what.

    Terms are Movebank's (individual-local-identifier, behavioural-classification, times in UTC as
    yyyy-MM-dd HH:mm:ss.SSS); the start is its event's timestamp.
    """

    COLUMNS = ("individual-local-identifier", "timestamp", "end-timestamp", "behavioural-classification")

    def __init__(self, stream: TextIO, individual: str, classes: Sequence[str]) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._rows.writerow(self.COLUMNS)
        self._individual, self._names = individual, classes
        self._open: tuple[int, int, int] | None = None
        self.bouts = 0

    def add(self, starts: NDArray[np.int64], ends: NDArray[np.int64], classes: NDArray[np.uint8]) -> None:
        """Add windows in their order; a run ends at another behaviour and where time is missing."""
        new = np.flatnonzero((classes[1:] != classes[:-1]) | (starts[1:] != ends[:-1])) + 1
        edges = [0, *new.tolist(), len(classes)]
        for start, stop in zip(edges, edges[1:]):
            run = (int(starts[start]), int(ends[stop - 1]), int(classes[start]))
            if self._open and self._open[1:] == (run[0], run[2]):
                self._open = (self._open[0], *run[1:])
            else:
                self.close()
                self._open = run

    def close(self) -> None:
        """Write the run still open."""
        if self._open:
            start, end, code = self._open
            self._rows.writerow([self._individual, stamp(start), stamp(end), self._names[code]])
            self.bouts += 1
        self._open = None


def minutes(ns: Any) -> Any:
    """Return nanoseconds as minutes."""
    return ns / (60 * _NS)
