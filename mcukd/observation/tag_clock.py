"""The tag's clock in a session: fitted to what its answers and the observers' taps tell."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from mcukd.metrics.agreement.track import Track
from mcukd.observation.clocks.anchors import Anchor, anchor_of
from mcukd.observation.clocks.clock_map import ClockMap
from mcukd.observation.clocks.drift import fit_clock
from mcukd.observation.clocks.taps import NoTaps, find_taps, press_groups, samples_of
from mcukd.observation.moments import ClockReading
from mcukd.observation.tag_state import TagState
from mcukd.tag.records import TICKS_PER_SECOND

#: One reading of the tag's clock is used from each such time of each start, the best one.
_READING_S = 60
#: Taps are looked for this far from where a clock known by readings puts them, s.
_AROUND_S = 30


def clock_of(state: TagState, taps: Sequence[Anchor] = ()) -> ClockMap | None:
    """Return the map of the tag's clock to the session's, None where nothing ties them.

    taps: anchors of taps, beside the readings of the clock that the tag answered with.
    """
    best: dict[tuple[int, int], ClockReading] = {}
    for each in state.readings:
        starts = bisect_right(state.restarts, each.tag_ticks)
        place = starts, each.tag_ticks // (TICKS_PER_SECOND * _READING_S)
        if place not in best or each.uncertainty_ns < best[place].uncertainty_ns:
            best[place] = each
    anchors = [*(anchor_of(each) for each in best.values()), *taps]
    return fit_clock(anchors, state.restarts) if anchors else None


def tolerance_of(clock: ClockMap, track: Track) -> float:
    """Return by how much the clocks may differ over a track, in s, rounded up to ms; infinite: not known."""
    if not len(track):
        return 0.0
    found = clock.tolerance_s(int(track.starts[0]), int(track.ends[-1]))
    return math.ceil(1000 * found) / 1000 if math.isfinite(found) else math.inf


def tap_anchors(state: TagState, press_ns: Sequence[int]) -> tuple[list[Anchor], list[str]]:
    """Return the anchors of taps found in the tag's samples, and in sentences why others were not found.

    press_ns: moments at which observers pressed the key of a tap, in ns.
    """
    if state.connected is None or not press_ns:
        return [], []
    samples = samples_of(state.samples, state.connected.rate_hz)
    if not len(samples.ticks):
        return [], ["The tag told no samples, so no taps can be found in them."]
    known = clock_of(state)
    found, why = [], []
    for group in press_groups(press_ns):
        between = None
        if known is not None:
            around = known.to_tag([group[0], group[-1]]).tolist()
            reach = _AROUND_S * TICKS_PER_SECOND
            between = (around[0] - reach, around[1] + reach)
        taps = find_taps(samples, group, between)
        if isinstance(taps, NoTaps):
            why.append(taps.why)
        else:
            found.append(taps.anchor)
    return found, why
