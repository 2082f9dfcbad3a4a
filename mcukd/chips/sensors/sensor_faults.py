"""Faults within a sensor: of what it measures, of its clock, its settings and its self-test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mcukd.chips.sensors.faulty import FOREVER, Faulty
from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sources import Counts, Scale, Source


class Altered(Source):
    """A source whose samples a fault alters while it is there; `alter` takes (n, 3) counts and the scale."""

    def __init__(
        self, source: Source, fault: Faulty, alter: Callable[[Counts, NDArray[np.int64], Scale], Counts]
    ) -> None:
        self.source, self.fault, self.alter = source, fault, alter

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return altered samples, and go on."""
        return self._altered(self.source.take(times_ns, scale), times_ns, scale)

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the present sample, altered."""
        times = np.array([time_ns], np.int64)
        return self._altered(self.source.peek(time_ns, scale)[None], times, scale)[0]

    def _altered(self, counts: Counts, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        there = (self.fault.from_ns <= times_ns) & (times_ns < self.fault.until_ns)
        return np.where(there[:, None], self.alter(counts, times_ns, scale), counts)


class Frozen(Faulty):
    """Goes on at its rate with one value, the first of the fault."""

    def __init__(self, sensor: RegisterSensor, from_ns: int = 0, until_ns: int = FOREVER) -> None:
        super().__init__(sensor, from_ns, until_ns)
        self._value: Counts | None = None
        sensor.source = Altered(sensor.source, self, self._freeze)

    def _freeze(self, counts: Counts, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        there = np.flatnonzero((self.from_ns <= times_ns) & (times_ns < self.until_ns))
        if self._value is None and len(there):
            self._value = counts[there[0]].copy()
        return counts if self._value is None else np.broadcast_to(self._value, counts.shape)


class Saturated(Faulty):
    """Gives the highest count on every axis."""

    def __init__(self, sensor: RegisterSensor, from_ns: int = 0, until_ns: int = FOREVER) -> None:
        super().__init__(sensor, from_ns, until_ns)
        sensor.source = Altered(
            sensor.source, self, lambda counts, _, scale: np.full_like(counts, scale.highest)
        )


class StuckAxis(Faulty):
    """Gives 0 on one axis."""

    def __init__(self, sensor: RegisterSensor, from_ns: int = 0, until_ns: int = FOREVER) -> None:
        super().__init__(sensor, from_ns, until_ns)
        sensor.source = Altered(
            sensor.source, self, lambda counts, _, scale: counts * np.array([1, 0, 1], np.int32)
        )


class Overrun(Faulty):
    """Takes at once more samples than the FIFO holds, as if the program came much too late."""

    samples = 200

    def enter(self) -> None:
        """Fill the FIFO and go on."""
        self.sensor.squeeze(self.samples)


class Resets(Faulty):
    """Loses its settings once, as by a dip of its supply."""

    def enter(self) -> None:
        """Reset the sensor."""
        self.sensor.reset()


class ResetsAgainAndAgain(Faulty):
    """Loses its settings at every 10th read while the fault is there."""

    def enter(self) -> None:
        """Begin to count."""
        self._reads = 0

    def read(self, count: int) -> bytes:
        """Reset at every 10th."""
        if self.active:
            self._reads += 1
            if self._reads % 10 == 0:
                self.sensor.reset()
                return b"\xff" * count
        return super().read(count)


class WrongRate(Faulty):
    """Runs 10 % fast."""

    error = 0.10

    def enter(self) -> None:
        """Change the clock."""
        self._usual = self.sensor.rate_error
        self.sensor.change_clock(self.error)

    def leave(self) -> None:
        """Change it back."""
        self.sensor.change_clock(self._usual)


class SlowClock(WrongRate):
    """Runs 30 % slow, beyond every tolerance."""

    error = -0.30


class Silent(Faulty):
    """Takes no samples while the fault is there, and says nothing of it."""

    def advance(self, time_ns: int) -> None:
        """Bring the sensor to a time, without samples."""
        if self.active:
            self.sensor.sample_every(0, 0)
        super().advance(time_ns)

    def enter(self) -> None:
        """Stop sampling."""
        self.sensor.sample_every(0, 0)

    def leave(self) -> None:
        """Sample again."""
        self.sensor.resume()


class FlippedSetting(Faulty):
    """One bit of its settings flips: the range becomes another."""

    #: Register and bit, by the sensor's name.
    bits: tuple[tuple[str, int, int], ...] = (("BMA400", 0x1A, 0x80), ("MPU9250", 0x1C, 0x10))

    def enter(self) -> None:
        """Flip it."""
        for name, register, bit in self.bits:
            if name == self.sensor.name:
                self.sensor.store(register, self.sensor.registers[register] ^ bit)


class FifoOff(FlippedSetting):
    """Its FIFO is switched off, by a flipped bit."""

    bits = (("BMA400", 0x26, 0xE0), ("MPU9250", 0x6A, 0x40))


class SlowStart(Faulty):
    """Needs three times as long to start up after a reset."""

    def start(self, write: bool) -> bool:
        """Acknowledge when three times the start-up have passed."""
        sensor = self.sensor
        begun = sensor.busy_until_ns - sensor.start_up_ns
        late = self.active and sensor.time_ns < begun + 3 * sensor.start_up_ns
        return super().start(write) and not late


class DeadSelfTest(Faulty):
    """One axis does not answer to the self-test's excitation."""

    ratio = 0.0

    def enter(self) -> None:
        """Weaken the answer of the second axis."""
        self.sensor.weaken_self_test(1, self.ratio)


class WeakSelfTest(DeadSelfTest):
    """One axis answers to the self-test with a third of what it should."""

    ratio = 1 / 3
