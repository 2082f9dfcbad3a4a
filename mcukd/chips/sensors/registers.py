"""A sensor behind registers: addressing over I2C and SPI, sampling in virtual time, strict writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.chips.bus import I2CDevice, SPIDevice
from mcukd.chips.sensors.sources import Counts, Scale, Source


class SensorAccessError(Exception):
    """An access that the modelled sensor does not know, in one sentence: register, value, what it has."""


class RegisterSensor(I2CDevice):
    """A sensor of at most 128 registers that takes samples at a steady rate while it is awake.

    Subclasses say which bits of which registers can be written (`writable`), what reading and writing does
    (`load`, `store`), and what happens to samples (`collect`). A write of a bit that the sensor does not have
    is an error of the program, so it raises SensorAccessError. While the sensor starts up or resets
    (`busy_until_ns`) it acknowledges nothing.
    source: what it measures. rate_error: the part by which its clock is fast.
    """

    #: Bits that can be written, by register.
    writable: ClassVar[Mapping[int, int]] = {}
    #: Bytes that a read over SPI sends before the first register.
    spi_dummy_bytes = 0
    #: How long it takes to start up after power-up or a reset.
    start_up_ns = 0
    #: Whether the first SPI read after power-up or reset only chooses the interface.
    spi_needs_dummy_read = False

    def __init__(self, source: Source, address: int, rate_error: float = 0.0) -> None:
        super().__init__()
        self.source, self.address, self.rate_error = source, address, rate_error
        self.registers = bytearray(128)
        self.busy_until_ns = 0
        self.spi_chosen = False
        self._at, self._addressing = 0, False
        self._period_ns = 0.0
        self._sampling_from_ns, self._sampled = 0.0, 0

    # --- The bus ---------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether it has started up."""
        return self.time_ns >= self.busy_until_ns

    def start(self, write: bool) -> bool:
        """Take a start condition; not acknowledged while the sensor starts up."""
        self._addressing = write
        return self.ready

    def write(self, data: bytes) -> bool:
        """Take a register's address and values for it and the registers behind it."""
        for byte in data:
            if self._addressing:
                self._at, self._addressing = byte & 0x7F, False
            else:
                self._check_write(self._at, byte)
                self.store(self._at, byte)
                self._at = self.following(self._at)
        return True

    def read(self, count: int) -> bytes:
        """Return the values of as many registers, from the address written last."""
        values = bytearray()
        while len(values) < count:
            if self.following(self._at) == self._at:
                values += self.load_many(self._at, count - len(values))
            else:
                values.append(self.load(self._at))
                self._at = self.following(self._at)
        return bytes(values)

    def following(self, register: int) -> int:
        """Return the register that an access goes on to; itself where a FIFO is read."""
        return (register + 1) & 0x7F

    def load(self, register: int) -> int:
        """Return the value of a register, with what reading it changes."""
        return self.registers[register]

    def load_many(self, register: int, count: int) -> bytes:
        """Return several values of a register that an access does not go on from."""
        return bytes(self.load(register) for _ in range(count))

    def store(self, register: int, value: int) -> None:
        """Take a value for a register."""
        self.registers[register] = value

    def _check_write(self, register: int, value: int) -> None:
        if register not in self.writable:
            raise SensorAccessError(
                f"{self.name}: {value:#04x} written to {register:#04x}, which this model cannot write."
            )
        unknown = value & ~self.writable[register]
        if unknown:
            raise SensorAccessError(
                f"{self.name}: {value:#04x} written to {register:#04x}, which has no bits {unknown:#04x}."
            )

    # --- Sampling --------------------------------------------------------------------------------------

    @property
    def scale(self) -> Scale:
        """How it counts as it is set up."""
        raise NotImplementedError

    def collect(self, times_ns: NDArray[np.int64]) -> None:
        """Take the samples of some moments."""
        raise NotImplementedError

    def sample_every(self, period_ns: float, first_ns: float) -> None:
        """Take samples at `first_ns` and every `period_ns` (0: none) from now on."""
        self._period_ns, self._sampling_from_ns, self._sampled = period_ns, first_ns, 0

    def sample_time(self, ahead: int = 0) -> int:
        """Return when the sample after the next `ahead` ones is taken, in ns."""
        return round(self._sampling_from_ns + (self._sampled + ahead) * self._period_ns)

    @property
    def sampling(self) -> bool:
        """Whether it takes samples."""
        return self._period_ns > 0

    def advance(self, time_ns: int) -> None:
        """Take all samples until a time."""
        super().advance(time_ns)
        self.sample_until(time_ns)

    def sample_until(self, time_ns: int) -> None:
        """Take all samples until a time."""
        if not self.sampling or self.sample_time() > time_ns:
            return
        count = int((time_ns - self._sampling_from_ns) // self._period_ns) - self._sampled + 1
        # Rounding of one sample's time may put it behind or before the moment asked for.
        while count > 1 and self.sample_time(count - 1) > time_ns:
            count -= 1
        while self.sample_time(count) <= time_ns:
            count += 1
        numbers = np.arange(self._sampled, self._sampled + count)
        times = np.rint(self._sampling_from_ns + numbers * self._period_ns).astype(np.int64)
        self._sampled += count
        self.collect(times)

    def squeeze(self, count: int) -> None:
        """Take some samples at this very moment, as if the program had not come for them in time."""
        if self.sampling:
            self.collect(np.full(count, self.time_ns, np.int64))

    def measured(self, times_ns: NDArray[np.int64], used: bool) -> Counts:
        """Return samples (n, 3); used: they go into the FIFO, so that a recording goes on."""
        if used:
            return self.source.take(times_ns, self.scale)
        return self.source.peek(int(times_ns[-1]), self.scale)[None].repeat(len(times_ns), axis=0)

    def reset(self) -> None:
        """Lose all settings, as after a reset command or a brown-out of the supply."""
        raise NotImplementedError

    def resume(self) -> None:
        """Sample as the settings say."""
        raise NotImplementedError

    def change_clock(self, rate_error: float) -> None:
        """Let its clock be fast by another part from now on."""
        self.rate_error = rate_error
        self.resume()

    def weaken_self_test(self, axis: int, ratio: float) -> None:
        """Let one axis answer to the self-test with a part of its present answer."""
        raise NotImplementedError

    def next_sample_event(self, ahead: int | None) -> int | None:
        """Return when the sample after `ahead` others is taken; None for None or where it takes none."""
        return self.sample_time(ahead) if self.sampling and ahead is not None else None


class SensorOverSPI(SPIDevice):
    """A register sensor on an SPI bus: bit 7 of the first byte says read, then come registers.

    Choose it by its own name on the bus; it shares time and pins with the sensor.
    """

    def __init__(self, sensor: RegisterSensor) -> None:
        super().__init__()
        self.sensor, self.name = sensor, f"{sensor.name} (SPI)"
        self.pins, self._listeners = sensor.pins, sensor._listeners
        self._begun, self._reading, self._dummies = False, False, 0

    def select(self, selected: bool) -> None:
        """Begin or end a transfer."""
        self._begun = False

    def advance(self, time_ns: int) -> None:
        """Bring the sensor to a time."""
        super().advance(time_ns)
        self.sensor.advance(time_ns)

    def next_event(self) -> int | None:
        """Return the sensor's next event."""
        return self.sensor.next_event()

    def transfer(self, data: bytes) -> bytes:
        """Take an address and values, or return values; ones while the sensor starts up."""
        answer = bytearray()
        for byte in data:
            answer.append(self._byte(byte))
        return bytes(answer)

    def _byte(self, byte: int) -> int:
        sensor = self.sensor
        if not self._begun:
            self._begun, self._reading = True, bool(byte & 0x80)
            self._silent = self._reading and sensor.spi_needs_dummy_read and not sensor.spi_chosen
            sensor.spi_chosen = True
            self._dummies = sensor.spi_dummy_bytes
            if sensor.start(write=True):
                sensor.write(bytes([byte & 0x7F]))
            return 0xFF
        if not sensor.ready or (self._reading and self._silent):
            return 0xFF
        if not self._reading:
            sensor.write(bytes([byte]))
            return 0xFF
        if self._dummies:
            self._dummies -= 1
            return 0xFF
        return sensor.read(1)[0]
