"""Flash controller and instruction cache of the nRF52840 (Product Specification v1.7, section 4.3)."""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.flash import Flash
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.power import Uicr
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_READ, _WRITE, _ERASE = 0, 1, 2
#: A word's write and a page's erase, at most (section 4.3.9); the core stands still meanwhile.
_WRITE_US, _ERASE_US = 41, 85_000
#: Cycles that a fetch from flash waits without cache are not modelled: an instruction is one cycle.


class Nvmc(NordicPeripheral):
    """CONFIG allows writing or erasing; a store of a word into flash writes it."""

    def __init__(self, table: PeripheralTable, core: Core, flash: Flash, uicr: Uicr) -> None:
        self._flash, self._uicr = flash, uicr
        super().__init__(table, core)

    def read_READY(self, index: int) -> int:
        return 1

    def read_READYNEXT(self, index: int) -> int:
        return 1

    def write_CONFIG(self, value: int, index: int) -> None:
        if value not in (_READ, _WRITE, _ERASE):
            raise ChipStop(
                f"the write of {value} to NVMC.CONFIG: 0 (read), 1 (write) or 2 (erase) is expected"
            )
        self.values["CONFIG"] = value
        self._uicr.write_enabled = value == _WRITE

    def _erasing(self, register: str) -> None:
        if self.values["CONFIG"] != _ERASE:
            raise ChipStop(f"the write of NVMC.{register} without NVMC.CONFIG set to erase (2)")

    def write_ERASEPAGE(self, value: int, index: int) -> None:
        self._erasing("ERASEPAGE")
        self._flash.erase(value)
        self._changed(value, self._flash.page, _ERASE_US)

    def write_ERASEUICR(self, value: int, index: int) -> None:
        self._erasing("ERASEUICR")
        if value:
            self._uicr.erase()

    def write_ERASEALL(self, value: int, index: int) -> None:
        raise ChipStop("the firmware erases the whole chip, itself included (NVMC.ERASEALL)")

    def write_ERASEPCR0(self, value: int, index: int) -> None:
        raise ChipStop("NVMC.ERASEPCR0 is deprecated; ERASEPAGE is expected")

    def write_ERASEPAGEPARTIAL(self, value: int, index: int) -> None:
        raise ChipStop("erasing a page in parts (NVMC.ERASEPAGEPARTIAL) is not modelled")

    def store(self, address: int, size: int, value: int) -> None:
        """Take a store of the core into flash."""
        if self.values["CONFIG"] != _WRITE:
            raise ChipStop(
                f"the store of {value:#x} into flash at {address:#010x} without NVMC.CONFIG set to write (1)"
            )
        if size != 4 or address % 4:
            raise ChipStop(
                f"the store of {size} bytes into flash at {address:#010x}; only whole words can be written"
            )
        self._flash.program(address, value & 0xFFFFFFFF)
        self._changed(address, 4, _WRITE_US)

    def _changed(self, address: int, size: int, microseconds: int) -> None:
        self.core.stand_still(microseconds * self.core.clock_hz // 1_000_000)
        self.core.forget_code_if_run(address, size)
