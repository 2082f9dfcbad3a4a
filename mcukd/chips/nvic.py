"""Interrupt controller of Armv7-M: which exceptions are pending and active, and which the core takes next.

Numbers are exception numbers: interrupt n is exception 16 + n. Priorities are as in the registers, 0 the
highest, with NMI at -2 and HardFault at -1 (Armv7-M Architecture Reference Manual, DDI 0403E, B1.5.4).
"""

from __future__ import annotations

NMI, HARD_FAULT, MEM_FAULT, BUS_FAULT, USAGE_FAULT = 2, 3, 4, 5, 6
SVCALL, PENDSV, SYSTICK, FIRST_INTERRUPT = 11, 14, 15, 16
#: Priority of a core that executes no exception and masks none.
LOWEST = 256
_FIXED = {NMI: -2, HARD_FAULT: -1}


class Nvic:
    """State of the controller. interrupts: how many the chip has. priority_bits: implemented upper bits.

    driven: by interrupt, the sources that drive its line high.
    """

    def __init__(self, interrupts: int, priority_bits: int = 3) -> None:
        self.interrupts = interrupts
        self.priority_mask = (0xFF00 >> priority_bits) & 0xFF
        self.reset()

    def reset(self) -> None:
        """Return to the state after a reset, with every line low."""
        self.priorities = [0] * (FIRST_INTERRUPT + self.interrupts)
        self.enabled = (1 << FIRST_INTERRUPT) - 1
        self.latched = 0
        self.lines = 0
        self.driven: dict[int, set[str]] = {}
        self.active: list[int] = []
        self.priority_group = 0

    @property
    def pending(self) -> int:
        """Mask of pending exceptions: those latched, and those whose line is high and that are not active."""
        high = self.lines
        for number in self.active:
            high &= ~(1 << number)
        return self.latched | high

    def set_line(self, interrupt: int, level: bool, source: str = "") -> None:
        """Drive the line of an interrupt; a high one makes it pending, also again after its handler.

        source: which of those that share the line; it is high while one of them drives it high.
        """
        drivers = self.driven.setdefault(interrupt, set())
        if level:
            drivers.add(source)
        else:
            drivers.discard(source)
            level = bool(drivers)
        bit = 1 << (FIRST_INTERRUPT + interrupt)
        if level:
            if not self.lines & bit:
                self.latched |= bit
            self.lines |= bit
        else:
            self.lines &= ~bit

    def pulse(self, interrupt: int) -> None:
        """Make an interrupt pending once."""
        self.latched |= 1 << (FIRST_INTERRUPT + interrupt)

    def pend(self, number: int) -> None:
        """Make an exception pending."""
        self.latched |= 1 << number

    def unpend(self, mask: int) -> None:
        """Clear pending exceptions; one whose line is high stays pending."""
        self.latched &= ~mask

    def priority(self, number: int) -> int:
        """Return the priority of an exception."""
        return _FIXED.get(number, self.priorities[number])

    def _group(self, priority: int) -> int:
        """Return the part of a priority that decides about preemption."""
        if priority < 0 or priority >= LOWEST:
            return priority
        return priority >> (self.priority_group + 1) << (self.priority_group + 1)

    def execution_priority(self, primask: int, faultmask: int, basepri: int) -> int:
        """Return the priority at which the core executes, masks included (B1.5.4)."""
        levels = [LOWEST, *(self._group(self.priority(number)) for number in self.active)]
        if basepri:
            levels.append(self._group(basepri & self.priority_mask))
        if primask:
            levels.append(0)
        if faultmask:
            levels.append(-1)
        return min(levels)

    def best(self) -> int | None:
        """Return the pending, enabled exception of the highest priority, the lowest number among equals."""
        ready = self.pending & self.enabled
        best: int | None = None
        while ready:
            number = (ready & -ready).bit_length() - 1
            if best is None or self.priority(number) < self.priority(best):
                best = number
            ready &= ready - 1
        return best

    def to_take(self, primask: int, faultmask: int, basepri: int) -> int | None:
        """Return the exception that preempts now, None where none does."""
        best = self.best()
        if best is None:
            return None
        if self._group(self.priority(best)) < self.execution_priority(primask, faultmask, basepri):
            return best
        return None

    def can_take(self, number: int, primask: int, faultmask: int, basepri: int) -> bool:
        """Return whether an exception that the program itself causes can be taken now."""
        level = self._group(self.priority(number))
        return level < self.execution_priority(primask, faultmask, basepri)

    def enter(self, number: int) -> None:
        """Make an exception active and no longer pending."""
        self.latched &= ~(1 << number)
        self.active.append(number)

    def leave(self, number: int) -> None:
        """End an exception; one whose line is still high is pending again."""
        self.active.remove(number)
        if self.lines >> number & 1:
            self.latched |= 1 << number
