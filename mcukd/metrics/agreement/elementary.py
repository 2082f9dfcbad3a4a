"""Elementary intervals: the time that two tracks both know, cut wherever either changes.

Within one of them nothing changes, so sums over them weighted by their durations are exact: no grid of
moments is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.track import NOT_KNOWN, IntArray, Track

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Elementary:
    """Elementary intervals of two tracks, (N,) each.

    starts, durations: in ns. first, second: the two classes. first_agreed: whether the second says the
    first's class somewhere within the tolerance; second_agreed: whether the first says the second's.
    classes: how many classes there are.
    """

    starts: IntArray
    durations: IntArray
    first: IntArray
    second: IntArray
    first_agreed: BoolArray
    second_agreed: BoolArray
    classes: int

    def table(self, rows: IntArray, columns: IntArray) -> IntArray:
        """Return the time in ns (K, K) by two classes of each interval."""
        found = np.zeros((self.classes, self.classes), np.int64)
        np.add.at(found, (rows, columns), self.durations)
        return found


def elementary(first: Track, second: Track, tolerance_ns: int = 0, cuts: Iterable[int] = ()) -> Elementary:
    """Return the elementary intervals of two tracks with the same classes.

    tolerance_ns: zero or more; the other's track counts within it also where only the other knows. cuts:
    further times in ns at which to cut. Raises ValueError where the classes differ.
    """
    if first.classes != second.classes:
        raise ValueError("the tracks have other classes")
    edges = [np.asarray(list(cuts), np.int64)]
    for track in (first, second):
        for bounds in (track.starts, track.ends):
            edges.append(bounds)
        if tolerance_ns:
            edges += [track.starts - tolerance_ns, track.ends + tolerance_ns]
    bounds = np.unique(np.concatenate(edges))
    starts, durations = bounds[:-1], np.diff(bounds)
    one, other = first.at(starts), second.at(starts)
    known = (one != NOT_KNOWN) & (other != NOT_KNOWN)
    starts, durations, one, other = starts[known], durations[known], one[known], other[known]
    return Elementary(
        starts,
        durations,
        one,
        other,
        said_within(second, one, starts, tolerance_ns),
        said_within(first, other, starts, tolerance_ns),
        len(first.classes),
    )


def said_within(track: Track, classes: IntArray, times: IntArray, tolerance_ns: int) -> BoolArray:
    """Tell whether a track says each of some classes (N,) within ± the tolerance of times (N,) in ns."""
    found = np.zeros(len(times), bool)
    for behaviour in np.unique(classes):
        here, there = classes == behaviour, track.behaviours == behaviour
        begun = np.searchsorted(track.starts[there] - tolerance_ns, times[here], side="right")
        over = np.searchsorted(track.ends[there] + tolerance_ns, times[here], side="right")
        found[here] = begun > over
    return found
