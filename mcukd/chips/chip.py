"""A modelled chip: core, memories, peripherals, console, pins, and the devices soldered to it."""

from __future__ import annotations

import random
from typing import Any

from mcukd.chips.bus import BusDevice, I2CBus, I2CDevice, SPIBus, SPIDevice
from mcukd.chips.console import Console
from mcukd.chips.core import RESET, Core
from mcukd.chips.events import NEVER, Event
from mcukd.chips.flash import Flash
from mcukd.chips.image import Image
from mcukd.chips.nvic import Nvic
from mcukd.chips.pins import Pins
from mcukd.chips.ppb import attach_core_registers
from mcukd.chips.space import AddressSpace
from mcukd.chips.stop import ChipStop

#: Reasons of a reset, as `Chip.resets` counts them.
POWER, PIN, SOFTWARE, WATCHDOG, LOCKUP, BROWN_OUT = (
    "power",
    "pin",
    "software",
    "watchdog",
    "lockup",
    "brown-out",
)


class Chip:
    """Base of both chips: what a subclass adds are its memories and peripherals.

    console: the serial line. pins: levels of the pins. flash: the flash array. resets: reasons of all resets
    so far, in order. devices are attached to buses with `wire_i2c` and `wire_spi`.
    """

    name = ""
    core_model = ""
    clock_hz = 0
    interrupts = 0
    ram = (0, 0)
    pin_count = 0
    flash: Flash

    def __init__(self, console: Console | None = None, seed: int = 0) -> None:
        self.nvic = Nvic(self.interrupts)
        self.space = AddressSpace(self.name)
        self.core = Core(self.core_model, self.clock_hz, self.nvic, self.space)
        self.pins = Pins(self.pin_count)
        self.console = console
        self.resets: list[str] = []
        self._random = random.Random(seed)
        self._devices: list[BusDevice] = []
        self._device_event: Event | None = None
        self._i2c: dict[tuple[int, int], I2CBus] = {}
        self._spi: dict[tuple[int, int, int], SPIBus] = {}
        attach_core_registers(self.space, self.core, self.core_model)
        if console is not None:
            self.pins.drive(console.rx_pin, True)
            console.on_unheard = self._start_bit

    # The board around the chip

    def wire_i2c(self, scl: int, sda: int, *devices: I2CDevice) -> I2CBus:
        """Solder an I2C bus with devices to two pins; return the bus."""
        if (scl, sda) not in self._i2c:
            self._i2c[scl, sda] = I2CBus()
            self.pins.listen(lambda pin, level: self._clocked_by_hand(scl, sda, pin, level))
        bus = self._i2c[scl, sda]
        for device in devices:
            bus.attach(device)
            self._devices.append(device)
        return bus

    def _clocked_by_hand(self, scl: int, sda: int, pin: int, level: bool) -> None:
        """Let the devices of a bus see a pulse that the firmware makes of SCL as a plain pin."""
        if pin == scl and level and self.pins.driven(scl):
            self.sync_devices()
            self._i2c[scl, sda].clock_pulse()
            self._hold_lines()

    def _hold_lines(self) -> None:
        """Pull SDA low where a device holds it."""
        for (_, sda), bus in self._i2c.items():
            self.pins.drive(sda, False if bus.stuck else None)

    def wire_spi(self, sck: int, mosi: int, miso: int, select: int, device: SPIDevice) -> SPIBus:
        """Solder a device to an SPI bus of three pins, chosen by a fourth; return the bus."""
        key = (sck, mosi, miso)
        if key not in self._spi:
            self._spi[key] = SPIBus()
            self.pins.listen(self._spi[key].select)
        self._spi[key].attach(select, device)
        self._devices.append(device)
        return self._spi[key]

    def i2c_bus(self, scl: int, sda: int, controller: str) -> I2CBus:
        """Return the bus at two pins; ChipStop where nothing is soldered there."""
        bus = self._i2c.get((scl, sda))
        if bus is None:
            raise ChipStop(f"{controller} drives pins {scl} (SCL) and {sda} (SDA), where no I2C bus is")
        return bus

    def spi_bus(self, sck: int, mosi: int, miso: int, controller: str) -> SPIBus:
        """Return the bus at three pins; ChipStop where nothing is soldered there."""
        bus = self._spi.get((sck, mosi, miso))
        if bus is None:
            raise ChipStop(
                f"{controller} drives pins {sck} (SCK), {mosi} (MOSI) and {miso} (MISO), where no SPI bus is"
            )
        return bus

    def sync_devices(self, cycle: int | None = None) -> None:
        """Bring all devices to a cycle, or the present, and wake the chip at their next change of a pin."""
        now = self.core.nanoseconds(cycle)
        soonest: int | None = None
        for device in self._devices:
            device.advance(now)
            at = device.next_event()
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        self._hold_lines()
        if self._device_event is not None:
            self._device_event.cancel()
        self._device_event = None
        if soonest is not None:
            at = max(self.core.cycle_at(soonest), self.core.cycles + 1)
            self._device_event = self.core.schedule(at, self.sync_devices)

    # Life

    def load(self, image: Image) -> None:
        """Flash an image; ChipStop where a segment lies outside the flash."""
        self.flash.load(image.segments)
        self.core.forget_code(self.flash.origin, self.flash.size)
        self.core.where = image.where

    def power_on(self) -> None:
        """Give power: RAM holds random bits, every register its reset value."""
        self._lose_memory()
        self._reset(POWER)

    def brown_out(self) -> None:
        """Let the supply fall below the brown-out detector and come back: a reset that loses RAM."""
        self._lose_memory()
        self._reset(BROWN_OUT)

    def _lose_memory(self) -> None:
        origin, size = self.ram
        self.core.write_memory(origin, self._random.randbytes(size))
        self.core.forget_code(origin, size)

    def reset_pin(self) -> None:
        """Pull the reset pin."""
        self._reset(PIN)

    def run(self, until: int, stop_asleep: bool = False) -> str:
        """Run to a cycle of the core's clock; resets happen on the way. See `Core.run`."""
        while True:
            result = self.core.run(until, stop_asleep)
            if result != RESET:
                return result
            self._reset(self.core.reset_asked or SOFTWARE)

    def run_ns(self, until_ns: int) -> str:
        """Run to a time in ns since power-up."""
        return self.run(self.core.cycle_at(until_ns))

    def send(self, data: bytes) -> None:
        """Send bytes of the host to the chip's console."""
        if self.console is None:
            raise ValueError("this chip has no console")
        self.console.send(data)
        self.line_changed()

    def _start_bit(self) -> None:
        """Let the pin at the console's input fall and rise."""
        assert self.console is not None
        self.pins.drive(self.console.rx_pin, False)
        self.pins.drive(self.console.rx_pin, True)

    def line_changed(self) -> None:
        """Tell the UART of the console that bytes wait on the line; a subclass knows which it is."""

    def sleeping(self) -> bool:
        """Return whether the core sleeps and nothing that is scheduled will wake it."""
        return self.core.asleep and self.core.events.next_at() == NEVER

    def _reset(self, reason: str) -> None:
        self.resets.append(reason)
        self.core.events.clear()
        self._device_event = None
        self.nvic.reset()
        self.pins.release_all()
        self.space.reset()
        self.after_reset(reason)
        self.core.reset()
        self.sync_devices()
        self.line_changed()

    @property
    def measured_millivolts(self) -> int:
        """What the firmware makes of the supply's voltage when it measures it; a subclass knows."""
        return 0

    @property
    def transfer_seconds(self) -> float:
        """Time since power-up for which transfers by DMA were on a bus, while the core may sleep."""
        return 0.0

    def facts(self) -> dict[str, Any]:
        """Return what the chip's state says about the firmware, for reports; a subclass does."""
        return {}

    def after_reset(self, reason: str) -> None:
        """Set what depends on the reason of a reset; a subclass does."""
