"""Registers of the core itself: NVIC, system control block, SysTick, DWT counter, floating-point control.

References are to the Armv7-M Architecture Reference Manual, DDI 0403E, B3 and C1.8.
"""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.nvic import FIRST_INTERRUPT, NMI, PENDSV, SYSTICK
from mcukd.chips.registers import PeripheralTable, load_table
from mcukd.chips.space import AddressSpace, Peripheral
from mcukd.chips.stop import ChipStop

_CPUID = {"cortex-m3": 0x412FC231, "cortex-m4f": 0x410FC241}
_KEY = 0x05FA
_RESET = 1 << 2
#: SHPR's four bytes of each register belong to exceptions from these numbers on.
_SYSTEM_PRIORITIES = 4


class NvicRegisters(Peripheral):
    """Enable, pending, active bits and priorities of interrupts (B3.4)."""

    parts_allowed = True

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self._nvic = core.nvic
        super().__init__(table)

    def _word(self, mask: int, index: int) -> int:
        return mask >> (FIRST_INTERRUPT + 32 * index) & 0xFFFFFFFF

    def _bits(self, value: int, index: int, setting: bool) -> int:
        """Return a word's bits as a mask of exceptions; one that the chip has not stops the model."""
        beyond = value >> max(0, self._nvic.interrupts - 32 * index)
        if setting and beyond:
            number = 32 * index + value.bit_length() - 1
            raise ChipStop(
                f"interrupt {number} is enabled or made pending, but the chip has {self._nvic.interrupts}"
            )
        return value << (FIRST_INTERRUPT + 32 * index)

    def read_ISER(self, index: int) -> int:
        return self._word(self._nvic.enabled, index)

    def read_ICER(self, index: int) -> int:
        return self._word(self._nvic.enabled, index)

    def write_ISER(self, value: int, index: int) -> None:
        self._nvic.enabled |= self._bits(value, index, True)
        self._core.look()

    def write_ICER(self, value: int, index: int) -> None:
        self._nvic.enabled &= ~self._bits(value, index, False)

    def read_ISPR(self, index: int) -> int:
        return self._word(self._nvic.pending, index)

    def read_ICPR(self, index: int) -> int:
        return self._word(self._nvic.pending, index)

    def write_ISPR(self, value: int, index: int) -> None:
        self._nvic.latched |= self._bits(value, index, True)
        self._core.look()

    def write_ICPR(self, value: int, index: int) -> None:
        self._nvic.unpend(self._bits(value, index, False))

    def read_IABR(self, index: int) -> int:
        return self._word(sum(1 << number for number in self._nvic.active), index)

    def read_IPR(self, index: int) -> int:
        first = FIRST_INTERRUPT + 4 * index
        found = self._nvic.priorities[first : first + 4]
        return sum(level << 8 * n for n, level in enumerate(found))

    def write_IPR(self, value: int, index: int) -> None:
        for n in range(4):
            number = FIRST_INTERRUPT + 4 * index + n
            if number < len(self._nvic.priorities):
                self._nvic.priorities[number] = value >> 8 * n & self._nvic.priority_mask
        self._core.look()


class SystemControl(Peripheral):
    """System control block (B3.2) and the debug registers that firmware reads or sets (C1.6)."""

    parts_allowed = True

    def __init__(self, table: PeripheralTable, core: Core, model: str) -> None:
        self._core = core
        self._cpuid = _CPUID[model]
        super().__init__(table)

    def read_CPUID(self, index: int) -> int:
        return self._cpuid

    def read_ICSR(self, index: int) -> int:
        nvic = self._core.nvic
        best = nvic.best() or 0
        waiting = nvic.pending >> FIRST_INTERRUPT != 0
        value = (nvic.active[-1] if nvic.active else 0) | best << 12 | waiting << 22
        value |= (len(nvic.active) <= 1) << 11
        for bit, number in ((31, NMI), (28, PENDSV), (26, SYSTICK)):
            value |= (nvic.pending >> number & 1) << bit
        return value

    def write_ICSR(self, value: int, index: int) -> None:
        nvic = self._core.nvic
        for bit, number in ((31, NMI), (28, PENDSV), (26, SYSTICK)):
            if value >> bit & 1:
                nvic.pend(number)
        for bit, number in ((27, PENDSV), (25, SYSTICK)):
            if value >> bit & 1:
                nvic.unpend(1 << number)
        self._core.look()

    def read_VTOR(self, index: int) -> int:
        return self._core.vector_table

    def write_VTOR(self, value: int, index: int) -> None:
        self._core.vector_table = value

    def read_AIRCR(self, index: int) -> int:
        return 0xFA050000 | self._core.nvic.priority_group << 8

    def write_AIRCR(self, value: int, index: int) -> None:
        if value >> 16 != _KEY:
            raise ChipStop(f"the write of {value:#010x} to SCB.AIRCR lacks the key {_KEY:#06x}")
        self._core.nvic.priority_group = value >> 8 & 7
        if value & _RESET:
            self._core.ask_reset("software")

    def read_SCR(self, index: int) -> int:
        return self._core.system.scr

    def write_SCR(self, value: int, index: int) -> None:
        self._core.system.scr = value

    def read_CCR(self, index: int) -> int:
        return self._core.system.ccr

    def write_CCR(self, value: int, index: int) -> None:
        unmodelled = value & ~0x302
        if unmodelled:
            raise ChipStop(f"the write of {value:#010x} to SCB.CCR asks for traps that are not modelled")
        self._core.system.ccr = value

    def read_SHPR(self, index: int) -> int:
        first = _SYSTEM_PRIORITIES * (index + 1)
        found = self._core.nvic.priorities[first : first + 4]
        return sum(level << 8 * n for n, level in enumerate(found))

    def write_SHPR(self, value: int, index: int) -> None:
        nvic = self._core.nvic
        for n in range(4):
            nvic.priorities[_SYSTEM_PRIORITIES * (index + 1) + n] = value >> 8 * n & nvic.priority_mask

    def read_SHCSR(self, index: int) -> int:
        active = self._core.nvic.active
        places = ((4, 0), (5, 1), (6, 3), (11, 7), (14, 10), (15, 11))
        return self._core.system.handlers | sum(1 << bit for number, bit in places if number in active)

    def write_SHCSR(self, value: int, index: int) -> None:
        self._core.system.handlers = value & 0x70000

    def read_CFSR(self, index: int) -> int:
        return self._core.system.cfsr

    def write_CFSR(self, value: int, index: int) -> None:
        self._core.system.cfsr &= ~value

    def read_HFSR(self, index: int) -> int:
        return self._core.system.hfsr

    def write_HFSR(self, value: int, index: int) -> None:
        self._core.system.hfsr &= ~value

    def read_BFAR(self, index: int) -> int:
        return self._core.system.bfar

    def read_CPACR(self, index: int) -> int:
        return self._core.system.cpacr

    def write_CPACR(self, value: int, index: int) -> None:
        if value and not self._core.has_fpu:
            raise ChipStop("the write to SCB.CPACR enables a floating-point unit, which a Cortex-M3 has not")
        self._core.system.cpacr = value

    def write_DHCSR(self, value: int, index: int) -> None:
        raise ChipStop("the write to SCB.DHCSR is a debugger's, and none is modelled")


class SysTick(Peripheral):
    """The core's own timer (B3.3): counts the core's clock down from RVR, also while the core sleeps."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        self._event: Event | None = None
        self._zero_at = 0
        super().__init__(table)

    def reset(self) -> None:
        super().reset()
        self._event = None

    def read_CSR(self, index: int) -> int:
        value = self.values["CSR"]
        self.values["CSR"] = value & ~(1 << 16)
        return value

    def write_CSR(self, value: int, index: int) -> None:
        if value & 1 and not value & 4:
            raise ChipStop("SYSTICK.CSR chooses a reference clock, which is not modelled; set CLKSOURCE")
        self.values["CSR"] = (value & 7) | (self.values["CSR"] & 1 << 16)
        if not value & 1:
            self._stop()
        elif self._event is None:
            self._start(self.values["RVR"] + 1)

    def read_CVR(self, index: int) -> int:
        if self._event is None:
            return 0
        if not self._core.exactly_here():
            return 0
        return max(0, self._zero_at - self._core.cycles_here()) & 0xFFFFFF

    def write_CVR(self, value: int, index: int) -> None:
        self.values["CSR"] &= ~(1 << 16)
        if self._event is not None:
            self._stop()
            self._start(self.values["RVR"] + 1)

    def _start(self, ticks: int) -> None:
        self._zero_at = self._core.cycles + ticks
        self._event = self._core.schedule(self._zero_at, self._zero)

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None

    def _zero(self) -> None:
        self.values["CSR"] |= 1 << 16
        self._event = None
        if self.values["CSR"] & 2:
            self._core.nvic.pend(SYSTICK)
            self._core.look()
        if self.values["RVR"]:
            self._start(self.values["RVR"] + 1)


class CycleCounter(Peripheral):
    """DWT's cycle counter: counts instructions here, stands still asleep and while trace is off in DEMCR."""

    def __init__(self, table: PeripheralTable, core: Core, control: SystemControl) -> None:
        self._core = core
        self._control = control
        self._from = 0
        self._kept = 0
        super().__init__(table)

    @property
    def _counts(self) -> bool:
        return bool(self.values["CTRL"] & 1 and self._control.values["DEMCR"] & 1 << 24)

    def _now(self) -> int:
        return self._core.cycles_here() - self._core.slept - self._core.waited

    def read_CYCCNT(self, index: int) -> int:
        if not self._counts:
            return self._kept
        if not self._core.exactly_here():
            return 0
        return (self._now() - self._from) & 0xFFFFFFFF

    def write_CYCCNT(self, value: int, index: int) -> None:
        if not self._core.exactly_here():
            return
        self._kept = value
        self._from = self._now() - value

    def write_CTRL(self, value: int, index: int) -> None:
        if value & ~self.values["CTRL"] & 1:
            if not self._core.exactly_here():
                return
            self._from = self._now() - self._kept
        self.values["CTRL"] = value


class FloatingPoint(Peripheral):
    """Floating-point context control (B3.2.21); the state is pushed at once, whatever LSPEN says."""

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self._core = core
        super().__init__(table)

    def write_FPCCR(self, value: int, index: int) -> None:
        self.values["FPCCR"] = value
        self._core.system.lazy = value


def attach_core_registers(space: AddressSpace, core: Core, model: str) -> None:
    """Put the core's own registers into a chip's address space."""
    table = load_table("armv7m").peripherals
    control = SystemControl(table["SCB"], core, model)
    space.attach(NvicRegisters(table["NVIC"], core))
    space.attach(control)
    space.attach(SysTick(table["SYSTICK"], core))
    space.attach(CycleCounter(table["DWT"], core, control))
    if core.has_fpu:
        space.attach(FloatingPoint(table["FPU"], core))
    core.add_registers(0xE0000000, 0x100000)
