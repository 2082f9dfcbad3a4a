"""Reference of `tag_counters.c`: results counted by class over a period of any length.

Counters have 32 bits. One that is full ends the period early instead of wrapping: counts never overflow,
however long a period is. (A published tag's byte overflows when 256 windows in a row are of one class.)
"""

from __future__ import annotations

COUNT_MAX = (1 << 32) - 1


class Counters:
    """Results by class and gaps since `start` (seconds of the tag's clock).

    results: by class; the last counts unknown ones.
    """

    def __init__(self, classes: int, start: int) -> None:
        self.start, self.gaps, self.lost = start, 0, 0
        self.results = [0] * (classes + 1)

    def result(self, class_found: int) -> bool:
        """Count a result; return False, and count nothing, where its counter is full."""
        if self.results[class_found] == COUNT_MAX:
            return False
        self.results[class_found] += 1
        return True

    def gap(self, samples_lost: int) -> bool:
        """Count a gap with some samples lost; return False, and count nothing, where a counter is full."""
        if self.gaps == COUNT_MAX or self.lost + samples_lost > COUNT_MAX:
            return False
        self.gaps += 1
        self.lost += samples_lost
        return True

    def payload(self) -> tuple[int, ...]:
        """Return the payload of the period's record."""
        return (self.start, self.gaps, self.lost, *self.results)
