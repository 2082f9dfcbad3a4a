"""Clock of a source: an offset and a drift that are stated, applied to a track."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcukd.annotations.reading import Reading
from mcukd.metrics.agreement.track import IntArray, Track


def moved(track: Track, reading: Reading) -> Track:
    """Return a track whose clock is corrected by the offset and the drift that are stated.

    The offset counts at the track's beginning; a clock that is fast by so many millionths counts too much
    time since then. Intervals that become empty are left out.
    """
    if not len(track) or (not reading.offset_s and not reading.drift_ppm):
        return track
    starts, ends = (_corrected(times, int(track.starts[0]), reading) for times in (track.starts, track.ends))
    kept = ends > starts
    return replace(track, starts=starts[kept], ends=ends[kept], behaviours=track.behaviours[kept])


def _corrected(times: IntArray, first: int, reading: Reading) -> IntArray:
    fast = (times - first) * (reading.drift_ppm / (1e6 + reading.drift_ppm))
    offset = round((reading.offset_s or 0.0) * 1e9)
    return np.asarray(times - np.round(fast).astype(np.int64) + offset, np.int64)
