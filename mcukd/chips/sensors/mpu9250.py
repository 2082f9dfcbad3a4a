"""Modelled MPU-9250, its accelerometer: registers, modes, FIFO, interrupts, self-test and tolerances.

Registers and fields follow InvenSense's register map RM-MPU-9250A-00 and product specification
PS-MPU-9250A-01; the self-test follows application note AN-MPU-9250A-03. What those do not settle is decided
here and named: the FIFO fills in the duty-cycled mode too (`fifo_in_cycle`), a full FIFO that overwrites
does so byte by byte, one that stops takes the bytes of a frame that still fit. Gyroscopes, magnetometer and
auxiliary bus are not there: a write that would use them is an error. None of it was compared with a real
part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sources import Scale, Source

WHO_AM_I = 0x71
FIFO_BYTES, FRAME_BYTES = 512, 6
RANGES_G = (2.0, 4.0, 8.0, 16.0)
#: Wake-up rates of the duty-cycled mode in Hz by the code in LP_ACCEL_ODR.
CYCLE_RATES = tuple(500.0 / 2**n for n in range(11, -1, -1))
#: How far those may be off, by temperature.
CYCLE_TOLERANCE = 0.15
#: With the filter on in the duty-cycled mode a user saw 336 counts where 3890 were right.
FILTERED_CYCLE_GAIN = 336 / 3890
RESET_NS, START_UP_NS = 100_000_000, 20_000_000
PULSE_NS = 50_000
NEVER_NS = 1 << 62

_SELF_TEST_CODES, _DIVIDER, _CONFIG, _ACCEL_CONFIG, _ACCEL_CONFIG2, _CYCLE_RATE = (
    0x0D, 0x19, 0x1A, 0x1C, 0x1D, 0x1E,
)  # fmt: skip
_FIFO_ENABLE, _INT_PIN, _INT_ENABLE, _INT_STATUS, _DATA = 0x23, 0x37, 0x38, 0x3A, 0x3B
_USER, _POWER1, _POWER2, _COUNT, _FIFO, _IDENTITY = 0x6A, 0x6B, 0x6C, 0x72, 0x74, 0x75
_OVERFLOW, _DATA_READY = 1 << 4, 1
_RESET_VALUES = {_POWER1: 0x01, _IDENTITY: WHO_AM_I}


class MPU9250(RegisterSensor):
    """An MPU-9250 at 0x68 (AD0 low) or 0x69 with pin INT.

    source, rate_error: as in RegisterSensor; the error holds in the normal mode. cycle_error: the part by
    which the duty-cycled rate is high, within ± 15 %. self_test_codes: of the factory, for x, y, z; 0 for a
    part without. self_test_ratio: its response as a part of what the factory saw. fifo_in_cycle: whether the
    FIFO fills in the duty-cycled mode. dropped: bytes that found no room in the FIFO.
    """

    name = "MPU9250"
    start_up_ns = RESET_NS
    writable: ClassVar[Mapping[int, int]] = {
        _DIVIDER: 0xFF, _CONFIG: 0x47, 0x1B: 0x00, _ACCEL_CONFIG: 0xF8, _ACCEL_CONFIG2: 0x0F,
        _CYCLE_RATE: 0x0F, 0x1F: 0xFF, _FIFO_ENABLE: 0x08, _INT_PIN: 0xF0, _INT_ENABLE: 0x11,
        0x68: 0x07, 0x69: 0xC0, _USER: 0x55, _POWER1: 0xE7, _POWER2: 0x3F,
    }  # fmt: skip

    def __init__(
        self,
        source: Source,
        address: int = 0x68,
        rate_error: float = 0.0,
        cycle_error: float = 0.0,
        self_test_codes: tuple[int, int, int] = (110, 118, 96),
        self_test_ratio: tuple[float, float, float] = (1.0, 1.0, 1.0),
        fifo_in_cycle: bool = True,
    ) -> None:
        super().__init__(source, address, rate_error)
        if abs(cycle_error) > CYCLE_TOLERANCE:
            raise ValueError(f"{self.name}: a duty-cycled rate is off by {cycle_error:g}, at most .15")
        self.cycle_error = cycle_error
        self.self_test_codes, self.self_test_ratio = self_test_codes, self_test_ratio
        self.fifo_in_cycle = fifo_in_cycle
        self.dropped = 0
        self.pins["INT"] = False
        self._pulse_end: int | None = None
        self.reset()

    # --- Set-up ----------------------------------------------------------------------------------------

    @property
    def asleep(self) -> bool:
        """Whether the SLEEP bit is set."""
        return bool(self.registers[_POWER1] & 0x40)

    @property
    def cycling(self) -> bool:
        """Whether it wakes for single samples."""
        return bool(self.registers[_POWER1] & 0x20) and not self.asleep

    @property
    def rate_hz(self) -> float:
        """Samples per second by the nominal clock, 0 asleep."""
        if self.asleep or self.registers[_POWER2] & 0x38 == 0x38:
            return 0.0
        if self.cycling:
            return CYCLE_RATES[min(self.registers[_CYCLE_RATE] & 15, len(CYCLE_RATES) - 1)]
        if self.registers[_ACCEL_CONFIG2] & 8:
            return 4000.0
        divided = 0 < self.registers[_CONFIG] & 7 < 7
        return 1000.0 / (1 + self.registers[_DIVIDER]) if divided else 1000.0

    @property
    def scale(self) -> Scale:
        """16 bits over the range it is set to."""
        return Scale(16, RANGES_G[self.registers[_ACCEL_CONFIG] >> 3 & 3])

    def reset(self) -> None:
        """Lose all settings and the FIFO, and answer nobody until start-up is over."""
        self.registers[:] = bytes(128)
        for register, value in _RESET_VALUES.items():
            self.registers[register] = value
        self.registers[_SELF_TEST_CODES : _SELF_TEST_CODES + 3] = bytes(self.self_test_codes)
        self.busy_until_ns = self.time_ns + RESET_NS
        self._awake_from_ns = self.busy_until_ns + START_UP_NS
        self._fifo = bytearray()
        self._last, self._count_latch, self._status = 0, 0, 0
        self.resume()
        self._drive_pin()

    def resume(self) -> None:
        """Sample at the rate of the settings, from the first sample after start-up."""
        rate = self.rate_hz * (1 + (self.cycle_error if self.cycling else self.rate_error))
        period = 1e9 / rate if rate else 0.0
        self.sample_every(period, max(self.time_ns, self._awake_from_ns) + period)

    def change_clock(self, rate_error: float) -> None:
        """Let its clock be fast by another part from now on, in both modes."""
        self.cycle_error = rate_error
        super().change_clock(rate_error)

    def weaken_self_test(self, axis: int, ratio: float) -> None:
        """Let one axis answer to the self-test with a part of its present answer."""
        ratios = list(self.self_test_ratio)
        ratios[axis] *= ratio
        self.self_test_ratio = (ratios[0], ratios[1], ratios[2])

    def start(self, write: bool) -> bool:
        """Acknowledge, but not where the I2C interface was switched off for SPI."""
        return super().start(write) and not self.registers[_USER] & 0x10

    def store(self, register: int, value: int) -> None:
        """Take a value: a setting with what it changes; bits that clear themselves are not kept."""
        rate, asleep = (self.rate_hz, self.cycling), self.asleep
        self.registers[register] = value
        if register == _POWER1 and value & 0x80:
            self.reset()
            return
        if register == _USER:
            if value & 4:
                self._fifo.clear()
                self._count_latch = 0
            self.registers[_USER] &= ~5
        if register == 0x68:
            self.registers[0x68] = 0
        if asleep and not self.asleep:
            self._awake_from_ns = self.time_ns + START_UP_NS
        if (self.rate_hz, self.cycling) != rate:
            self.resume()
        self._drive_pin()

    # --- Samples ---------------------------------------------------------------------------------------

    @property
    def _fifo_fills(self) -> bool:
        on = self.registers[_USER] & 0x40 and self.registers[_FIFO_ENABLE] & 8
        return bool(on) and (self.fifo_in_cycle or not self.cycling)

    def collect(self, times_ns: NDArray[np.int64]) -> None:
        """Take samples: the last one into the data registers, all into a FIFO that fills."""
        samples = self.measured(times_ns, self._fifo_fills) + self._excitation()
        if self.cycling and not self.registers[_ACCEL_CONFIG2] & 8:
            samples = np.rint(samples * FILTERED_CYCLE_GAIN).astype(np.int32)
        samples = np.clip(samples, self.scale.lowest, self.scale.highest).astype(">i2")
        self.registers[_DATA : _DATA + FRAME_BYTES] = samples[-1].tobytes()
        before = self._status & _OVERFLOW
        self._status |= _DATA_READY
        if self._fifo_fills:
            self._push(samples.tobytes())
        self._drive_pin(new=_DATA_READY | self._status & _OVERFLOW & ~before)

    def _excitation(self) -> NDArray[np.int32]:
        """Return what the self-test adds to each axis, in counts."""
        moved = []
        for axis, (code, ratio) in enumerate(zip(self.self_test_codes, self.self_test_ratio)):
            on = self.registers[_ACCEL_CONFIG] >> (7 - axis) & 1
            # A part without codes answers with 450 mg, between the limits that then hold.
            factory = 2620.0 * 1.01 ** (code - 1) if code else 0.45 * 16384
            moved.append(on * ratio * factory * 2.0 / self.scale.range_g)
        return np.rint(moved).astype(np.int32)

    def _push(self, data: bytes) -> None:
        room = FIFO_BYTES - len(self._fifo)
        if len(data) > room:
            self._status |= _OVERFLOW
            self.dropped += len(data) - room
        if self.registers[_CONFIG] & 0x40:
            self._fifo += data[:room]
        else:
            self._fifo += data
            del self._fifo[: max(0, len(self._fifo) - FIFO_BYTES)]

    # --- Reading ---------------------------------------------------------------------------------------

    def following(self, register: int) -> int:
        """Return the next register; the FIFO's data stay where they are."""
        return register if register == _FIFO else super().following(register)

    def load(self, register: int) -> int:
        """Return a register's value; the high byte of the count latches it, the status clears itself."""
        if register == _COUNT:
            self._count_latch = len(self._fifo)
            return self._count_latch >> 8
        if register == _COUNT + 1:
            return self._count_latch & 0xFF
        if register == _INT_STATUS:
            status, self._status = self._status, 0
            self._drive_pin()
            return status
        if self.registers[_INT_PIN] & 0x10:
            self._status = 0
            self._drive_pin()
        return self.registers[register]

    def load_many(self, register: int, count: int) -> bytes:
        """Return bytes of the FIFO; an empty one repeats the last byte."""
        data = bytes(self._fifo[:count])
        del self._fifo[:count]
        self._last = data[-1] if data else self._last
        return data + bytes([self._last]) * (count - len(data))

    def foreseen(self) -> tuple[bytes, int]:
        """Return the FIFO's bytes while it is read, certain until the next sample or the end of a pulse."""
        if self._addressing or self._at != _FIFO:
            return b"", 0
        moments = (self._pulse_end, self.next_sample_event(0))
        return bytes(self._fifo), min((moment for moment in moments if moment is not None), default=NEVER_NS)

    @property
    def fifo_length(self) -> int:
        """Bytes in the FIFO."""
        return len(self._fifo)

    # --- The pin ---------------------------------------------------------------------------------------

    def _drive_pin(self, new: int = 0) -> None:
        """Set INT: latched until the status is read, or a pulse of 50 µs at a new event."""
        pending = self._status & self.registers[_INT_ENABLE]
        if self.registers[_INT_PIN] & 0x20:
            active, self._pulse_end = bool(pending), None
        else:
            if new & pending:
                self._pulse_end = self.time_ns + PULSE_NS
            active = self._pulse_end is not None
        self.set_pin("INT", active != bool(self.registers[_INT_PIN] & 0x80))

    def advance(self, time_ns: int) -> None:
        """Take all samples until a time, and end a pulse that is over."""
        super().advance(time_ns)
        if self._pulse_end is not None and time_ns >= self._pulse_end:
            self._pulse_end = None
            self._drive_pin()

    def next_event(self) -> int | None:
        """Return when the pin may change: at the next sample, at an overflow, or at a pulse's end."""
        enabled = self.registers[_INT_ENABLE]
        latched = bool(self.registers[_INT_PIN] & 0x20)
        ahead: int | None = None
        if enabled & _DATA_READY and not (latched and self._status & _DATA_READY):
            ahead = 0
        elif enabled & _OVERFLOW & ~self._status and self._fifo_fills:
            ahead = (FIFO_BYTES - len(self._fifo)) // FRAME_BYTES
        moments = [self._pulse_end, self.next_sample_event(ahead)]
        return min((moment for moment in moments if moment is not None), default=None)
