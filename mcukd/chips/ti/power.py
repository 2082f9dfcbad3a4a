"""Clocks, power domains and resets of the CC2650 (SWCU117, chapter 6; AON_SYSCTL, AON_WUC, AON_BATMON).

A peripheral answers only while its domain has power and its clock gate is loaded for the mode the core is in.
"""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop

#: Cycles until a power domain is on, and until loaded clock settings are in force (both are short; polled).
_POWER_CYCLES, _LOAD_CYCLES = 48, 8
#: RESETCTL.RESET_SRC by the reason of a reset.
RESET_SOURCES = {"power": 0, "pin": 1, "brown-out": 2, "software": 6, "watchdog": 7, "lockup": 7}
_GATED = ("GPIOCLKG", "I2CCLKG", "UARTCLKG", "SSICLKG", "SECDMACLKG", "VIMSCLKG", "RFCCLKG")


class Prcm(Peripheral):
    """Power, reset and clock management."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self._loaded: dict[str, int] = {}
        self._on_at: dict[str, int] = {}
        super().__init__(table)
        for register in table.registers:
            if register.name.startswith(_GATED):
                self.__dict__[f"write_{register.name}"] = self._gate(register.name)

    def reset(self) -> None:
        kept = self.values["WARMRESET"] & 3
        super().reset()
        self.values["WARMRESET"] |= kept
        self._loaded = {name: value for name, value in self.values.items() if name.startswith(_GATED)}
        self._on_at = {}

    def _gate(self, name: str):  # type: ignore[no-untyped-def]
        def write(value: int, index: int) -> None:
            self.values[name] = value
            self.values["CLKLOADCTL"] &= ~2

        return write

    def write_CLKLOADCTL(self, value: int, index: int) -> None:
        if value & 1:
            self._core.schedule(self._core.cycles + _LOAD_CYCLES, self._load)

    def _load(self) -> None:
        self._loaded = {name: self.values[name] for name in self._loaded}
        self.values["CLKLOADCTL"] |= 2

    def _switch(self, domain: str, on: bool) -> None:
        self.values[f"PDCTL0{domain}"] = int(on)
        if on:
            self._on_at.setdefault(domain, self._core.cycles + _POWER_CYCLES)
        else:
            self._on_at.pop(domain, None)

    def write_PDCTL0SERIAL(self, value: int, index: int) -> None:
        self._switch("SERIAL", bool(value))

    def write_PDCTL0PERIPH(self, value: int, index: int) -> None:
        self._switch("PERIPH", bool(value))

    def write_PDCTL0RFC(self, value: int, index: int) -> None:
        if value:
            raise ChipStop("the write of PRCM.PDCTL0RFC powers the radio, which is not modelled")

    def write_PDCTL0(self, value: int, index: int) -> None:
        self.write_PDCTL0RFC(value & 1, 0)
        self._switch("SERIAL", bool(value & 2))
        self._switch("PERIPH", bool(value & 4))

    def read_PDCTL0(self, index: int) -> int:
        return self.values["PDCTL0SERIAL"] << 1 | self.values["PDCTL0PERIPH"] << 2

    def _is_on(self, domain: str) -> bool:
        at = self._on_at.get(domain)
        return at is not None and self._core.cycles >= at

    def read_PDSTAT0SERIAL(self, index: int) -> int:
        return int(self._is_on("SERIAL"))

    def read_PDSTAT0PERIPH(self, index: int) -> int:
        return int(self._is_on("PERIPH"))

    def read_PDSTAT0(self, index: int) -> int:
        return self._is_on("SERIAL") << 1 | self._is_on("PERIPH") << 2

    def write_SWRESET(self, value: int, index: int) -> None:
        if value & 4:
            self._core.ask_reset("software")

    def clocked(self, gate: str, mask: int) -> bool:
        """Return whether a clock gate ("UARTCLKG") is open in the mode that the core is in."""
        mode = "R"
        if self._core.asleep:
            mode = "DS" if self._core.system.sleep_deep else "S"
        return bool(self._loaded.get(gate + mode, 0) & mask)

    def refusal(self) -> str | None:
        return None

    def why_off(self, domain: str, gate: str, mask: int) -> str | None:
        """Return why a peripheral of a power domain cannot be reached; None where it can."""
        at = self._on_at.get(domain)
        if at is None or self._core.cycles < at:
            return f"its power domain {domain} is off (PRCM.PDCTL0{domain}, and wait for PDSTAT0{domain})"
        if not self._loaded.get(f"{gate}R", 0) & mask:
            return f"its clock is off (PRCM.{gate}R, loaded with CLKLOADCTL)"
        return None


class Powered(Peripheral):
    """A peripheral in a power domain with a clock gate. domain, gate, mask: which."""

    domain, gate, mask = "PERIPH", "GPIOCLKG", 1

    def __init__(self, table: PeripheralTable, core: Core, prcm: Prcm) -> None:
        self.core, self.prcm = core, prcm
        super().__init__(table)

    def refusal(self) -> str | None:
        return self.prcm.why_off(self.domain, self.gate, self.mask)

    def signal(self, level: bool) -> None:
        """Drive this peripheral's interrupt."""
        assert self.table.irq is not None
        self.core.signal(self.table.irq, level)


class SystemControlAon(Peripheral):
    """Supply, reset source and detectors in the always-on domain (AON_SYSCTL)."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self.source = 0
        super().__init__(table)

    def read_RESETCTL(self, index: int) -> int:
        return (self.values["RESETCTL"] & ~0xE) | self.source << 1

    def write_RESETCTL(self, value: int, index: int) -> None:
        if value >> 31:
            self._core.ask_reset("software")
        for bit in (0, 1):
            if value >> (16 + bit) & 1:
                value |= 1 << (12 + bit)
            if value >> (24 + bit) & 1:
                value &= ~(1 << (12 + bit))
        self.values["RESETCTL"] = value & 0x3EF0


class WakeUpControl(Peripheral):
    """Wake-up controller (AON_WUC): retention, power-down clocks, JTAG's power."""

    def read_PWRSTAT(self, index: int) -> int:
        aux = bool(self.values["AUXCTL"] & 1)
        jtag = bool(self.values["JTAGCFG"] & 0x100)
        return 1 << 4 | jtag << 6 | aux << 5 | aux << 2 | 1 << 1

    def write_SHUTDOWN(self, value: int, index: int) -> None:
        if value:
            raise ChipStop(
                "the firmware shuts the chip down (AON_WUC.SHUTDOWN); waking from it is not modelled"
            )


class BatteryMonitor(Peripheral):
    """Supply voltage and temperature (AON_BATMON): measured while MEAS_EN and CALC_EN are set."""

    def __init__(self, table: PeripheralTable) -> None:
        self.millivolts = 3000
        self.celsius = 20
        super().__init__(table)

    def _measures(self) -> bool:
        return self.values["CTL"] & 3 == 3

    def volts_256(self) -> int:
        """Return what it measures, in volts with 8 bits behind the point."""
        return self.millivolts * 256 // 1000

    def read_BAT(self, index: int) -> int:
        return self.volts_256() if self._measures() else 0

    def read_BATUPD(self, index: int) -> int:
        return int(self._measures())

    def read_TEMP(self, index: int) -> int:
        return (self.celsius & 0x1FF) << 8 if self._measures() else 0

    def read_TEMPUPD(self, index: int) -> int:
        return int(self._measures())
