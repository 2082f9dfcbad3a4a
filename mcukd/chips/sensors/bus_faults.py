"""Faults between a sensor and its driver: on the bus, of its pins, and in what is read or written."""

from __future__ import annotations

import numpy as np

from mcukd.chips.sensors.faulty import FOREVER, Faulty


class Absent(Faulty):
    """Acknowledges nothing."""

    def start(self, write: bool) -> bool:
        """Acknowledge outside the fault only."""
        return super().start(write) and not self.active


class RefusesData(Faulty):
    """Acknowledges its address and none of the bytes written to it."""

    def write(self, data: bytes) -> bool:
        """Refuse bytes while the fault is there."""
        return False if self.active else super().write(data)


class HoldsBus(Faulty):
    """Pulls SDA low, until it has seen some clock pulses made by hand; never lets go where that is None."""

    pulses_needed: int | None = 9

    def enter(self) -> None:
        """Begin to hold the bus."""
        self._left = self.pulses_needed

    @property
    def holds_bus(self) -> bool:
        """Whether it pulls SDA low now."""
        return self.active and self._entered and self._left != 0

    def clock_pulse(self) -> None:
        """Count a pulse."""
        if self.holds_bus and self._left is not None:
            self._left -= 1


class HoldsBusForGood(HoldsBus):
    """Pulls SDA low whatever the master does."""

    pulses_needed = None


class DroppedInterrupt(Faulty):
    """Its pins do not move while the fault is there; they catch up with the sensor at its end."""

    def pin_changed(self, name: str, level: bool) -> None:
        """Pass a change on outside the fault only."""
        if not self.active:
            self.set_pin(name, level)

    def advance(self, time_ns: int) -> None:
        """Bring the sensor to a time."""
        super().advance(time_ns)
        if not self.active:
            for name, level in self.sensor.pins.items():
                self.set_pin(name, level)

    def next_event(self) -> int | None:
        """Return the sensor's next event, or the fault's beginning or end."""
        if self.active and self.until_ns < FOREVER:
            return self.until_ns
        return None if self.active else super().next_event()


class StuckInterrupt(DroppedInterrupt):
    """Its pins are high while the fault is there."""

    def enter(self) -> None:
        """Raise all pins."""
        for name in list(self.sensor.pins):
            self.set_pin(name, True)


class NoiseBurst(Faulty):
    """Flips one bit in some of the bytes that are read, always the same ones of a seed."""

    share = 0.02

    def enter(self) -> None:
        """Draw the first bits."""
        self._random = np.random.default_rng(1)

    def read(self, count: int) -> bytes:
        """Flip bits."""
        data = bytearray(super().read(count))
        if self.active:
            for place in np.flatnonzero(self._random.random(count) < self.share):
                data[place] ^= 1 << int(self._random.integers(8))
        return bytes(data)


class ShortReads(Faulty):
    """Lets go of the line after 20 bytes of a read, so that the rest reads as ones."""

    longest = 20
    #: Reads shorter than this one are whole.
    shortest = 0

    def start(self, write: bool) -> bool:
        """Begin to count."""
        self._given = 0
        return super().start(write)

    def read(self, count: int) -> bytes:
        """Give up early; the sensor sent no more than it did. A master may ask byte by byte."""
        if not self.active or count < self.shortest:
            return super().read(count)
        given = min(count, self.longest - self._given)
        self._given += given
        return super().read(given) + b"\xff" * (count - given)


class WrongLength(Faulty):
    """Says that its FIFO holds 37 bytes more than it does."""

    def read(self, count: int) -> bytes:
        """Change the length where it is read."""
        data = bytearray(super().read(count))
        first = self._at & 0x7F
        low = {"BMA400": 0x12, "MPU9250": 0x73}[self.sensor.name]
        if self.active and first <= low < first + count:
            data[low - first] = min(255, data[low - first] + 37)
        return bytes(data)


class LostSettings(Faulty):
    """Acknowledges values and commands that are written to it and takes none."""

    def write(self, data: bytes) -> bool:
        """Drop values."""
        if not self.active:
            return super().write(data)
        addressing = self._addressing
        return super().write(data[:1]) if addressing else True


class WrongIdentity(Faulty):
    """Answers with the identity of another part."""

    def read(self, count: int) -> bytes:
        """Change the identity where it is read first."""
        data = super().read(count)
        return b"\x55" + data[1:] if self.active and self._at & 0x7F in (0x00, 0x75) else data
