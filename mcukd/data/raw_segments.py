"""Segments of samples as they lie in the files, before the contract of the card is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.drop import Drop, breaks_of, dropped
from mcukd.data.gaps import REACH, find_gaps


@dataclass(frozen=True)
class RawSegment:
    """Consecutive samples of one animal with one label; they may have gaps, a wrong rate or wrong units.

    samples: (n, 3) float64 in the source's units. seconds: (n,) stamps, None where there are none. label:
    None where none is known. place: the continuous recording it was cut from; segments of one place follow
    each other. origin: file and lines, for messages.
    whole: False where a long segment is handed on in pieces and this is not the last one.
    group: number of the continuous recording, where the source has it cut into windows already.
    split: "train" or "test" where the source has an official split. extra: (n, E) float64, the extra
    channels asked for.
    breaks: samples before which it is cut. dropped: rows left out as no measurement.
    follows: whether its first sample comes right after the last one of the segment before it; False where
    nobody asked.
    """

    animal: str
    label: str | None
    place: str
    samples: NDArray[np.float64]
    seconds: NDArray[np.float64] | None
    origin: str
    whole: bool = True
    group: int | None = None
    split: str | None = None
    extra: NDArray[np.float64] | None = None
    breaks: tuple[int, ...] = ()
    dropped: int = 0
    follows: bool = False


def goes_on(before: RawSegment | None, segment: RawSegment) -> bool:
    """Tell whether a segment's first sample comes right after the last one of the segment read before it.

    Both are of one recording, and no gap lies between their stamps. Without stamps a gap may lie where rows
    of either were dropped, and nowhere else.
    """
    if before is None or segment.group is not None or not (len(before.samples) and len(segment.samples)):
        return False
    if (before.animal, before.place) != (segment.animal, segment.place):
        return False
    if before.seconds is None or segment.seconds is None:
        return not (before.dropped or segment.dropped)
    last = before.seconds[-REACH:]
    stamps = np.concatenate([last, segment.seconds[:REACH]])
    return bool(np.all(np.diff(stamps) >= 0)) and len(last) - 1 not in find_gaps(stamps).after


def without(segment: RawSegment, drop: Drop | None) -> RawSegment:
    """Return a segment without the rows that are no measurement."""
    lost = dropped(segment.samples, drop)
    if not lost.any():
        return segment
    return replace(
        segment,
        samples=segment.samples[~lost],
        seconds=None if segment.seconds is None else segment.seconds[~lost],
        extra=None if segment.extra is None else segment.extra[~lost],
        breaks=tuple(breaks_of(lost).tolist()),
        dropped=int(lost.sum()),
    )
