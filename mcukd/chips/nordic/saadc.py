"""Converter of the nRF52840, as far as it measures the supply (Product Specification v1.7, section 6.23)."""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.power import Power
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_VDD, _FULL_SCALE_MV = 9, 3600
#: Gain 1/6, internal reference, single ended; the time of acquisition by its code, and that of a conversion.
_OTHER_SETTINGS = 0x01101733
_ACQUISITION_US, _CONVERSION_US, _START_US = (3, 5, 10, 15, 20, 40), 2, 5
_RESOLUTIONS = {0: 8, 1: 10, 2: 12, 3: 14}


class Saadc(NordicPeripheral):
    """One channel that samples VDD once; other inputs, gains and modes are not modelled."""

    def __init__(self, table: PeripheralTable, core: Core, power: Power, ram: tuple[int, int]) -> None:
        self._power, self._ram = power, ram
        self._started = False
        super().__init__(table, core)

    def reset(self) -> None:
        super().reset()
        self._started = False

    def _after(self, microseconds: int, *events: str) -> None:
        def happen() -> None:
            for event in events:
                self.occur(event)

        self.core.schedule(self.core.cycles + microseconds * self.core.clock_hz // 1_000_000, happen)

    def _need_on(self, task: str) -> None:
        if not self.enable[0]:
            raise ChipStop(f"SAADC.{task} while SAADC.ENABLE is 0")

    def measured(self, bits: int = 12) -> int:
        """Return what it makes of the supply."""
        return min(self._power.millivolts * (1 << bits) // _FULL_SCALE_MV, (1 << bits) - 1)

    def task_START(self) -> None:
        self._need_on("TASKS_START")
        self._started = True
        self._after(_START_US, "STARTED")

    def task_SAMPLE(self) -> None:
        self._need_on("TASKS_SAMPLE")
        config, at = self.values["CH0.CONFIG"], self.values["RESULT.PTR"]
        if not self._started or self.values["RESULT.MAXCNT"] != 1:
            raise ChipStop("SAADC.TASKS_SAMPLE before TASKS_START, or for more than one result")
        if self.values["CH0.PSELP"] != _VDD or config & _OTHER_SETTINGS:
            raise ChipStop(
                f"SAADC.CH0 has PSELP {self.values['CH0.PSELP']} and CONFIG {config:#x}; "
                "VDD (9) at a gain of 1/6 of the internal reference is modelled"
            )
        if any(self.values[f"CH{n}.PSELP"] for n in range(1, 8)) or self.values["OVERSAMPLE"]:
            raise ChipStop("SAADC samples several channels, or over again, which is not modelled")
        if not self._ram[0] <= at <= sum(self._ram) - 2:
            raise ChipStop(f"SAADC.RESULT.PTR is {at:#010x}, but DMA reaches RAM only")
        bits = _RESOLUTIONS.get(self.values["RESOLUTION"])
        if bits is None or config >> 16 & 7 >= len(_ACQUISITION_US):
            raise ChipStop("SAADC.RESOLUTION or CH0.CONFIG.TACQ holds what is no setting")
        self.core.write_memory(at, self.measured(bits).to_bytes(2, "little"))
        self.values["RESULT.AMOUNT"] = 1
        self._started = False
        self._after(_ACQUISITION_US[config >> 16 & 7] + _CONVERSION_US, "RESULTDONE", "DONE", "END")

    def task_STOP(self) -> None:
        self._need_on("TASKS_STOP")
        self._started = False
        self._after(1, "STOPPED")
