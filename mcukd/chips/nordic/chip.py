"""The nRF52840 with its memories and peripherals."""

from __future__ import annotations

from typing import Any, Optional

from mcukd.chips.chip import POWER, Chip
from mcukd.chips.console import Console
from mcukd.chips.flash import Flash
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.gpio import Gpiote, Port
from mcukd.chips.nordic.nvmc import Nvmc
from mcukd.chips.nordic.power import RESET_BITS, AccessProtection, Clock, Power, Uicr
from mcukd.chips.nordic.uart import Uart
from mcukd.chips.registers import load_table
from mcukd.chips.stop import ChipStop

_FLASH_BYTES, _PAGE, _WRITES_PER_WORD = 1 << 20, 4096, 2


class NRF52840(Chip):
    """nRF52840, build code F or later (its debug port is closed unless opened at every start)."""

    name = "nRF52840"
    core_model = "cortex-m4f"
    clock_hz = 64_000_000
    interrupts = 48
    ram = (0x20000000, 1 << 18)
    pin_count = 48

    def __init__(self, console: Optional[Console] = None, seed: int = 0) -> None:
        super().__init__(console, seed)
        core, table = self.core, load_table("nrf52840").peripherals
        core.add_read_only(0, _FLASH_BYTES, self._store)
        core.add_memory(*self.ram, changing_code=True)
        core.write_memory(0, b"\xff" * _FLASH_BYTES)
        self.flash = Flash(0, _FLASH_BYTES, _PAGE, 4, _WRITES_PER_WORD, core.read_memory, core.write_memory)
        self.uicr = Uicr(table["UICR"], core)
        self.clock = Clock(table["CLOCK"], core)
        self.power = Power(table["POWER"], core)
        self.protection = AccessProtection(table["APPROTECT"], core, self.uicr)
        self.nvmc = Nvmc(table["NVMC"], core, self.flash, self.uicr)
        ports = (Port(table["P0"], core, self.pins, 0), Port(table["P1"], core, self.pins, 32))
        serial = [0]
        self.uart = Uart(table["UART0"], core, self.clock, console, serial)
        for peripheral in (
            NordicPeripheral(table["FICR"], core),
            self.uicr,
            self.clock,
            self.power,
            self.protection,
            *ports,
            Gpiote(table["GPIOTE"], core, ports),
            self.uart,
            self.nvmc,
        ):
            self.space.attach(peripheral)
        core.add_registers(0x10000000, 0x2000)
        core.add_registers(0x40000000, 0x100000)
        core.add_registers(0x50000000, 0x1000)

    def load_segment(self, address: int, data: bytes) -> None:
        if 0x10001000 <= address < 0x10002000:
            raise ChipStop(
                "the image has words for UICR; flash programs need leave for that, so none is expected"
            )
        super().load_segment(address, data)

    def _store(self, address: int, size: int, value: int) -> None:
        self.nvmc.store(address, size, value)

    def after_reset(self, reason: str) -> None:
        if reason == POWER:
            self.power.forget()
        self.power.reset_reason |= RESET_BITS.get(reason, 0)
        self.uicr.write_enabled = False
        self.core.vector_table = 0

    def line_changed(self) -> None:
        self.uart.line_changed()

    def debug_access(self) -> bool:
        """Return whether a debugger would get in now."""
        return self.protection.debug_access()

    def facts(self) -> dict[str, Any]:
        """Return what the chip's state says about the firmware, for reports."""
        return {
            "instruction_cache": bool(self.nvmc.values["ICACHECNF"] & 1),
            "dcdc": bool(self.power.values["DCDCEN"]),
            "debug_access": self.debug_access(),
        }
