"""Real-time counters and watchdog of the nRF52840 (Product Specification v1.7, sections 6.22 and 6.37).

The counters have 24 bits and count 32768 Hz / (PRESCALER + 1) while LFCLK runs. COMPARE comes when the
counter reaches CC two counts ahead or more; a CC of the present count or the next is missed, as on the chip.
"""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.power import Clock
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_WRAP = 1 << 24
_COMPARE_BIT, _OVERFLOW_BIT, _TICK_BIT = 16, 1, 0


class Rtc(NordicPeripheral):
    """A counter with four (RTC0: three) compare registers."""

    def __init__(self, table: PeripheralTable, core: Core, clock: Clock, compares: int) -> None:
        self._clock = clock
        self._compares = compares
        self._clear()
        super().__init__(table, core)
        clock.listeners.append(self)

    def _clear(self) -> None:
        self._running = False
        self._routed = 0
        self._kept = 0
        self._from = 0
        self._events: dict[str, Event] = {}

    def reset(self) -> None:
        super().reset()
        self._clear()

    # Counting

    @property
    def _counts(self) -> bool:
        return self._running and self._clock.lf_running

    def _cycle_of(self, ticks: int) -> int:
        """Return the cycle at which the counter has counted `ticks` since it was started."""
        per_tick = (self.values["PRESCALER"] + 1) * self.core.clock_hz
        return self._from + -(-ticks * per_tick // self._clock.lf_hz)

    def _ticks(self) -> int:
        """Return the counts since the counter was started."""
        per_tick = (self.values["PRESCALER"] + 1) * self.core.clock_hz
        return (self.core.cycles - self._from) * self._clock.lf_hz // per_tick

    def _count(self) -> int:
        return (self._kept + (self._ticks() if self._counts else 0)) % _WRAP

    def clock_started(self) -> None:
        """Begin to count where the task START came before the clock."""
        if self._running:
            self._from = self.core.cycles
            self._plan_all()

    def task_START(self) -> None:
        if not self._running:
            self._running = True
            self._from = self.core.cycles
            self._plan_all()

    def task_STOP(self) -> None:
        self._kept = self._count()
        self._running = False
        self._plan_all()

    def task_CLEAR(self) -> None:
        self._restart(0)

    def task_TRIGOVRFLW(self) -> None:
        self._restart(0xFFFFF0)

    def _restart(self, count: int) -> None:
        self._kept = count
        self._from = self.core.cycles
        self._plan_all()

    # Events

    def _wanted(self, bit: int) -> bool:
        return bool((self.enabled_interrupts | self._routed) >> bit & 1)

    def _plan_all(self) -> None:
        for index in range(self._compares):
            self._plan(f"COMPARE[{index}]", self.values[f"CC[{index}]"], _COMPARE_BIT + index)
        self._plan("OVRFLW", 0, _OVERFLOW_BIT)
        self._plan("TICK", self._count() + 1, _TICK_BIT)

    def _plan(self, event: str, count: int, bit: int) -> None:
        planned = self._events.pop(event, None)
        if planned is not None:
            planned.cancel()
        if not (self._counts and self._wanted(bit)):
            return
        ahead = (count - self._count()) % _WRAP
        if ahead == 0 or (event.startswith("COMPARE") and ahead < 2):
            ahead += _WRAP
        at = self._cycle_of(self._ticks() + ahead)
        self._events[event] = self.core.schedule(at, lambda: self._reached(event, count, bit))

    def _reached(self, event: str, count: int, bit: int) -> None:
        self._events.pop(event, None)
        self.occur(event)
        self._plan(event, self._count() + 1 if event == "TICK" else count, bit)

    # Registers

    def read_COUNTER(self, index: int) -> int:
        return self._count()

    def write_PRESCALER(self, value: int, index: int) -> None:
        if self._running:
            raise ChipStop(f"the write of {self.name}.PRESCALER while the counter runs")
        self.values["PRESCALER"] = value

    def write_CC(self, value: int, index: int) -> None:
        if index >= self._compares:
            raise ChipStop(f"the write of {self.name}.CC[{index}]: the counter has {self._compares}")
        self.values[f"CC[{index}]"] = value
        self._plan(f"COMPARE[{index}]", value, _COMPARE_BIT + index)

    def write_INTEN(self, value: int, index: int) -> None:
        super().write_INTEN(value, index)
        self._plan_all()

    def read_EVTEN(self, index: int) -> int:
        return self._routed

    read_EVTENSET = read_EVTENCLR = read_EVTEN

    def write_EVTEN(self, value: int, index: int) -> None:
        self._routed = value
        self._plan_all()

    def write_EVTENSET(self, value: int, index: int) -> None:
        self.write_EVTEN(self._routed | value, index)

    def write_EVTENCLR(self, value: int, index: int) -> None:
        self.write_EVTEN(self._routed & ~value, index)


class Watchdog(NordicPeripheral):
    """Watchdog: counts 32768 Hz from CRV down; every enabled reload register has to be written."""

    _RELOAD = 0x6E524635

    def __init__(self, table: PeripheralTable, core: Core, clock: Clock) -> None:
        self._clock = clock
        self._event: Event | None = None
        self._waiting = 0
        super().__init__(table, core)

    def reset(self) -> None:
        super().reset()
        self._event = None
        self._waiting = 0

    @property
    def running(self) -> bool:
        """Whether it was started; nothing but a reset stops it."""
        return self._event is not None

    def task_START(self) -> None:
        if self.running:
            return
        if self.values["CRV"] < 0xF:
            raise ChipStop(f"WDT.CRV is {self.values['CRV']}, but 15 at least is expected")
        self._reload()

    def _reload(self) -> None:
        self._waiting = self.values["RREN"]
        if self._event is not None:
            self._event.cancel()
        ticks = self.values["CRV"] + 1
        at = self.core.cycles + ticks * self.core.clock_hz // self._clock.lf_hz
        self._event = self.core.schedule(at, self._bite)

    def _bite(self) -> None:
        """TIMEOUT first; two ticks of 32768 Hz later the reset."""
        self.occur("TIMEOUT")
        at = self.core.cycles + 2 * self.core.clock_hz // self._clock.lf_hz
        self.core.schedule(at, lambda: self.core.ask_reset("watchdog"))

    def write_RR(self, value: int, index: int) -> None:
        if value != self._RELOAD:
            raise ChipStop(
                f"the write of {value:#010x} to WDT.RR[{index}], where {self._RELOAD:#010x} reloads"
            )
        self._waiting &= ~(1 << index)
        if self.running and not self._waiting:
            self._reload()

    def _fixed(self, name: str, value: int) -> None:
        if self.running:
            raise ChipStop(f"the write of WDT.{name} after the watchdog was started, which has no effect")
        self.values[name] = value

    def write_CRV(self, value: int, index: int) -> None:
        self._fixed("CRV", value)

    def write_RREN(self, value: int, index: int) -> None:
        self._fixed("RREN", value)

    def write_CONFIG(self, value: int, index: int) -> None:
        if not value & 1:
            raise ChipStop("WDT.CONFIG pauses the watchdog while the core sleeps, which is not modelled")
        self._fixed("CONFIG", value)

    def read_RUNSTATUS(self, index: int) -> int:
        return int(self.running)

    def read_REQSTATUS(self, index: int) -> int:
        return self._waiting if self.running else self.values["RREN"]
