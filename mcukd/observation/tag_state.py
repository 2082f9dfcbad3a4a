"""State of a tag in a session: its newest result, its readings and its track, computed from its moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.track import Track
from mcukd.observation.moments import (
    SAMPLES,
    ClockReading,
    Connected,
    Disconnected,
    Gap,
    Moment,
    Result,
    Samples,
)
from mcukd.tag.records import TICKS_PER_SECOND
from mcukd.tag.spans import result_spans

NS = 1_000_000_000
IntArray = NDArray[np.int64]
#: From ticks of the tag's clock, (N,), to ns since 1970 in UTC.
ClockMapping = Callable[[IntArray], IntArray]
Timed = TypeVar("Timed", bound=ClockReading | Samples | Gap | Result)


@dataclass
class TagState:
    """What a tag has told. `take` adds a moment.

    connected: the newest connection, None before one. reason: why the tag does not answer, None where it
    does. latest: its newest result. readings: of its clock. samples: as it told them. lost: samples that it
    lost, or moments that this computer did.

    Ticks never go back here, as those of a tag that started anew can: from then on so many are added to all
    that they are later than those before.
    """

    connected: Connected | None = None
    reason: str | None = None
    latest: Result | None = None
    readings: list[ClockReading] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    lost: int = 0
    gaps: int = 0
    #: (numbers, ticks, raw, behaviour) of each stretch between starts and lost samples; −1 where unknown.
    stretches: list[list[tuple[int, int, int, int]]] = field(default_factory=list)
    #: Ticks of the first moment after each start of the tag but the first.
    restarts: list[int] = field(default_factory=list)
    _started_anew: bool = False
    _newest: int = 0
    _added: int = 0

    def take(self, moment: Moment) -> None:
        """Add a moment, in the order in which they were received."""
        if isinstance(moment, (ClockReading, Samples, Gap, Result)):
            moment = self._going_on(moment)
        if isinstance(moment, Connected):
            before = self.connected
            if before is not None and (moment.anew or moment.start != before.start):
                self._started_anew = True
                self.stretches.append([])
            self.connected, self.reason = moment, None
        elif isinstance(moment, Disconnected):
            self.reason, self.latest = moment.reason, None
        elif isinstance(moment, ClockReading):
            self.readings.append(moment)
        elif isinstance(moment, Samples):
            self.samples.append(moment)
        elif isinstance(moment, Gap):
            self.lost += moment.lost
            self.gaps += 1
            self.latest = None
            if moment.what == SAMPLES:  # otherwise the numbers of the results tell
                self.stretches.append([])
        else:
            self._take_result(moment)

    def _going_on(self, moment: Timed) -> Timed:
        """Return a moment with ticks that do not go back at a start, and take note of where that was."""
        if self._started_anew:
            self._added += max(0, self._newest + TICKS_PER_SECOND - (moment.tag_ticks + self._added))
        moment = replace(moment, tag_ticks=moment.tag_ticks + self._added)
        if self._started_anew:
            self.restarts.append(moment.tag_ticks)
            self._started_anew = False
        self._newest = max(self._newest, moment.tag_ticks)
        return moment

    def _take_result(self, result: Result) -> None:
        self.latest = result
        if not self.stretches:
            self.stretches.append([])
        here = self.stretches[-1]
        if here and result.number <= here[-1][0]:
            if result.number == here[-1][0]:
                return  # told twice
            self.stretches.append(here := [])
        raw = -1 if result.raw is None else result.raw
        behaviour = -1 if result.behaviour is None else result.behaviour
        here.append((result.number, result.tag_ticks, raw, behaviour))


def tag_track(
    state: TagState,
    animal: str,
    classes: Sequence[str],
    mapping: ClockMapping,
    smoothing: int = 1,
    raw: bool = False,
    knows: Callable[[IntArray], NDArray[np.bool_]] | None = None,
) -> Track:
    """Return what a tag says of its animal; no interval where its result is unknown.

    classes: names of the model's classes, in its order; more may follow, which the tag never says. mapping:
    of the tag's ticks to ns. smoothing: results in the tag's majority; raw: the windows' own classes rather
    than the majority's. knows: tells for which ticks the mapping is known; of the others nothing is said.
    Raises ValueError where the tag has more classes than names are given.
    """
    starts, ends, found = [], [], []
    facts = state.connected
    if facts is not None:
        if facts.classes > len(classes):
            raise ValueError(f"the tag knows {facts.classes} classes, but {len(classes)} names are given")
        window = round(facts.window / facts.rate_hz * NS)
        hop = round(facts.hop / facts.rate_hz * NS)
        for stretch in state.stretches:
            if stretch:
                table = np.array(stretch, np.int64)
                if knows is not None:
                    table = table[knows(table[:, 1])]
                made = np.asarray(mapping(table[:, 1]), np.int64)
                begin, end = result_spans(table[:, 0], made, window, hop, 1 if raw else smoothing)
                starts.append(begin)
                ends.append(end)
                found.append(table[:, 2 if raw else 3])
    empty = np.empty(0, np.int64)
    begin, end, said = (np.concatenate(each) if each else empty for each in (starts, ends, found))
    # Stretches may touch where the clock's mapping or a late result moves them; the earlier one gives way.
    order = np.argsort(begin, kind="stable")
    begin, end, said = begin[order], end[order], said[order]
    end[:-1] = np.minimum(end[:-1], begin[1:])
    known = (said >= 0) & (end > begin)
    source = "tag" if facts is None or not facts.chip else f"tag {facts.chip}"
    return Track(animal, source, tuple(classes), begin[known], end[known], said[known])
