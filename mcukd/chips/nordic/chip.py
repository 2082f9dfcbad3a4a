"""The nRF52840 with its memories and peripherals."""

from __future__ import annotations

from typing import Any

from mcukd.chips.bus import I2CBus, SPIBus
from mcukd.chips.chip import BROWN_OUT, POWER, Chip
from mcukd.chips.console import Console
from mcukd.chips.flash import Flash
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.gpio import Gpiote, Port
from mcukd.chips.nordic.nvmc import Nvmc
from mcukd.chips.nordic.power import RESET_BITS, AccessProtection, Clock, Power, Uicr
from mcukd.chips.nordic.radio import Radio
from mcukd.chips.nordic.rtc import Rtc, Watchdog
from mcukd.chips.nordic.saadc import Saadc
from mcukd.chips.nordic.twi import DmaSerial, Spim, Twim
from mcukd.chips.nordic.uart import Uart, Uarte
from mcukd.chips.registers import PeripheralTable, load_table
from mcukd.chips.stop import ChipStop

#: PIN_CNF.DRIVE: standard 0, disconnected 1.
_S0D1 = 6
_FLASH_BYTES, _PAGE, _WRITES_PER_WORD = 1 << 20, 4096, 2


class NRF52840(Chip):
    """nRF52840, build code F or later (its debug port is closed unless opened at every start)."""

    name = "nRF52840"
    core_model = "cortex-m4f"
    clock_hz = 64_000_000
    interrupts = 48
    ram = (0x20000000, 1 << 18)
    pin_count = 48

    def __init__(self, console: Console | None = None, seed: int = 0) -> None:
        super().__init__(console, seed)
        core, table = self.core, load_table("nrf52840").peripherals
        core.add_read_only(0, _FLASH_BYTES, self._store)
        core.add_memory(*self.ram, changing_code=True)
        core.write_memory(0, b"\xff" * _FLASH_BYTES)
        self.flash = Flash(0, _FLASH_BYTES, _PAGE, 4, _WRITES_PER_WORD, core.read_memory, core.write_memory)
        self.factory = self._factory(table["FICR"])
        self.uicr = Uicr(table["UICR"], core)
        self.clock = Clock(table["CLOCK"], core)
        self.power = Power(table["POWER"], core)
        self.protection = AccessProtection(table["APPROTECT"], core, self.uicr)
        self.nvmc = Nvmc(table["NVMC"], core, self.flash, self.uicr)
        self.ports = ports = (Port(table["P0"], core, self.pins, 0), Port(table["P1"], core, self.pins, 32))
        serial = [0]
        self.uart = Uart(table["UART0"], core, self.clock, console, serial)
        self.uartes = (
            Uarte(table["UARTE0"], core, self.clock, console, serial, self.ram),
            Uarte(table["UARTE1"], core, self.clock, console, [0], self.ram),
        )
        self.rtcs = tuple(
            Rtc(table[f"RTC{n}"], core, self.clock, compares) for n, compares in enumerate((3, 4, 4))
        )
        self.watchdog = Watchdog(table["WDT"], core, self.clock)
        self.saadc = Saadc(table["SAADC"], core, self.power, self.ram)
        self.radio = Radio(table["RADIO"], core, self.clock, self.ram)
        self.serial = self._buses(table)
        for peripheral in (
            self.factory,
            self.uicr,
            self.clock,
            self.power,
            self.protection,
            *ports,
            Gpiote(table["GPIOTE"], core, ports),
            self.uart,
            *self.uartes,
            *self.rtcs,
            self.watchdog,
            self.saadc,
            self.radio,
            *self.serial,
            self.nvmc,
        ):
            self.space.attach(peripheral)
        core.refuse_switched_off(*self.ram, "RAM")
        core.add_registers(0x10000000, 0x2000)
        core.add_registers(0x40000000, 0x100000)
        core.add_registers(0x50000000, 0x1000)

    def _factory(self, table: PeripheralTable) -> NordicPeripheral:
        """Return FICR with what the factory wrote: variant AAF0, random numbers and address, sizes."""
        factory = NordicPeripheral(table, self.core)
        written = {
            "INFO.VARIANT": int.from_bytes(b"AAF0", "big"),
            "INFO.RAM": 256,
            "INFO.FLASH": 1024,
            "CODEPAGESIZE": _PAGE,
            "CODESIZE": _FLASH_BYTES // _PAGE,
            "DEVICEID[0]": self._random.getrandbits(32),
            "DEVICEID[1]": self._random.getrandbits(32),
            "DEVICEADDR[0]": self._random.getrandbits(32),
            "DEVICEADDR[1]": 0xFFFF0000 | self._random.getrandbits(16),
        }
        factory.values.update(written)
        factory.reset = lambda: None  # type: ignore[method-assign]
        return factory

    def _buses(self, table: dict[str, PeripheralTable]) -> list[DmaSerial]:
        """Return the I2C and SPI controllers; those at the same addresses share ENABLE."""
        made: list[DmaSerial] = []
        for names in (("TWIM0", "SPIM0"), ("TWIM1", "SPIM1"), ("SPIM2",)):
            enable = [0]
            ids = tuple(6 if name.startswith("TWIM") else 7 for name in names)
            for name in names:
                shared = (table[name], self.core, enable, ids, self.ram, self.sync_devices)
                if name.startswith("TWIM"):
                    made.append(Twim(*shared, bus=self.i2c_bus))
                else:
                    made.append(Spim(*shared, bus=self.spi_bus))
        return made

    def i2c_bus(self, scl: int, sda: int, controller: str) -> I2CBus:
        """Return the bus at two pins, which have to be inputs with open-drain drive (section 6.31.4)."""
        for pin, line in ((scl, "SCL"), (sda, "SDA")):
            settings = self.pin_settings(pin)
            if settings & 3 or settings >> 8 & 7 != _S0D1:
                raise ChipStop(
                    f"{controller} is used while the PIN_CNF of its {line}, pin {pin}, is {settings:#x}, "
                    "but a connected input with drive S0D1 (6) is expected"
                )
        return super().i2c_bus(scl, sda, controller)

    def spi_bus(self, sck: int, mosi: int, miso: int, controller: str) -> SPIBus:
        """Return the bus at three pins: two outputs and an input (section 6.25.1)."""
        for pin, line, output in ((sck, "SCK", 1), (mosi, "MOSI", 1), (miso, "MISO", 0)):
            if self.pin_settings(pin) & 1 != output:
                wanted = "an output" if output else "an input"
                raise ChipStop(f"{controller} is used while its {line}, pin {pin}, is not {wanted} (PIN_CNF)")
        return super().spi_bus(sck, mosi, miso, controller)

    def pin_settings(self, pin: int) -> int:
        """Return PIN_CNF of a pin."""
        return self.ports[pin // 32].read_PIN_CNF(pin % 32)

    def _store(self, address: int, size: int, value: int) -> None:
        self.nvmc.store(address, size, value)

    def after_reset(self, reason: str) -> None:
        if reason in (POWER, BROWN_OUT):  # RESETREAS tells neither from the other
            self.power.forget()
        self.power.reset_reason |= RESET_BITS.get(reason, 0)
        self.uicr.write_enabled = False
        self.core.vector_table = 0

    def line_changed(self) -> None:
        for uart in (self.uart, *self.uartes):
            if uart.on and uart.hears():
                uart.line_changed()
                return
        self.uart.line_changed()

    @property
    def measured_millivolts(self) -> int:
        return self.saadc.measured() * 3600 >> 12

    @property
    def transfer_seconds(self) -> float:
        return sum(one.busy for one in self.serial) / self.clock_hz

    @property
    def address(self) -> str:
        """The static random address that the factory gave it, "C0:12:34:56:78:9A"."""
        low, high = (self.factory.values[f"DEVICEADDR[{n}]"] for n in (0, 1))
        number = (high & 0xFFFF | 0xC000) << 32 | low
        return ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))

    def debug_access(self) -> bool:
        """Return whether a debugger would get in now."""
        return self.protection.debug_access()

    def facts(self) -> dict[str, Any]:
        """Return what the chip's state says about the firmware, for reports."""
        return {
            "instruction_cache": bool(self.nvmc.values["ICACHECNF"] & 1),
            "dcdc": bool(self.power.values["DCDCEN"]),
            "debug_access": self.debug_access(),
            "low_frequency_crystal": self.clock.lf_crystal,
            "ram_bytes_on": self.power.ram_bytes_on(),
        }
