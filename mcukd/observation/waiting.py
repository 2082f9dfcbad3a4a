"""Waiting for a time of a session's clock."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from mcukd.observation.moments import SessionClock

NS = 1_000_000_000
#: Longest wait without a look at the clock, which may be set or run faster, in seconds.
_LONGEST_S = 0.5


def waiter(clock: SessionClock, stop: Event) -> Callable[[int], None]:
    """Return a function that returns when the clock shows a time in ns, or once `stop` is set."""
    speed = float(getattr(clock, "speed", 1.0))

    def wait_until(time_ns: int) -> None:
        while not stop.is_set():
            left = (time_ns - clock.now_ns()) / NS / speed
            if left <= 0:
                return
            stop.wait(min(left, _LONGEST_S))

    return wait_until
