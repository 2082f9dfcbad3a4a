"""Clocks, power, resets and access protection of the nRF52840 (Product Specification v1.7, chapters 4.8, 5).

Crystal start-up takes 360 µs (typical). LFCLK starts within a millisecond from RC. Where the 32.768 kHz
crystal is its source it runs from RC until the crystal has started, 250 ms later, which LFCLKSTARTED says.
The RTCs count only while it runs.
"""

from __future__ import annotations

import functools
from typing import Protocol

from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_HF_START_US, _RC_START_US, _XTAL_START_US, _CALIBRATION_US = 360, 600, 250_000, 16_000
#: RESETREAS bits by the reason of a reset; a power-on reset sets none.
RESET_BITS = {"pin": 1 << 0, "watchdog": 1 << 1, "software": 1 << 2, "lockup": 1 << 3}
_OPEN = 0x5A


class LfUser(Protocol):
    """A peripheral that counts the low-frequency clock."""

    def clock_started(self) -> None:
        """Take note that the clock runs."""


class Clock(NordicPeripheral):
    """High-frequency crystal and low-frequency clock.

    lf_hz: the rate that the low-frequency clock really has, in whole Hz.
    """

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self.lf_running = False
        self.lf_crystal = False
        self.lf_hz = 32_768
        self.hf_crystal = False
        self.listeners: list[LfUser] = []
        super().__init__(table, core)

    def reset(self) -> None:
        super().reset()
        self.lf_running = self.lf_crystal = self.hf_crystal = False

    def _after(self, microseconds: int, event: str) -> Event:
        at = self.core.cycles + microseconds * self.core.clock_hz // 1_000_000
        return self.core.schedule(at, lambda: self._started(event))

    def _started(self, event: str) -> None:
        if event == "HFCLKSTARTED":
            self.hf_crystal = True
        elif event == "LFCLKSTARTED":
            self._lf_runs()
            self.lf_crystal = self.values["LFCLKSRC"] & 3 == 1
        self.occur(event)

    def task_HFCLKSTART(self) -> None:
        self._after(0 if self.hf_crystal else _HF_START_US, "HFCLKSTARTED")

    def task_HFCLKSTOP(self) -> None:
        self.hf_crystal = False

    def task_LFCLKSTART(self) -> None:
        if self.lf_running:
            raise ChipStop("CLOCK.TASKS_LFCLKSTART while LFCLK runs already")
        source = self.values["LFCLKSRC"] & 3
        if source == 3:
            raise ChipStop("CLOCK.LFCLKSRC holds 3, which is no source")
        at = self.core.cycles + _RC_START_US * self.core.clock_hz // 1_000_000
        self.core.schedule(at, self._lf_runs)
        self._after(_XTAL_START_US if source == 1 else _RC_START_US, "LFCLKSTARTED")

    def _lf_runs(self) -> None:
        if not self.lf_running:
            self.lf_running = True
            for listener in self.listeners:
                listener.clock_started()

    def task_LFCLKSTOP(self) -> None:
        self.lf_running = self.lf_crystal = False

    def task_CAL(self) -> None:
        if not (self.hf_crystal and self.lf_running):
            raise ChipStop("CLOCK.TASKS_CAL needs both the crystal and LFCLK to run")
        self._after(_CALIBRATION_US, "DONE")

    def write_LFCLKSRC(self, value: int, index: int) -> None:
        if self.lf_running:
            raise ChipStop("the write of CLOCK.LFCLKSRC while LFCLK runs")
        self.values["LFCLKSRC"] = value

    def read_HFCLKSTAT(self, index: int) -> int:
        return 1 << 16 | self.hf_crystal

    def read_HFCLKRUN(self, index: int) -> int:
        return int(self.hf_crystal)

    def read_LFCLKSTAT(self, index: int) -> int:
        source = self.values["LFCLKSRC"] & 3
        return self.lf_running << 16 | (0 if source == 1 and not self.lf_crystal else source)

    def read_LFCLKRUN(self, index: int) -> int:
        return int(self.lf_running)


#: First address and bytes of the RAM's sections, by their block (section 4.1, figure of the memory layout).
RAM_SECTIONS = {
    **{n: [(0x20000000 + (2 * n + part) * 0x1000, 0x1000) for part in range(2)] for n in range(8)},
    8: [(0x20010000 + part * 0x8000, 0x8000) for part in range(6)],
}


class Power(NordicPeripheral):
    """Regulators, power of the RAM's sections, retention, reset reasons, power-fail comparator (POFCON)."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        for block in RAM_SECTIONS:
            self.__dict__[f"write_RAM{block}_POWER"] = functools.partial(self._set_ram, block)
            self.__dict__[f"write_RAM{block}_POWERSET"] = functools.partial(self._change_ram, block, True)
            self.__dict__[f"write_RAM{block}_POWERCLR"] = functools.partial(self._change_ram, block, False)
        self.reset_reason = 0
        self.retained: dict[str, int] = {}
        self.system_off = False
        self.millivolts = 3000
        super().__init__(table, core)

    def reset(self) -> None:
        kept = {name: self.values.get(name, 0) for name in ("GPREGRET", "GPREGRET2")}
        super().reset()
        self.values.update(kept)
        self.system_off = False
        for sections in RAM_SECTIONS.values():
            for first, size in sections:
                self.core.switch_memory(first, size, True)

    def ram_bytes_on(self) -> int:
        """Return how many bytes of RAM have power."""
        return sum(
            size
            for block, sections in RAM_SECTIONS.items()
            for part, (_, size) in enumerate(sections)
            if self.values[f"RAM{block}.POWER"] >> part & 1
        )

    def _set_ram(self, block: int, value: int, index: int) -> None:
        """Switch sections on and off; a section without power forgets what it held."""
        before = self.values[f"RAM{block}.POWER"]
        self.values[f"RAM{block}.POWER"] = value
        for part, (first, size) in enumerate(RAM_SECTIONS[block]):
            on = bool(value >> part & 1)
            if on == bool(before >> part & 1):
                continue
            if not on:
                self.core.write_memory(first, bytes(size))
            self.core.switch_memory(first, size, on)

    def _change_ram(self, block: int, on: bool, value: int, index: int) -> None:
        before = self.values[f"RAM{block}.POWER"]
        self._set_ram(block, before | value if on else before & ~value, index)

    def forget(self) -> None:
        """Lose what only power holds."""
        self.reset_reason = 0
        self.values.update(GPREGRET=0, GPREGRET2=0)

    def read_RESETREAS(self, index: int) -> int:
        return self.reset_reason

    def write_RESETREAS(self, value: int, index: int) -> None:
        self.reset_reason &= ~value

    def task_CONSTLAT(self) -> None:
        """Constant latency costs current, which is not modelled."""

    def task_LOWPWR(self) -> None:
        """The default mode."""

    def write_SYSTEMOFF(self, value: int, index: int) -> None:
        if value:
            raise ChipStop(
                "the firmware switched the chip off (POWER.SYSTEMOFF); waking from it is not modelled"
            )

    def warning_millivolts(self) -> int | None:
        """Return the threshold of the power-fail warning; None where it is off (thresholds 1.7 … 2.8 V)."""
        value = self.values["POFCON"]
        return 1700 + 100 * ((value >> 1 & 0xF) - 4) if value & 1 else None

    def supply(self, millivolts: int) -> None:
        """Set the supply voltage; falling below the threshold raises the warning once."""
        threshold = self.warning_millivolts()
        falling = threshold is not None and self.millivolts >= threshold > millivolts
        self.millivolts = millivolts
        if falling:
            self.occur("POFWARN")


class AccessProtection(NordicPeripheral):
    """Access port protection from build code F on: closed after every reset unless both places hold 0x5A."""

    open = False

    def __init__(self, table: PeripheralTable, core: Core, uicr: Uicr) -> None:
        self._uicr = uicr
        super().__init__(table, core)

    def debug_access(self) -> bool:
        """Return whether a debugger would get in now."""
        return self._uicr.approtect() == _OPEN and self.values["DISABLE"] == _OPEN

    def write_FORCEPROTECT(self, value: int, index: int) -> None:
        if value:
            raise ChipStop("the firmware locked the debug port for good (APPROTECT.FORCEPROTECT)")


class Uicr(NordicPeripheral):
    """User information configuration registers: flash that keeps its content, written through NVMC."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self.write_enabled = False
        super().__init__(table, core)
        for register in table.registers:
            self.__dict__[f"write_{register.array}"] = self._writer(register.array)

    def _writer(self, array: str):  # type: ignore[no-untyped-def]
        def write(value: int, index: int) -> None:
            name = f"{array}[{index}]" if f"{array}[0]" in self.values else array
            if not self.write_enabled:
                raise ChipStop(f"the write of UICR.{name} without NVMC.CONFIG set to write (1)")
            self.values[name] &= value

        return write

    def reset(self) -> None:
        """Keep everything, as flash does."""

    def load_reset_values(self) -> None:
        """Begin erased: every word holds ones."""
        self.values = {register.name: 0xFFFFFFFF for register in self.table.registers}

    def erase(self) -> None:
        """Erase all words."""
        self.load_reset_values()

    def approtect(self) -> int:
        """Return the byte that opens the debug port."""
        return self.values["APPROTECT"] & 0xFF
