"""Session clock: time in UTC that never goes back, whatever happens to the computer's wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from mcukd.errors import UserError
from mcukd.platforms import elapsed_ns

NS = 1_000_000_000
#: The wall clock is said to have moved where it moved by more than this, ns.
NOTED_NS = NS // 10
#: A session resumes without a question where the wall clock is behind its last event by at most this, ns.
BEHIND_NS = 2 * NS


@dataclass(frozen=True)
class WallStep:
    """The wall clock moved by `by_ns` against the session's clock, noticed at `at_ns` of the latter."""

    at_ns: int
    by_ns: int

    @property
    def sentence(self) -> str:
        """What happened, in a sentence."""
        direction = "forward" if self.by_ns > 0 else "back"
        return (
            f"This computer's clock was set {direction} by {abs(self.by_ns) / NS:.1f} s during the session; "
            "the session's times go on without the step."
        )


class HostClock:
    """This computer's clock: its wall clock when the session began, and from then on what has elapsed.

    not_before_ns: the last time an earlier part of the session knows. wall, elapsed: the clocks read, in ns.
    Safe for several threads. Raises UserError where the wall clock lies more than `BEHIND_NS` before
    not_before_ns: then one of the two is wrong, and nothing here can tell which.
    """

    def __init__(
        self,
        not_before_ns: int | None = None,
        wall: Callable[[], int] = time.time_ns,
        elapsed: Callable[[], int] = elapsed_ns,
    ) -> None:
        self._wall, self._elapsed = wall, elapsed
        began = wall()
        if not_before_ns is not None and began < not_before_ns - BEHIND_NS:
            raise UserError(
                f"this computer's clock says {_utc(began)}, {(not_before_ns - began) / NS:.0f} s before the "
                f"last event of the session, {_utc(not_before_ns)}: set the clock, or begin a new session"
            )
        self._zero = began - elapsed()
        self._last = began if not_before_ns is None else max(began, not_before_ns)
        self._moved = 0
        self._steps: list[WallStep] = []
        self._lock = Lock()

    def now_ns(self) -> int:
        """Return ns since 1970 in UTC; never less than before. Notes a step of the wall clock."""
        with self._lock:
            # `elapsed` is read on both sides of the wall clock: a thread held up between them is no step.
            before, wall, after = self._elapsed(), self._wall(), self._elapsed()
            now = self._zero + after
            self._last = max(self._last, now)
            moved = wall - (self._zero + before)
            slack = NOTED_NS + (after - before)
            if abs(moved - self._moved) > slack:
                self._steps.append(WallStep(self._last, moved - self._moved))
                self._moved = moved
            return self._last

    @property
    def steps(self) -> tuple[WallStep, ...]:
        """Steps of the wall clock noticed so far."""
        with self._lock:
            return tuple(self._steps)


class FastClock:
    """A clock for demonstrations: from `start_ns` on it runs `speed` times as fast as this computer's.

    Raises ValueError where `speed` is not above 0.
    """

    steps: tuple[WallStep, ...] = ()

    def __init__(self, speed: float, start_ns: int, elapsed: Callable[[], int] = elapsed_ns) -> None:
        if not speed > 0:
            raise ValueError(f"a clock runs at a speed above 0, not {speed}")
        self.speed = speed
        self._start, self._elapsed = start_ns, elapsed
        self._zero = elapsed()

    def now_ns(self) -> int:
        """Return ns since 1970 in UTC; never less than before."""
        return self._start + int((self._elapsed() - self._zero) * self.speed)

    def waiting_s(self, until_ns: int) -> float:
        """Return the seconds of this computer until the clock shows `until_ns`, 0 where it is past."""
        return max(0.0, (until_ns - self.now_ns()) / NS / self.speed)


def _utc(ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ns / NS))
