"""Modelled BMA400 accelerometer: registers, modes, FIFO, interrupts, self-test and sensor time.

Registers and fields follow Bosch's BMA400 sensor API (bma400_defs.h) and data sheet BST-BMA400-DS000, whose
preliminary version is the one that was read. What those do not settle is decided here and named: a watermark
holds its pin until the FIFO is below it, the oldest frames give way where the FIFO runs over, a frame read in
part comes again. None of it was compared with a real part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sources import Scale, Source

CHIP_ID = 0x90
FIFO_BYTES = 1024
#: Of sensor time; 24 bits.
TICK_NS = 312_500
#: Output data rate in Hz by its code in ACC_CONFIG1.
RATES = {code: 12.5 * 2 ** (code - 5) for code in range(5, 12)}
RANGES_G = (2.0, 4.0, 8.0, 16.0)
SLEEP, LOW_POWER, NORMAL = 0, 1, 2
#: The rate of the low-power mode, whatever the code says (current of .85 µA at 25 Hz).
LOW_POWER_HZ = 25.0
RESET_NS, START_UP_NS = 5_000_000, 1_500_000

_CHIP_ID, _STATUS, _DATA, _TIME, _EVENT = 0x00, 0x03, 0x04, 0x0A, 0x0D
_INT_STATUS, _TEMPERATURE, _LENGTH, _FIFO = 0x0E, 0x11, 0x12, 0x14
_CONFIG0, _CONFIG1, _CONFIG2, _INT_ENABLE, _INT_LATCH = 0x19, 0x1A, 0x1B, 0x1F, 0x20
_INT_MAPS, _INT_PINS, _FIFO_CONFIG, _FIFO_POWER = (0x21, 0x22), 0x24, 0x26, 0x29
_SELF_TEST, _COMMAND = 0x7D, 0x7E
_SOFT_RESET, _FLUSH = 0xB6, 0xB0
_READY, _WATERMARK, _FULL = 1 << 7, 1 << 6, 1 << 5
_RESET_VALUES = {_CHIP_ID: CHIP_ID, _EVENT: 1, _CONFIG1: 0x49, _INT_PINS: 0x22, _TEMPERATURE: 0}
#: Difference between the positive and the negative self-test in mg at which a part passes; x, y, z.
SELF_TEST_MG = (1500.0, 1200.0, 250.0)


class BMA400(RegisterSensor):
    """A BMA400 at 0x14 (SDO low) or 0x15 with pins INT1 and INT2.

    source, rate_error: as in RegisterSensor. self_test_mg: what the excitation moves each axis by, from the
    negative to the positive test. dropped: samples that gave way to newer ones in the FIFO.
    """

    name = "BMA400"
    start_up_ns = RESET_NS
    spi_dummy_bytes = 1
    spi_needs_dummy_read = True
    writable: ClassVar[Mapping[int, int]] = {
        _CONFIG0: 0xE3, _CONFIG1: 0xFF, _CONFIG2: 0x0C, _INT_ENABLE: 0xE0, _INT_LATCH: 0x80,
        0x21: 0xE0, 0x22: 0xE0, 0x23: 0x00, _INT_PINS: 0x66, _FIFO_CONFIG: 0xFF, 0x27: 0xFF, 0x28: 0x07,
        _FIFO_POWER: 0x01, _SELF_TEST: 0x0F, _COMMAND: 0xFF,
    }  # fmt: skip

    def __init__(
        self,
        source: Source,
        address: int = 0x14,
        rate_error: float = 0.0,
        self_test_mg: tuple[float, float, float] = (2000.0, 1700.0, 500.0),
    ) -> None:
        super().__init__(source, address, rate_error)
        self.self_test_mg = self_test_mg
        self.dropped = 0
        self.pins.update(INT1=False, INT2=False)
        self.reset()

    # --- Set-up ----------------------------------------------------------------------------------------

    @property
    def mode(self) -> int:
        """SLEEP, LOW_POWER or NORMAL."""
        return self.registers[_CONFIG0] & 3

    @property
    def rate_hz(self) -> float:
        """The output data rate it is set to."""
        if self.mode == LOW_POWER:
            return LOW_POWER_HZ
        return RATES.get(self.registers[_CONFIG1] & 15, RATES[11])

    @property
    def scale(self) -> Scale:
        """12 bits over the range it is set to."""
        return Scale(12, RANGES_G[self.registers[_CONFIG1] >> 6])

    def reset(self) -> None:
        """Lose all settings and the FIFO, sleep, and answer nobody for 5 ms."""
        self.registers[:] = bytes(128)
        for register, value in _RESET_VALUES.items():
            self.registers[register] = value
        self.busy_until_ns = self.time_ns + RESET_NS
        self.spi_chosen = False
        self._clock_from_ns = self.time_ns
        self._fifo = bytearray()
        # Runs of frames of equal length, oldest first: [bytes of a frame, frames].
        self._runs: deque[list[int]] = deque()
        self._latched = 0
        self.resume()
        self._drive_pins()

    def resume(self) -> None:
        """Sample on multiples of the rate's period in sensor time, from the first after start-up."""
        if self.mode not in (LOW_POWER, NORMAL):
            self.sample_every(0, 0)
            return
        period = 1e9 / self.rate_hz / (1 + self.rate_error)
        since = self.time_ns + START_UP_NS - self._clock_from_ns
        self.sample_every(period, self._clock_from_ns + (int(since / period) + 1) * period)

    def change_clock(self, rate_error: float) -> None:
        """Let its clock be fast by another part from now on; sensor time goes on where it is."""
        ticks = (self.time_ns - self._clock_from_ns) * (1 + self.rate_error)
        self._clock_from_ns = self.time_ns - round(ticks / (1 + rate_error))
        super().change_clock(rate_error)

    def weaken_self_test(self, axis: int, ratio: float) -> None:
        """Let one axis answer to the self-test with a part of its present answer."""
        moved = list(self.self_test_mg)
        moved[axis] *= ratio
        self.self_test_mg = (moved[0], moved[1], moved[2])

    def store(self, register: int, value: int) -> None:
        """Take a value: a command, or a setting with what it changes."""
        before = self.registers[register]
        if register == _COMMAND:
            if value == _SOFT_RESET:
                self.reset()
            elif value == _FLUSH:
                self._flush()
            return
        self.registers[register] = value
        if register == _CONFIG0 and (before ^ value) & 3:
            if self.registers[_FIFO_CONFIG] & 1:
                self._flush()
            self.resume()
        if register == _CONFIG1 and before != value:
            self._append_control(4)
            if (before ^ value) & 15:
                self.resume()
        if register == _CONFIG0 and (before ^ value) & 0x80:
            self._append_control(2)
        if register == _FIFO_CONFIG and (before ^ value) & 8:
            self._append_control(1)
        if register in (_CONFIG0, _CONFIG1):
            # A setting starts the data path anew, so nothing is ready before the next sample.
            self._latched &= ~_READY
        self._drive_pins()

    # --- Samples ---------------------------------------------------------------------------------------

    @property
    def _fifo_fills(self) -> bool:
        return self.mode == NORMAL and bool(self.registers[_FIFO_CONFIG] & 0xE0)

    def collect(self, times_ns: NDArray[np.int64]) -> None:
        """Take samples: the last one into the data registers, all into a FIFO that fills."""
        samples = self.measured(times_ns, self._fifo_fills)
        samples = samples + self._excitation()
        samples = np.clip(samples, self.scale.lowest, self.scale.highest)
        for axis, value in enumerate(samples[-1]):
            self.registers[_DATA + 2 * axis] = int(value) & 0xFF
            self.registers[_DATA + 2 * axis + 1] = int(value) >> 8 & 0x0F
        if self._fifo_fills:
            self._append(samples)
        self._latched |= _READY
        if len(self._fifo) + self._frame_bytes > FIFO_BYTES:
            self._latched |= _FULL
        if self._at_watermark:
            self._latched |= _WATERMARK
        self._drive_pins()

    def _excitation(self) -> NDArray[np.int32]:
        """Return what the self-test adds to each axis, in counts."""
        setting = self.registers[_SELF_TEST]
        sign = -1 if setting & 8 else 1
        moved = [
            sign * mg / 2000.0 * self.scale.counts_per_g if setting >> axis & 1 else 0.0
            for axis, mg in enumerate(self.self_test_mg)
        ]
        return np.rint(moved).astype(np.int32)

    @property
    def _axes(self) -> list[int]:
        return [axis for axis in range(3) if self.registers[_FIFO_CONFIG] >> (5 + axis) & 1]

    @property
    def _frame_bytes(self) -> int:
        return 1 + len(self._axes) * (1 if self.registers[_FIFO_CONFIG] & 0x10 else 2)

    def _append(self, samples: NDArray[np.int32]) -> None:
        """Write frames: a header, then for each axis its low 4 bits and its upper 8, or the upper 8 alone."""
        axes, short = self._axes, bool(self.registers[_FIFO_CONFIG] & 0x10)
        frames = np.empty((len(samples), self._frame_bytes), np.uint8)
        frames[:, 0] = 0x80 | (0 if short else 0x10) | sum(2 << axis for axis in axes)
        for place, axis in enumerate(axes):
            if short:
                frames[:, 1 + place] = samples[:, axis] >> 4 & 0xFF
            else:
                frames[:, 1 + 2 * place] = samples[:, axis] & 0x0F
                frames[:, 2 + 2 * place] = samples[:, axis] >> 4 & 0xFF
        self._push(frames.tobytes(), frames.shape[1], len(samples))

    def _append_control(self, what: int) -> None:
        if self._fifo_fills and self._fifo:
            self._push(bytes([0x48, what]), 2, 1)

    def _push(self, data: bytes, length: int, frames: int) -> None:
        stop = bool(self.registers[_FIFO_CONFIG] & 2)
        if stop:
            fitting = min(frames, (FIFO_BYTES - len(self._fifo)) // length)
            self.dropped += frames - fitting if length > 2 else 0
            data, frames = data[: fitting * length], fitting
        if not frames:
            return
        self._fifo += data
        if self._runs and self._runs[-1][0] == length:
            self._runs[-1][1] += frames
        else:
            self._runs.append([length, frames])
        while len(self._fifo) > FIFO_BYTES:
            run = self._runs[0]
            gone = min(run[1], -(-(len(self._fifo) - FIFO_BYTES) // run[0]))
            self.dropped += gone if run[0] > 2 else 0
            self._remove(gone)

    def _remove(self, frames: int) -> None:
        """Remove the oldest frames of the oldest run."""
        run = self._runs[0]
        del self._fifo[: frames * run[0]]
        run[1] -= frames
        if not run[1]:
            self._runs.popleft()

    def _flush(self) -> None:
        self._fifo.clear()
        self._runs.clear()
        self._drive_pins()

    # --- Reading ---------------------------------------------------------------------------------------

    def following(self, register: int) -> int:
        """Return the next register; the FIFO's data stay where they are."""
        return register if register == _FIFO else super().following(register)

    def load(self, register: int) -> int:
        """Return a register's value; interrupt status and event are cleared by reading."""
        if register == _STATUS:
            return (self.mode << 1) | (self._latched & _READY)
        if _TIME <= register < _TIME + 3:
            return self.sensor_time >> 8 * (register - _TIME) & 0xFF
        if register in (_LENGTH, _LENGTH + 1):
            return len(self._fifo) >> 8 * (register - _LENGTH) & 0xFF
        if register == _INT_STATUS:
            status = self._latched & self.registers[_INT_ENABLE]
            self._latched = _WATERMARK if self._at_watermark else 0
            self._drive_pins()
            return status
        value = self.registers[register]
        if register == _EVENT:
            self.registers[_EVENT] = 0
        if _DATA <= register < _DATA + 6:
            self._latched &= ~_READY
            self._drive_pins()
        return value

    def load_many(self, register: int, count: int) -> bytes:
        """Return bytes of the FIFO; behind its end the sensor time if enabled, then empty frames."""
        if self.registers[_FIFO_POWER] & 1 or not count:
            return b"\x80" + bytes(count - 1) if count else b""
        data = bytes(self._fifo[:count])
        left = count
        while self._runs and left >= self._runs[0][0]:
            frames = min(self._runs[0][1], left // self._runs[0][0])
            left -= frames * self._runs[0][0]
            self._remove(frames)
        tail = b""
        if len(data) < count and self.registers[_FIFO_CONFIG] & 4:
            tail = b"\xa0" + self.sensor_time.to_bytes(3, "little")
        self._drive_pins()
        return (data + tail + b"\x80" * count)[:count]

    @property
    def sensor_time(self) -> int:
        """Ticks of 312.5 µs by its own clock since power-up or reset, 24 bits."""
        # A sample is taken on a tick; the small term keeps rounding of its time from showing the tick before.
        ticks = (self.time_ns - self._clock_from_ns + 1) * (1 + self.rate_error) / TICK_NS
        return int(ticks) & 0xFFFFFF

    @property
    def fifo_length(self) -> int:
        """Bytes in the FIFO."""
        return len(self._fifo)

    # --- Pins ------------------------------------------------------------------------------------------

    @property
    def _watermark(self) -> int:
        return self.registers[0x27] | (self.registers[0x28] & 7) << 8

    @property
    def _at_watermark(self) -> bool:
        return bool(self._watermark) and len(self._fifo) >= self._watermark

    def _drive_pins(self) -> None:
        """Set INT1 and INT2 to what is enabled, mapped and true; latched where asked for."""
        level = self._latched if self.registers[_INT_LATCH] & 0x80 else self._latched & _READY
        if self._at_watermark:
            level |= _WATERMARK
        if self._frame_bytes > 1 and len(self._fifo) + self._frame_bytes > FIFO_BYTES:
            level |= _FULL
        level &= self.registers[_INT_ENABLE]
        for number, (pin, high) in enumerate((("INT1", 0x02), ("INT2", 0x20))):
            active = bool(level & self.registers[_INT_MAPS[number]])
            self.set_pin(pin, active == bool(self.registers[_INT_PINS] & high))

    def next_event(self) -> int | None:
        """Return when a pin may rise: at the next sample, at the watermark, or where the FIFO is full."""
        enabled = self.registers[_INT_ENABLE] & (self.registers[0x21] | self.registers[0x22])
        moments = []
        if enabled & _READY and not self._latched & _READY:
            moments.append(0)
        if self._fifo_fills:
            frame = self._frame_bytes
            if enabled & _WATERMARK and not self._at_watermark and self._watermark:
                moments.append(-(-(self._watermark - len(self._fifo)) // frame) - 1)
            if enabled & _FULL and len(self._fifo) + frame <= FIFO_BYTES:
                moments.append((FIFO_BYTES - len(self._fifo)) // frame - 1)
        return self.next_sample_event(max(0, min(moments)) if moments else None)
