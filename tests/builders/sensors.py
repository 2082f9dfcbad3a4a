"""Access to modelled sensors as a bus would make it, and recordings for them."""

from __future__ import annotations

import numpy as np

from mcukd.chips.bus import I2CBus, I2CDevice
from mcukd.chips.sensors.sources import Recording

MS = 1_000_000
SECOND = 1_000_000_000
#: Names of `sensor_result` and of gaps in sensor.h.
RESULTS = (
    "ok", "absent", "refused", "bus-stuck", "bus-timeout", "wrong-identity", "settings", "self-test",
    "restarted", "unreadable", "overrun", "silent", "stopped", "missing",
)  # fmt: skip
GAPS = {1: "start", 2: "overrun", 4: "reset", 8: "bus", 16: "unreadable", 32: "missing"}


class Wire:
    """An I2C bus with one device and a clock that the test moves."""

    def __init__(self, device: I2CDevice, time_ns: int = 0) -> None:
        self.device, self.bus = device, I2CBus([device])
        self.time_ns = time_ns
        self.device.advance(time_ns)

    def wait(self, time_ns: int | float) -> None:
        """Let time go on."""
        self.time_ns += int(time_ns)
        self.device.advance(self.time_ns)

    def write(self, register: int, *values: int) -> bool:
        """Write registers; whether all was acknowledged."""
        done = self.bus.start(self.device.address, True) and self.bus.write(bytes([register, *values]))
        self.bus.stop()
        return done

    def read(self, register: int, count: int = 1) -> bytes:
        """Read registers after a repeated start."""
        assert self.bus.start(self.device.address, True) and self.bus.write(bytes([register]))
        assert self.bus.start(self.device.address, False)
        data = self.bus.read(count)
        self.bus.stop()
        return data


def random_recording(rows: int, bits: int, seed: int = 0) -> Recording:
    """A recording of any counts of so many bits, both ends among them; it begins at rest, at 0."""
    rng = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    counts = rng.integers(low, high + 1, (rows, 3))
    counts[0], counts[1 % rows], counts[-1] = 0, low, high
    return Recording(counts)
