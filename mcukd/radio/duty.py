"""Reference of `radio_duty.c`: how much of any hour a tag may be on the air.

All packets of a tag are equally long, so a limit of the airtime is one of their number. The tag keeps when
its last `slots` packets began, and begins another when the oldest of them is `window` ticks old. Times are
ticks of 1/32768 s, modulo 2³²; nothing is rounded on the tag, so nothing drifts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

TICKS_PER_SECOND = 1 << 15
HOUR_S = 3600
#: Packets that the tag remembers at most.
SLOTS_MAX = 8
#: By which the tag's oscillator may be fast, in per cent of an hour.
FAST_CLOCK = 5
#: Ticks from the command to send until the antenna radiates, at most (1 ms).
START_UP = 33
_WORD = 1 << 32
_HOUR_NS = HOUR_S * 1_000_000_000


@dataclass(frozen=True)
class DutyLimit:
    """At most `slots` packets begin in any `window` ticks; a window of 0: no limit."""

    slots: int
    window: int

    @property
    def interval_s(self) -> float:
        """Seconds from one packet to the next, on average, that are always allowed."""
        return self.window / self.slots / TICKS_PER_SECOND


def duty_limit(airtime_ns: int, percent: float) -> DutyLimit | None:
    """Return the limit that keeps packets of a length below `percent` of any hour; None where none fits.

    With more packets in an hour than the tag remembers the hour is divided: what is allowed of each part
    is that part's share, rounded down.
    """
    if percent >= 100:
        return DutyLimit(1, 0)
    packets = round(percent * 1_000_000) * _HOUR_NS // (100_000_000 * airtime_ns)
    if packets == 0:
        return None
    slots = min(packets, SLOTS_MAX)
    parts = packets // slots
    hour = HOUR_S * TICKS_PER_SECOND * (100 + FAST_CLOCK)
    return DutyLimit(slots, -(-hour // (100 * parts)) + START_UP)


class DutyLedger:
    """The packets that a tag remembers. now: ticks at its start.

    What it sent before its start is not known to it, so that it begins as if all had been sent just then.
    """

    def __init__(self, limit: DutyLimit, now: int) -> None:
        self._limit = limit
        self._begun = deque([now] * limit.slots)

    def wait(self, now: int) -> int:
        """Return the ticks until another packet may begin, 0 where it may at once.

        To be asked at least once in 18 hours, or ticks that wrapped would look recent.
        """
        while self._begun:
            ago = (now - self._begun[0]) % _WORD
            if ago < self._limit.window:
                return 0 if len(self._begun) < self._limit.slots else self._limit.window - ago
            self._begun.popleft()
        return 0

    def note(self, now: int) -> None:
        """Take note that a packet has begun, after `wait` gave 0."""
        self._begun.append(now % _WORD)
