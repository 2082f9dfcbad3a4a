"""Bouts of one track that another finds: sensitivity and precision are counted over bouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcukd.metrics.agreement.elementary import elementary
from mcukd.metrics.agreement.track import IntArray, Track


@dataclass(frozen=True)
class BoutCounts:
    """Bouts of a track by class, (K,) each.

    counted: bouts of which enough is known by both. found: of these, the ones that the other track finds.
    left_out: bouts of which too little is known by both.
    """

    found: IntArray
    counted: IntArray
    left_out: IntArray

    def __add__(self, other: BoutCounts) -> BoutCounts:
        return BoutCounts(
            self.found + other.found, self.counted + other.counted, self.left_out + other.left_out
        )


def found_bouts(
    track: Track, other: Track, tolerance_ns: int, overlap: float, known_share: float
) -> BoutCounts:
    """Count the bouts of a track that another track finds.

    Intervals that touch and have the same class are one bout. A bout counts if both know at least
    `known_share` of its time. It is found if, for at least `overlap` of the time of it that both know, the
    other says the same within ± the tolerance. Of an observer's bouts this gives the tag's sensitivity, of a
    tag's bouts its precision.
    """
    bouts = track.bouts()
    pieces = elementary(bouts, other, tolerance_ns)
    owner = np.searchsorted(bouts.starts, pieces.starts, side="right") - 1
    known, same = np.zeros(len(bouts), np.int64), np.zeros(len(bouts), np.int64)
    np.add.at(known, owner, pieces.durations)
    np.add.at(same, owner, np.where(pieces.first_agreed, pieces.durations, 0))
    counted = (known > 0) & (known >= known_share * bouts.durations)
    found = counted & (same >= overlap * known)
    by_class = [
        np.bincount(bouts.behaviours[chosen], minlength=len(bouts.classes)).astype(np.int64)
        for chosen in (found, counted, ~counted)
    ]
    return BoutCounts(*by_class)
