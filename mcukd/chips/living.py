"""Modelled chip in real time: its clock follows the wall clock, with a host connected or without."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from mcukd.chips.chip import Chip
from mcukd.chips.core import Core

#: The longest wait for the host, and the longest piece of virtual time that is run at once, in seconds.
_LONGEST_WAIT_S, _PIECE_S = 0.05, 0.5


class Pace:
    """Time of a core that passes `speed` times as fast as the clock on the wall.

    What a core that works falls behind, it makes up asleep. wall: reads that clock, in seconds.
    """

    def __init__(self, core: Core, speed: float, wall: Callable[[], float] = time.monotonic) -> None:
        self._core, self._wall = core, wall
        self._per_second = core.clock_hz * speed
        self._from = core.cycles - wall() * self._per_second

    def due(self) -> int:
        """Return the cycle at which the core should be now."""
        return int(self._from + self._wall() * self._per_second)

    def wait_s(self, cycle: int) -> float:
        """Return the seconds until the core should be at a cycle, 0 where it is late."""
        return max(0.0, (cycle - self._from) / self._per_second - self._wall())


def live(chip: Chip, listener: socket.socket, speed: float) -> None:
    """Run a chip that has power, `speed` times as fast as the clock on the wall, where the computer keeps up.

    Hosts come and go, one at a time; what the chip sends while there is none is lost. Returns when the
    listener is closed.
    """
    pace, host = Pace(chip.core, speed), None
    try:
        while listener.fileno() >= 0:
            host = _step(chip, listener, host, pace)
    finally:
        if host is not None:
            host.close()


def _step(
    chip: Chip, listener: socket.socket, host: socket.socket | None, pace: Pace
) -> socket.socket | None:
    """Run up to the present, send what was said, wait for what is next; return the host there then."""
    core, console = chip.core, chip.console
    assert console is not None
    due = pace.due()
    if due > core.cycles:
        chip.run(min(due, core.cycles + int(_PIECE_S * core.clock_hz)))
    data = console.take()
    next_at = core.events.next_at() if core.asleep else core.cycles + 1
    try:
        if host is not None and data:
            host.sendall(data)
        wait = min(_LONGEST_WAIT_S, pace.wait_s(next_at))
        readable, _, _ = select.select([listener if host is None else host], [], [], wait)
        if not readable:
            return host
        if host is None:
            host, _ = listener.accept()
            host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return host
        received = host.recv(1 << 16)
    except ConnectionError:
        received = b""
    if not received:
        assert host is not None
        host.close()
        return None
    chip.send(received)
    return host
