"""Real-time clock and watchdog of the CC2650 (SWCU117, chapters 14 and 16).

AON_RTC counts seconds in SEC and fractions in SUBSEC, 32768 steps a second; it runs on through every reset
but power's. Reading SEC freezes SUBSEC for the next read. Channels 0 and 1 compare with 16 bits of seconds
and 16 of fractions, channel 2 the same and, continuously, with an increment.
"""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop

_STEPS = 1 << 15
#: A compare value up to this far in the past counts as reached at once (one second).
_PAST = 1 << 16
_FLAGS = (1 << 0, 1 << 8, 1 << 16)
_LOCK = 0x1ACCE551
_WATCHDOG_DIVIDER = 32


class AonRtc(Peripheral):
    """The clock, with its three channels and combined event."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self.lf_hz = _STEPS
        self._from = 0
        self._kept = 0
        self._frozen: int | None = None
        self._planned: list[Event | None] = [None, None, None]
        super().__init__(table)

    def reset(self) -> None:
        """Keep everything: the always-on domain has its own power."""
        self._planned = [None, None, None]
        self._plan()

    def power_on(self) -> None:
        """Begin at zero."""
        self.load_reset_values()
        self._from, self._kept, self._frozen = self._core.cycles, 0, None
        self._plan()

    # Counting

    @property
    def _runs(self) -> bool:
        return bool(self.values["CTL"] & 1)

    def _now(self) -> int:
        """Return the steps of 1/32768 s that the clock shows."""
        if not self._runs:
            return self._kept
        return self._kept + (self._core.cycles - self._from) * self.lf_hz // self._core.clock_hz

    def _set(self, steps: int) -> None:
        self._kept, self._from = steps, self._core.cycles
        self._plan()

    def _compare_now(self) -> int:
        """Return the time as compare registers hold it: 16 bits of seconds, 16 of fractions."""
        return (self._now() << 1) & 0xFFFFFFFF

    def _plan(self) -> None:
        for channel, enable in enumerate((1 << 0, 1 << 8, 1 << 16)):
            planned = self._planned[channel]
            if planned is not None:
                planned.cancel()
            self._planned[channel] = None
            if not (self._runs and self.values["CHCTL"] & enable):
                continue
            if channel == 1 and self.values["CHCTL"] & 1 << 9:
                raise ChipStop("AON_RTC.CHCTL asks channel 1 to capture, which is not modelled")
            ahead = (self.values[f"CH{channel}CMP"] - self._compare_now()) & 0xFFFFFFFF
            if ahead >= (1 << 32) - _PAST:
                ahead = 0
            steps = self._now() + (ahead + 1) // 2 - self._kept
            at = self._from + -(-steps * self._core.clock_hz // self.lf_hz)
            self._planned[channel] = self._core.schedule(at, self._reach(channel))

    def _reach(self, channel: int):  # type: ignore[no-untyped-def]
        def reached() -> None:
            self._planned[channel] = None
            self.values["EVFLAGS"] |= _FLAGS[channel]
            if channel == 2 and self.values["CHCTL"] & 1 << 18:
                compare = self.values["CH2CMP"] + self.values["CH2CMPINC"]
                self.values["CH2CMP"] = compare & 0xFFFFFFFF
                self._plan()
            self._update()

        return reached

    def _update(self) -> None:
        combined = self.values["CTL"] >> 16 & 7
        flags = self.values["EVFLAGS"]
        level = any(combined >> channel & 1 and flags & _FLAGS[channel] for channel in range(3))
        assert self.table.irq is not None
        self._core.signal(self.table.irq, level)

    # Registers

    def write_CTL(self, value: int, index: int) -> None:
        self._kept, self._from = self._now(), self._core.cycles
        if value & 1 << 7:
            self._kept = 0
        if value & 6:
            raise ChipStop("AON_RTC.CTL feeds radio or sensor controller, which are not modelled")
        self.values["CTL"] = value & ~(1 << 7)
        self._plan()
        self._update()

    def write_EVFLAGS(self, value: int, index: int) -> None:
        self.values["EVFLAGS"] &= ~value
        self._update()

    def read_SEC(self, index: int) -> int:
        self._frozen = self._now() % _STEPS
        return self._now() // _STEPS

    def write_SEC(self, value: int, index: int) -> None:
        self._set(value * _STEPS + self._now() % _STEPS)

    def read_SUBSEC(self, index: int) -> int:
        steps = self._now() % _STEPS if self._frozen is None else self._frozen
        self._frozen = None
        return steps << 17

    def write_SUBSEC(self, value: int, index: int) -> None:
        self._set(self._now() // _STEPS * _STEPS + (value >> 17))

    def write_CHCTL(self, value: int, index: int) -> None:
        self.values["CHCTL"] = value
        self._plan()

    def _compare(self, channel: int, value: int) -> None:
        self.values[f"CH{channel}CMP"] = value
        self._plan()

    def write_CH0CMP(self, value: int, index: int) -> None:
        self._compare(0, value)

    def write_CH1CMP(self, value: int, index: int) -> None:
        self._compare(1, value)

    def write_CH2CMP(self, value: int, index: int) -> None:
        self._compare(2, value)

    def read_SYNC(self, index: int) -> int:
        """Return 0: a read waits until writes have reached the always-on domain."""
        return 0


class Watchdog(Peripheral):
    """Watchdog: counts the core's clock / 32 down from LOAD; the second time it reaches zero it may reset."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self._event: Event | None = None
        self._zero_at = 0
        self._raised = False
        self._locked = False
        super().__init__(table)

    def reset(self) -> None:
        super().reset()
        self._event = None
        self._raised = self._locked = False

    def _unlocked(self, register: str) -> None:
        if self._locked:
            raise ChipStop(f"the write of WDT.{register} while WDT.LOCK is closed, which {_LOCK:#010x} opens")

    def _start(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._zero_at = self._core.cycles + (self.values["LOAD"] + 1) * _WATCHDOG_DIVIDER
        self._event = self._core.schedule(self._zero_at, self._zero)

    def _zero(self) -> None:
        if self._raised and self.values["CTL"] & 2:
            self._core.ask_reset("watchdog")
            return
        self._raised = True
        self._start()
        self._update()

    def _update(self) -> None:
        assert self.table.irq is not None
        self._core.signal(self.table.irq, self._raised and bool(self.values["CTL"] & 1))

    def write_LOAD(self, value: int, index: int) -> None:
        self._unlocked("LOAD")
        self.values["LOAD"] = value
        if self._event is not None:
            self._start()

    def write_CTL(self, value: int, index: int) -> None:
        self._unlocked("CTL")
        if value & 4:
            raise ChipStop("WDT.CTL asks for the non-maskable interrupt, which is not modelled")
        self.values["CTL"] = value | (self.values["CTL"] & 1)  # INTEN can only be set
        if self.values["CTL"] & 1 and self._event is None:
            self._start()
        self._update()

    def write_ICR(self, value: int, index: int) -> None:
        self._unlocked("ICR")
        self._raised = False
        if self._event is not None:
            self._start()
        self._update()

    def read_VALUE(self, index: int) -> int:
        if self._event is None:
            return self.values["LOAD"]
        return max(0, self._zero_at - self._core.cycles) // _WATCHDOG_DIVIDER

    def read_RIS(self, index: int) -> int:
        return int(self._raised)

    def read_MIS(self, index: int) -> int:
        return int(self._raised and bool(self.values["CTL"] & 1))

    def write_LOCK(self, value: int, index: int) -> None:
        self._locked = value != _LOCK

    def read_LOCK(self, index: int) -> int:
        return int(self._locked)

    def write_TEST(self, value: int, index: int) -> None:
        self._unlocked("TEST")
        self.values["TEST"] = value
