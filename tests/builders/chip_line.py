"""Serial line to a tag on a modelled chip in this process: virtual time passes while the host waits."""

from __future__ import annotations

from mcukd.chips.tag_run import TagRun
from mcukd.harness.protocol import Device

_SLICE_S = 0.02


class ChipLine:
    """A link (`transport.Link`) to the chip of a run."""

    url = "the modelled chip"

    def __init__(self, run: TagRun) -> None:
        self.run = run
        self.bytes_sent = self.bytes_received = 0

    def send(self, data: bytes) -> None:
        self.bytes_sent += len(data)
        self.run.chip.send(data)

    def receive(self, deadline: float) -> bytes:
        """Let some virtual time pass; the deadline is of the clock on the wall, and plays no part."""
        self.run.run(_SLICE_S)
        data = self.run.console.take()
        self.bytes_received += len(data)
        return data


def device_of(run: TagRun) -> Device:
    """Return a client of the tag."""
    return Device(ChipLine(run), timeout=20.0)  # type: ignore[arg-type]
