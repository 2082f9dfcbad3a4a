"""The sensor drivers in C, compiled for this computer, on a bus of modelled sensors."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from builders.compile import STRICT, UNDEFINED
from builders.sensors import GAPS, RESULTS

from mcukd.chips.bus import I2CBus, I2CDevice
from mcukd.resources import resource_dir

TICKS_HZ = 32768
WARNINGS = {1: "frozen", 2: "saturated", 4: "rate"}
OK, NO_ANSWER, REFUSED, STUCK, TIMEOUT = range(5)
#: A byte at 400 kHz takes nine bits.
BYTE_NS = 22_500

_BUS = """
#include "bus.h"
typedef struct {
    void (*power)(uint32_t on);
    uint32_t (*read)(uint32_t address, uint32_t first, uint8_t *bytes, uint32_t count);
    uint32_t (*write)(uint32_t address, uint32_t reg, uint32_t value);
    uint32_t (*recover)(void);
    void (*wait)(uint32_t milliseconds);
} host_bus;
host_bus host;
void bus_on(void) { host.power(1); }
void bus_off(void) { host.power(0); }
bus_result bus_read(uint8_t a, uint8_t r, uint8_t *b, uint32_t n)
{ return (bus_result)host.read(a, r, b, n); }
bus_result bus_write(uint8_t a, uint8_t r, uint8_t v) { return (bus_result)host.write(a, r, v); }
bus_result bus_recover(void) { return (bus_result)host.recover(); }
void bus_wait_ms(uint32_t n) { host.wait(n); }
"""

_u8, _u16, _u32, _i32 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_int32


class Config(ctypes.Structure):
    """`sensor_config` of sensor.h."""

    _fields_ = (
        ("address", _u8), ("mode", _u8), ("range", _u8), ("rate", _u8), ("filter", _u8), ("shift", _u8),
        ("axes", ctypes.c_int8 * 3), ("watermark", _u16), ("sample_ticks", _u32), ("tolerance", _u16),
        ("offset", ctypes.POINTER(_i32)), ("gain", ctypes.POINTER(_i32)),
    )  # fmt: skip


class Counts(ctypes.Structure):
    """`sensor_counts` of sensor.h."""

    _fields_ = tuple(
        (name, _u32)
        for name in (
            "samples",
            "gaps",
            "lost",
            "overruns",
            "restarts",
            "bus_errors",
            "unreadable",
            "silences",
        )
    )


class State(ctypes.Structure):
    """`sensor` of sensor.h."""

    _fields_ = (
        ("config", ctypes.c_void_p), ("counts", Counts), ("warnings", _u32), ("detail", _u32),
        ("rate_samples", _u32), ("rate_ticks", _u32),
        ("running", _u8), ("set_up", _u8), ("synchronous", _u8), ("gap", _u8), ("last_ticks", _u32),
        ("from_ticks", _u32), ("from_samples", _u32), ("clock", _u32), ("due", _i32),
        ("latest", ctypes.c_int16 * 3), ("equal", _u16 * 3), ("at_end", _u16 * 3),
    )  # fmt: skip


_POWER = ctypes.CFUNCTYPE(None, _u32)
_READ = ctypes.CFUNCTYPE(_u32, _u32, _u32, ctypes.POINTER(_u8), _u32)
_WRITE = ctypes.CFUNCTYPE(_u32, _u32, _u32, _u32)
_RECOVER = ctypes.CFUNCTYPE(_u32)
_TAKE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int16), _u32)


class Host(ctypes.Structure):
    """`host_bus` of the adapter."""

    _fields_ = (
        ("power", _POWER),
        ("read", _READ),
        ("write", _WRITE),
        ("recover", _RECOVER),
        ("wait", _POWER),
    )


def compile_driver(part: str, folder: Path) -> ctypes.CDLL:
    """Compile the driver of a part ("bma400") with the adapter; undefined behaviour ends the process."""
    sources = resource_dir("firmware_templates") / "sensor"
    adapter = folder / "host_bus.c"
    adapter.write_text(_BUS)
    library = folder / f"{part}.so"
    files = [str(adapter), str(sources / "sensor.c"), str(sources / part / f"{part}.c")]
    subprocess.run(
        ["cc", *STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC", f"-I{sources}", *files, "-o", str(library)],
        check=True,
    )
    return ctypes.CDLL(str(library))


@dataclass
class Driver:
    """A driver on a bus with one device, in virtual time.

    samples, gaps: what was handed over so far. awake_ns: time that drains and set-ups took.
    """

    library: ctypes.CDLL
    device: I2CDevice
    config: Config
    #: Ticks at power-up, to let the counter wrap.
    first_tick: int = 0
    clock_error: float = 0.0
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    time_ns: int = 0
    awake_ns: int = 0
    powered: bool = False
    transfers: int = 0
    #: Reads of at least so many bytes end in a timeout once they are over.
    breaks_from: int = 1 << 30

    def __post_init__(self) -> None:
        self.bus, self.state = I2CBus([self.device]), State()
        self._host = Host(
            _POWER(self._power),
            _READ(self._read),
            _WRITE(self._write),
            _RECOVER(self._recover),
            _POWER(self._wait),
        )
        self._take = _TAKE(self._sample)

    # --- What C calls ----------------------------------------------------------------------------------

    def _spend(self, time_ns: int) -> None:
        self.time_ns += time_ns
        self.awake_ns += time_ns
        self.device.advance(self.time_ns)

    def _power(self, on: int) -> None:
        self.powered = bool(on)

    def _wait(self, milliseconds: int) -> None:
        self._spend(milliseconds * 1_000_000)

    def _begin(self, address: int, write: bool) -> int:
        assert self.powered, "a transfer on a bus without power"
        self.transfers += 1
        self._spend(BYTE_NS)
        if self.bus.stuck:
            return STUCK
        return OK if self.bus.start(address, write) else NO_ANSWER

    def _read(self, address: int, first: int, into: ctypes._Pointer[_u8], count: int) -> int:
        assert 0 < count <= {"BMA400": 1024, "MPU9250": 510}[self.device.name], "more than the buffer holds"
        result = self._begin(address, True)
        if result == OK:
            result = OK if self.bus.write(bytes([first])) else REFUSED
        if result == OK:
            result = self._begin(address, False)
        if result == OK:
            ctypes.memmove(into, self.bus.read(count), count)
            self._spend(BYTE_NS * (count + 1))
        self.bus.stop()
        return TIMEOUT if result == OK and count >= self.breaks_from else result

    def _write(self, address: int, register: int, value: int) -> int:
        result = self._begin(address, True)
        if result == OK:
            result = OK if self.bus.write(bytes([register, value])) else REFUSED
            self._spend(BYTE_NS * 2)
        self.bus.stop()
        return result

    def _recover(self) -> int:
        for _ in range(9):
            self.bus.clock_pulse()
        self._spend(10 * BYTE_NS)
        return STUCK if self.bus.stuck else OK

    def _sample(self, context: int | None, sample: ctypes._Pointer[ctypes.c_int16], gap: int) -> None:
        self.samples.append((sample[0], sample[1], sample[2]))
        self.gaps.append(gap)

    # --- What tests call -------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Ticks of the tag's clock."""
        return (self.first_tick + int(self.time_ns * (1 + self.clock_error) * TICKS_HZ / 1e9)) & 0xFFFFFFFF

    def _call(self, name: str, *arguments: object) -> str:
        Host.in_dll(self.library, "host").__init__(*(getattr(self._host, f[0]) for f in Host._fields_))  # type: ignore[misc]
        result = getattr(self.library, f"sensor_{name}")(ctypes.byref(self.state), *arguments)
        assert not self.powered, f"{name} leaves the bus on"
        return RESULTS[result]

    def init(self) -> str:
        """Find and reset the sensor."""
        return self._call("init", ctypes.byref(self.config))

    def self_test(self) -> str:
        """Let it test itself."""
        return self._call("self_test")

    def start(self) -> str:
        """Let it sample."""
        return self._call("start", _u32(self.now))

    def drain(self) -> str:
        """Take over what its FIFO holds."""
        return self._call("drain", _u32(self.now), self._take, None)

    def stop(self) -> str:
        """Put it to sleep."""
        return self._call("stop")

    def sleep(self, seconds: float) -> None:
        """Let time pass with the core asleep."""
        self.time_ns += round(seconds * 1e9)
        self.device.advance(self.time_ns)

    def sleep_until_interrupt(self, pin: str, timeout_s: float) -> bool:
        """Sleep until a pin of the sensor is high, or for some time; return whether the pin ended it."""
        end = self.time_ns + round(timeout_s * 1e9)
        while not self.device.pins.get(pin, False):
            event = self.device.next_event()
            self.time_ns = min(end, max(event, self.time_ns + 1) if event is not None else end)
            self.device.advance(self.time_ns)
            if self.time_ns >= end:
                return self.device.pins.get(pin, False)
        return True

    def run(self, seconds: float, period_s: float | None = None, pin: str | None = None) -> list[str]:
        """Drain every `period_s`, or at the pin and at twice the watermark's time at the latest.

        As the tag's application does: a pin that is still high after a drain says nothing until the next one.
        Returns the results, one for each drain.
        """
        end, results = self.time_ns + round(seconds * 1e9), []
        usual = self.config.watermark * self.config.sample_ticks / 256 / TICKS_HZ
        while self.time_ns < end:
            if pin is None:
                self.sleep(period_s or usual)
            elif self.device.pins.get(pin, False):
                self.sleep(2 * usual)
            else:
                self.sleep_until_interrupt(pin, 2 * usual)
            results.append(self.drain())
        return results

    @property
    def array(self) -> np.ndarray:
        """Samples so far, (n, 3)."""
        return np.array(self.samples, np.int64).reshape(-1, 3)

    @property
    def warnings(self) -> set[str]:
        """What the driver warns of."""
        return {name for bit, name in WARNINGS.items() if self.state.warnings & bit}

    def stretches(self) -> list[tuple[set[str], np.ndarray]]:
        """Return the samples between gaps, each with the causes of the gap before it."""
        starts = [n for n, gap in enumerate(self.gaps) if gap]
        return [
            ({name for bit, name in GAPS.items() if self.gaps[begin] & bit}, self.array[begin:end])
            for begin, end in zip(starts, [*starts[1:], len(self.gaps)])
        ]
