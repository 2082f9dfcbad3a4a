"""Buses of a modelled chip, and the interface of the devices on them.

A device is anything a tag's chip talks to over I2C or SPI: a modelled accelerometer, or one with a fault.
Time is virtual: nanoseconds since power-up, a whole number that never falls. The chip calls `advance` with
the present time before every access and whenever its core wakes; while the core sleeps it jumps to the
earliest of all events, so a device that changes a pin by itself has to name that moment in `next_event`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mcukd.errors import UserError

#: Called with the name of a device's output pin ("INT1") and its new level.
PinListener = Callable[[str, bool], None]


class BusDevice:
    """A device with a sense of time and output pins; a base class of `I2CDevice` and `SPIDevice`.

    name: what messages call it. pins: level of each output pin, by its name; change one with `set_pin`.
    """

    name = "device"

    def __init__(self) -> None:
        self.time_ns = 0
        self.pins: dict[str, bool] = {}
        self._listeners: list[PinListener] = []

    def on_pin(self, listener: PinListener) -> None:
        """Call `listener(name, level)` at every change of an output pin, and now for each that is high."""
        self._listeners.append(listener)
        for name, level in self.pins.items():
            if level:
                listener(name, level)

    def set_pin(self, name: str, level: bool) -> None:
        """Drive an output pin; those who listen hear of changes only."""
        if self.pins.get(name, False) == level:
            return
        self.pins[name] = level
        for listener in self._listeners:
            listener(name, level)

    def advance(self, time_ns: int) -> None:
        """Bring the device to `time_ns`, the time since power-up; overriding methods call this one first."""
        if time_ns < self.time_ns:
            raise ValueError(f"{self.name}: time would fall from {self.time_ns} to {time_ns} ns")
        self.time_ns = time_ns

    def next_event(self) -> int | None:
        """Return the earliest time in ns at which a pin may change by itself; None where none will."""
        return None


class I2CDevice(BusDevice):
    """A device on an I2C bus, addressed by `address` (7 bits).

    A transfer is `start`, then `write` or `read` calls of one byte or more, then another `start` (repeated)
    or `stop`. A register's address is the first byte written; the device keeps it as the real one does.
    """

    address = 0

    def start(self, write: bool) -> bool:
        """Take a start condition with this device's address and direction; return whether it acknowledges."""
        return True

    def write(self, data: bytes) -> bool:
        """Take bytes from the chip; return whether all were acknowledged."""
        raise NotImplementedError

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes to the chip."""
        raise NotImplementedError

    def stop(self) -> None:
        """Take a stop condition."""

    def foreseen(self) -> tuple[bytes, int]:
        """Return bytes that reads from now on give, and the time in ns until which that is certain.

        Those reads may change nothing but how many of the bytes are left. No bytes: nothing is certain.
        """
        return b"", 0

    @property
    def holds_bus(self) -> bool:
        """Whether it pulls SDA low between transfers, as a device that lost a clock pulse does."""
        return False

    def clock_pulse(self) -> None:
        """Take one pulse of SCL made by hand; nine of them let a device that holds the bus go."""


class SPIDevice(BusDevice):
    """A device on an SPI bus, chosen by a pin of its own."""

    def select(self, selected: bool) -> None:
        """Take the level of the chip-select line: True where it is chosen (low)."""

    def transfer(self, data: bytes) -> bytes:
        """Take bytes from the chip and return as many, each shifted out while its own came in."""
        raise NotImplementedError


class I2CBus:
    """An I2C bus with its devices; the modelled controller of a chip is its only master."""

    def __init__(self, devices: Iterable[I2CDevice] = ()) -> None:
        self._devices: dict[int, I2CDevice] = {}
        self._active: I2CDevice | None = None
        for device in devices:
            self.attach(device)

    @property
    def devices(self) -> tuple[I2CDevice, ...]:
        """All devices, in the order of attachment."""
        return tuple(self._devices.values())

    def attach(self, device: I2CDevice) -> None:
        """Put a device on the bus; UserError where its address is taken or has more than 7 bits."""
        if not 0 <= device.address <= 0x7F:
            raise UserError(f"{device.name}: I2C address {device.address:#x}, but 7 bits are expected.")
        if device.address in self._devices:
            other = self._devices[device.address].name
            raise UserError(f"{device.name}: I2C address {device.address:#x} is taken by {other}.")
        self._devices[device.address] = device

    @property
    def stuck(self) -> bool:
        """Whether a device holds SDA low, so that no transfer can start."""
        return any(device.holds_bus for device in self._devices.values())

    def start(self, address: int, write: bool) -> bool:
        """Address a device; return whether one answered. Called on a stuck bus it finds nobody."""
        self._active = None
        device = self._devices.get(address)
        if self.stuck or device is None or not device.start(write):
            return False
        self._active = device
        return True

    def write(self, data: bytes) -> bool:
        """Send bytes to the device addressed last; return whether all were acknowledged."""
        return self._active is not None and self._active.write(data)

    def read(self, count: int) -> bytes:
        """Return `count` bytes of the device addressed last; all ones where none drives the line."""
        if self._active is None:
            return b"\xff" * count
        data = self._active.read(count)
        if len(data) != count:
            raise ValueError(f"{self._active.name}: {len(data)} bytes read, but {count} are expected")
        return data

    def foreseen(self) -> tuple[bytes, int]:
        """Return what `I2CDevice.foreseen` says of the device addressed last."""
        return (b"", 0) if self._active is None or self.stuck else self._active.foreseen()

    def stop(self) -> None:
        """End the transfer."""
        if self._active is not None:
            self._active.stop()
        self._active = None

    def clock_pulse(self) -> None:
        """Pulse SCL once by hand, as a driver does to free a stuck bus."""
        for device in self._devices.values():
            device.clock_pulse()


class SPIBus:
    """An SPI bus with one device for each chip-select pin; without a chosen one MISO reads as ones."""

    def __init__(self) -> None:
        self._devices: dict[int, SPIDevice] = {}
        self._chosen: set[int] = set()

    @property
    def devices(self) -> tuple[SPIDevice, ...]:
        """All devices, in the order of attachment."""
        return tuple(self._devices.values())

    def attach(self, select_pin: int, device: SPIDevice) -> None:
        """Put a device on the bus, chosen while the chip's pin `select_pin` is low."""
        if select_pin in self._devices:
            other = self._devices[select_pin].name
            raise UserError(f"{device.name}: chip-select pin {select_pin} is taken by {other}.")
        self._devices[select_pin] = device

    def select(self, pin: int, level: bool) -> None:
        """Take a new level of one of the chip's pins; pins of no device are ignored."""
        device = self._devices.get(pin)
        if device is None or (not level) == (pin in self._chosen):
            return
        self._chosen ^= {pin}
        device.select(not level)

    def transfer(self, data: bytes) -> bytes:
        """Shift bytes through the chosen device; ValueError where two are chosen and would fight."""
        if len(self._chosen) > 1:
            raise ValueError(f"SPI: {len(self._chosen)} devices are chosen at once")
        for pin in self._chosen:
            answer = self._devices[pin].transfer(data)
            if len(answer) != len(data):
                raise ValueError(
                    f"{self._devices[pin].name}: {len(answer)} bytes, but {len(data)} are expected"
                )
            return answer
        return b"\xff" * len(data)
