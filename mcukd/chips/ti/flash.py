"""Flash of the CC2650: the boot ROM's functions that erase and program it, the cache (VIMS), the controller.

The ROM's table of functions is at 0x10000180; its entry 10 points at those of the flash, of which 5 erases a
sector and 6 programs bytes (cc26xxware, driverlib/rom.h). They return 0 for success. The cache keeps old
content, so it has to be off meanwhile (SWCU117, chapter 7), and it is left and entered through OFF only.
"""

from __future__ import annotations

import struct

from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.flash import Flash
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop

ROM, ROM_BYTES = 0x10000000, 0x1000
_API_TABLE, _FLASH_ENTRY = 0x10000180, 10
_FLASH_TABLE, _FUNCTIONS = 0x10000200, 0x10000400
_ERASE, _PROGRAM, _FLASH_FUNCTIONS = 5, 6, 12
_GPRAM, _CACHE, _SPLIT, _OFF = 0, 1, 2, 3
#: A sector's erase and a word's write, typical (data sheet SWRS158, flash memory characteristics).
_ERASE_US, _WRITE_US = 8_000, 8
_CHANGE_CYCLES = 2_000
_BX_LR = b"\x70\x47"


class Vims(Peripheral):
    """Flash cache: its mode changes after a while, and between GPRAM, cache and split through OFF only."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self.mode = _GPRAM
        self._change_event: Event | None = None
        super().__init__(table)

    def reset(self) -> None:
        super().reset()
        self.mode = _GPRAM
        self._change_event = None

    def read_STAT(self, index: int) -> int:
        """Return the mode; a firmware that polls a change gets to its end at once, with the time gone by."""
        if self._change_event is not None:
            self._core.wait_until(self._change_event.at)
        return self.mode | (self._change_event is not None) << 3 | self.values["CTL"] & 0x30

    def write_CTL(self, value: int, index: int) -> None:
        wanted = value & 3
        if self._change_event is not None:
            raise ChipStop("the write of VIMS.CTL while the mode changes (VIMS.STAT.MODE_CHANGING)")
        if wanted == _SPLIT:
            raise ChipStop("VIMS.CTL chooses split mode, which is not modelled")
        if wanted != self.mode and self.mode == _CACHE and wanted != _OFF:
            raise ChipStop("VIMS.CTL leaves cache mode, which is only possible through OFF (3)")
        self.values["CTL"] = value & ~(1 << 31)
        if wanted != self.mode:
            at = self._core.cycles + _CHANGE_CYCLES
            self._change_event = self._core.schedule(at, lambda: self._change(wanted))

    def _change(self, mode: int) -> None:
        self.mode = mode
        self._change_event = None


class FlashController(Peripheral):
    """Status of the flash; writing goes through the ROM's functions."""

    def read_STAT(self, index: int) -> int:
        return 0


class Rom:
    """The boot ROM's functions for the flash."""

    def __init__(self, core: Core, flash: Flash, vims: Vims, protected: int) -> None:
        self._core, self._flash, self._vims = core, flash, vims
        self._protected = protected
        core.add_read_only(ROM, ROM_BYTES, self._store)
        core.write_memory(_API_TABLE + 4 * _FLASH_ENTRY, struct.pack("<I", _FLASH_TABLE))
        for number in range(_FLASH_FUNCTIONS):
            address = _FUNCTIONS + 16 * number
            core.write_memory(_FLASH_TABLE + 4 * number, struct.pack("<I", address | 1))
            core.write_memory(address, _BX_LR)
            core.rom_calls[address] = self._function(number)

    def _store(self, address: int, size: int, value: int) -> None:
        raise ChipStop(f"the store of {value:#x} into ROM at {address:#010x}")

    def _function(self, number: int):  # type: ignore[no-untyped-def]
        def call() -> None:
            arm = self._core.arm
            registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2)
            arguments = self._core.uc.reg_read_batch(registers)
            if number == _ERASE:
                self._erase(arguments[0])
            elif number == _PROGRAM:
                self._program(*arguments)
            else:
                raise ChipStop(f"the ROM's flash function {number} is not modelled")
            self._core.uc.reg_write(arm.UC_ARM_REG_R0, 0)

        return call

    def _ready(self) -> None:
        if self._vims.mode == _CACHE:
            raise ChipStop(
                "flash is erased or programmed while VIMS caches it; set VIMS.CTL to OFF (3) before"
            )
        arm = self._core.arm
        if not self._core.uc.reg_read(arm.UC_ARM_REG_PRIMASK) and self._core.nvic.enabled >> 16:
            raise ChipStop(
                "flash is erased or programmed while interrupts are open, whose handlers lie in it"
            )

    def _erase(self, address: int) -> None:
        self._ready()
        self._refuse_configuration(address)
        self._flash.erase(address)
        self._core.stand_still(_ERASE_US * self._core.clock_hz // 1_000_000)
        self._core.forget_code_if_run(address, self._flash.page)

    def _program(self, source: int, address: int, count: int) -> None:
        self._ready()
        self._refuse_configuration(address)
        if not self._flash.contains(address, count):
            raise ChipStop(f"the ROM programs {count} bytes at {address:#010x}, where no flash is")
        if self._flash.contains(source):
            raise ChipStop(
                f"the ROM programs flash from flash ({source:#010x}), which cannot be read meanwhile"
            )
        data = self._core.read_memory(source, count)
        first, last = address & ~3, (address + count + 3) & ~3
        padded = b"\xff" * (address - first) + data + b"\xff" * (last - address - count)
        for at in range(first, last, 4):
            self._flash.program(at, int.from_bytes(padded[at - first : at - first + 4], "little"))
        self._core.stand_still(_WRITE_US * (last - first) // 4 * self._core.clock_hz // 1_000_000)
        self._core.forget_code_if_run(first, last - first)

    def _refuse_configuration(self, address: int) -> None:
        if address >= self._protected:
            raise ChipStop(
                f"the firmware changes the flash sector of {address:#010x}, which holds the configuration "
                "words (CCFG), without which the chip never starts again"
            )
