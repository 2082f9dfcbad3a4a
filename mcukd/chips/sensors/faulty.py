"""Base class of sensor faults: a wrapper that passes everything on to a modelled accelerometer."""

from __future__ import annotations

from mcukd.chips.bus import I2CDevice
from mcukd.chips.sensors.registers import RegisterSensor

FOREVER = 1 << 62


class Faulty(I2CDevice):
    """A sensor with nothing wrong; wrappers override what their fault changes."""

    def __init__(self, sensor: RegisterSensor, from_ns: int = 0, until_ns: int = FOREVER) -> None:
        super().__init__()
        self.sensor, self.from_ns, self.until_ns = sensor, from_ns, until_ns
        self.name, self.address = sensor.name, sensor.address
        self._entered = self._over = False
        self._at, self._addressing = 0, False
        sensor.on_pin(self.pin_changed)

    @property
    def active(self) -> bool:
        """Whether the fault is there now."""
        return self.from_ns <= self.time_ns < self.until_ns

    def enter(self) -> None:
        """Begin the fault: called once, when its time has come."""

    def leave(self) -> None:
        """End the fault: called once, when its time is over."""

    def pin_changed(self, name: str, level: bool) -> None:
        """Take a change of one of the sensor's pins."""
        self.set_pin(name, level)

    def advance(self, time_ns: int) -> None:
        """Bring the sensor to a time, by way of the fault's beginning and end."""
        if not self._entered and time_ns >= self.from_ns:
            self._bring(max(self.from_ns, self.time_ns))
            self._entered = True
            self.enter()
        if self._entered and not self._over and time_ns >= self.until_ns:
            self._bring(max(self.until_ns, self.time_ns))
            self._over = True
            self.leave()
        self._bring(time_ns)

    def _bring(self, time_ns: int) -> None:
        super().advance(time_ns)
        self.sensor.advance(time_ns)

    def next_event(self) -> int | None:
        """Return the sensor's next event, or the fault's beginning or end."""
        change = self.from_ns if not self._entered else None if self._over else self.until_ns
        moments = [self.sensor.next_event(), change if change != FOREVER else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def start(self, write: bool) -> bool:
        """Pass a start condition on."""
        self._addressing = write
        return self.sensor.start(write)

    def write(self, data: bytes) -> bool:
        """Pass bytes on, and keep the register they address."""
        if self._addressing and data:
            self._at, self._addressing = data[0], False
        return self.sensor.write(data)

    def read(self, count: int) -> bytes:
        """Pass a read on."""
        return self.sensor.read(count)

    def stop(self) -> None:
        """Pass a stop condition on."""
        self.sensor.stop()
