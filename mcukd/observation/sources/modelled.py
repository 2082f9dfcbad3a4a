"""Tag on a modelled chip in this process as a source of moments: exact, repeatable, as fast as it computes.

Time is that of the chip. It passes while somebody waits for what the tag tells, and for nothing else, so a
session of hours takes seconds and gives the same moments each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from mcukd.boards.model import Board
from mcukd.chips.sensors.sources import worn_by
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun
from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.harness.protocol import Device
from mcukd.harness.transport import Link
from mcukd.observation.moments import Connected
from mcukd.observation.sources.live import WATCH_S, LiveTag

_NS = 1_000_000_000
#: Of the first moment by the session's clock: 2026-01-01.
EPOCH_NS = 1_767_225_600 * _NS


class ChipClock:
    """A session's clock that shows the time of a modelled chip.

    start_ns: what it shows when the chip gets power. fast_ppm: how much faster it runs than the chip's time.
    """

    def __init__(self, run: TagRun, start_ns: int = EPOCH_NS, fast_ppm: float = 0.0) -> None:
        self._run, self.start_ns, self._fast_ppm = run, start_ns, fast_ppm

    def now_ns(self) -> int:
        """Return ns since 1970 in UTC; never less than before."""
        return self.at(self._run.chip.core.nanoseconds())

    def at(self, chip_ns: int) -> int:
        """Return what the clock shows so many ns after the chip got power."""
        return self.start_ns + chip_ns + round(chip_ns * self._fast_ppm / 1e6)


class ModelledLine:
    """A line (`transport.Link`) to a modelled chip, on which time passes while the host waits."""

    url = "the modelled chip"

    def __init__(self, run: TagRun) -> None:
        self._run = run
        self.bytes_sent = self.bytes_received = 0

    def now(self) -> float:
        """Return the chip's time in seconds, which is that of deadlines."""
        return self._run.seconds

    def send(self, data: bytes) -> None:
        """Put bytes on the line; each takes its time."""
        self.bytes_sent += len(data)
        self._run.chip.send(data)

    def receive(self, deadline: float) -> bytes:
        """Let time pass until something arrives, at most until a deadline."""
        chip, core = self._run.chip, self._run.chip.core
        until = max(core.cycle_at(round(deadline * _NS)), core.cycles + 1)
        while True:
            chip.run(until, stop_asleep=True)
            data = self._run.console.take()
            if data or core.cycles >= until:
                self.bytes_received += len(data)
                return data
            core.jump(until)


def run_on_animal(board: Board, elf: Path, classes: int, animal: AnimalName, seed: int = 0) -> TagRun:
    """Return the run of a board's image on its modelled chip, its sensor worn by a simulated animal.

    board: with [sensor.driver] and [tag]. classes: of its model. seed: of what the RAM holds at first.
    `emulated.simulated_truth` gives what the animal does.
    """
    assert board.sensor is not None and board.sensor.driver is not None and board.sensor.setup is not None
    source = worn_by(simulated_animal(animal), board.sensor.setup.shift)
    return TagRun(board, elf, classes, make_sensor(board.sensor.driver, source), seed)


def modelled_device(run: TagRun) -> Device:
    """Return a client of the tag of a run."""
    line = ModelledLine(run)
    return Device(cast(Link, line), baud_rate=run.console.baud, now=line.now)


def modelled_tag(
    run: TagRun,
    clock: ChipClock,
    *,
    samples: bool = False,
    model_sha256: str | None = None,
    known: Connected | None = None,
    watch_s: int = WATCH_S,
) -> LiveTag:
    """Return the tag of a run as a source; options as of `LiveTag`."""

    @contextmanager
    def connect() -> Iterator[Device]:
        yield modelled_device(run)

    options: dict[str, Any] = {"model_sha256": model_sha256, "known": known, "watch_s": watch_s}
    return LiveTag(
        f"{run.board.name} on a modelled {run.chip.name}",
        connect,
        clock,
        samples=samples,
        emulated=True,
        **options,
    )
