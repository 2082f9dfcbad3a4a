"""Faults of the modelled SX1272, by name; each is there from one time until another."""

from __future__ import annotations

from collections.abc import Mapping

from mcukd.chips.radios.sx1272 import Sx1272

_FOREVER = 1 << 62


class FaultySx1272(Sx1272):
    """An SX1272 with nothing wrong; the others override what their fault changes. Times are ns."""

    def __init__(self, from_ns: int = 0, until_ns: int = _FOREVER) -> None:
        self._from, self._until = from_ns, until_ns
        super().__init__()

    @property
    def active(self) -> bool:
        """Whether the fault is there now."""
        return self._from <= self.time_ns < self._until


class Absent(FaultySx1272):
    """Nobody drives the line to the chip, which reads as zeros."""

    def transfer(self, data: bytes) -> bytes:
        """Give zeros and take nothing."""
        return bytes(len(data)) if self.active else super().transfer(data)


class AbsentHigh(FaultySx1272):
    """Nobody drives the line to the chip, which reads as ones."""

    def transfer(self, data: bytes) -> bytes:
        """Give ones and take nothing."""
        return b"\xff" * len(data) if self.active else super().transfer(data)


class WrongVersion(FaultySx1272):
    """It says another version, as an SX1276 does."""

    def transfer(self, data: bytes) -> bytes:
        """Say the other version."""
        self.version = 0x12 if self.active else 0x22
        return super().transfer(data)


class NeverDone(FaultySx1272):
    """It never says that a packet was sent, and stays where it is."""

    def done(self) -> None:
        """Send nothing."""
        if self.active:
            self._done_ns = None
        else:
            super().done()


class Forgets(FaultySx1272):
    """It takes no settings: they read back as after power-up."""

    def _write(self, name: str, value: int) -> None:
        if not self.active or name == "RegOpMode":
            super()._write(name, value)


#: All faults by their names.
FAULTS: Mapping[str, type[FaultySx1272]] = {
    "absent": Absent,
    "absent-high": AbsentHigh,
    "wrong-version": WrongVersion,
    "never-done": NeverDone,
    "forgets": Forgets,
}
