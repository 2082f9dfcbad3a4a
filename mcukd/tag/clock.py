"""Reference of `tag_clock.c`: the tag's time, the time of day where it was set, the sensor's real rate.

The tag's time counts seconds and never goes back: after a reset it goes on from the newest record of the
log, so that the time without power is missing in it. Setting the time of day changes an offset alone. A
counter of 32,768 Hz and 32 bits drives it; fractions are 1/32768 s.
"""

from __future__ import annotations

from mcukd.tag.records import TICKS_PER_SECOND

_WORD = 1 << 32
SECONDS_MAX = _WORD - 1


class Clock:
    """The tag's clock since a start. seconds: of the newest record. ticks: the counter at the start."""

    def __init__(self, seconds: int, ticks: int) -> None:
        self.seconds, self.fraction = seconds, 0
        self.set_since_start = False
        self._ticks = ticks
        self._offset = self._offset_fraction = self._given = 0

    def advance(self, ticks: int) -> None:
        """Go on to a reading of the counter, less than 2³² ticks (36 hours) after the last one."""
        passed = self.fraction + (ticks - self._ticks) % _WORD
        self._ticks = ticks
        # After 136 years it stands still rather than start again.
        self.seconds = min(self.seconds + passed // TICKS_PER_SECOND, SECONDS_MAX)
        self.fraction = passed % TICKS_PER_SECOND

    def set(self, utc: int, fraction: int) -> None:
        """Set the time of day: Unix seconds and 1/32768 s at this moment."""
        offset = (utc - self.seconds) * TICKS_PER_SECOND + fraction - self.fraction
        self._offset = offset // TICKS_PER_SECOND % _WORD
        self._offset_fraction = offset % TICKS_PER_SECOND
        self.set_since_start = True

    def utc(self) -> tuple[int, bool]:
        """Return Unix seconds, never less than given before, and whether they may be trusted.

        They may where the time was set since the start, and not back to before what was given already.
        Where it was never set they are 0.
        """
        carry = (self.fraction + self._offset_fraction) // TICKS_PER_SECOND
        now = (self.seconds + self._offset + carry) % _WORD
        held = now < self._given
        if self.set_since_start and not held:
            self._given = now
        return self._given, self.set_since_start and not held


class Rate:
    """Samples of a stretch without gaps and the time they took, for the sensor's real rate."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stretch, as at a gap."""
        self._begin: tuple[int, int] | None = None
        self._end = (0, 0)
        self._samples = 0

    def samples(self, clock: Clock, count: int) -> None:
        """Take samples that were read just now.

        A stretch begins with the first that are read, which are not counted: how long they took is not known.
        """
        self._end = clock.seconds, clock.fraction
        if self._begin is not None and self._samples + count < _WORD:
            self._samples += count
        else:
            self._samples, self._begin = 0, self._end

    def take(self) -> tuple[int, int, int] | None:
        """Return samples, seconds and fraction of the stretch, and begin the next one; None without one."""
        if self._begin is None or not self._samples:
            return None
        ticks = (self._end[0] - self._begin[0]) * TICKS_PER_SECOND + self._end[1] - self._begin[1]
        taken = self._samples, *divmod(ticks, TICKS_PER_SECOND)
        self._samples, self._begin = 0, self._end
        return taken
