"""Base class of the nRF52840's peripherals: tasks, events, shortcuts and interrupts.

Section 6.1 of the Product Specification v1.7: writing 1 to a task starts it; an event's register holds 1
until it is cleared; INTEN says which events raise the interrupt; SHORTS connects events to tasks.
"""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop

_EVENTS, _EVENTS_END = 0x100, 0x200


class NordicPeripheral(Peripheral):
    """A peripheral with tasks, events and an interrupt.

    A subclass has a method `task_NAME()`, or `task_NAME(index)` for an array, for each task it models;
    `occur("NAME")` lets an event happen. ids: the ENABLE value that chooses it among peripherals at the same
    addresses; empty where it has none.
    """

    ids: tuple[int, ...] = ()

    def __init__(self, table: PeripheralTable, core: Core) -> None:
        self.core = core
        self.enabled_interrupts = 0
        self.enable: list[int] = [0]
        self._bits = {
            register.name: (register.address - table.base - _EVENTS) // 4
            for register in table.registers
            if _EVENTS <= register.address - table.base < _EVENTS_END
        }
        self._raised = 0
        super().__init__(table)
        for register in table.registers:
            if register.name.startswith("TASKS_"):
                self._add_task(register.array)
            elif register.name.startswith("EVENTS_"):
                self._add_event(register.array)

    def _add_task(self, array: str) -> None:
        action = getattr(self, f"task_{array[6:].replace('.', '_')}", None)

        def start(value: int, index: int) -> None:
            if not value:
                return
            if action is None:
                raise ChipStop(f"the task {self.name}.{array} is not modelled")
            action(*([index] if f"{array}[0]" in self.values else []))

        self.__dict__.setdefault(f"write_{array.replace('.', '_')}", start)

    def _add_event(self, array: str) -> None:
        def write(value: int, index: int) -> None:
            name = f"{array}[{index}]" if f"{array}[0]" in self.values else array
            if value:
                self.values[name] = value
                self._raised |= 1 << self._bits[name]
                self.update_line()
            else:
                self.clear(name[7:])

        if not hasattr(type(self), f"write_{array.replace('.', '_')}"):
            self.__dict__[f"write_{array.replace('.', '_')}"] = write

    def reset(self) -> None:
        super().reset()
        self.enabled_interrupts = self._raised = 0
        self.enable[0] = 0
        self.update_line()

    def chosen(self) -> bool:
        """Whether ENABLE chooses it; one that is disabled can be set up as any of its neighbours."""
        return not self.ids or self.enable[0] == 0 or self.enable[0] in self.ids

    def clear(self, event: str) -> None:
        """Clear an event, as the firmware does by writing 0 to its register."""
        name = f"EVENTS_{event}"
        self.values[name] = 0
        self._raised &= ~(1 << self._bits[name])
        self.cleared(event)
        self.update_line()

    def cleared(self, event: str) -> None:
        """Take note that the firmware cleared an event."""

    def occur(self, event: str) -> None:
        """Let an event happen: it sets its register, starts what SHORTS connects, and may interrupt."""
        name = f"EVENTS_{event}"
        self.values[name] = 1
        self._raised |= 1 << self._bits[name]
        self.update_line()
        shorts = self.values.get("SHORTS", 0)
        if shorts:
            self._shortcuts(event, shorts)

    def _shortcuts(self, event: str, shorts: int) -> None:
        for name, mask in self.table.register("SHORTS").fields.items():
            if shorts & mask and name.startswith(f"{event}_"):
                task = name[len(event) + 1 :]
                action = getattr(self, f"task_{task}", None)
                if action is None:
                    raise ChipStop(f"the shortcut {self.name}.SHORTS.{name} is not modelled")
                action()

    def happened(self, event: str) -> bool:
        """Return whether an event's register holds 1."""
        return bool(self.values[f"EVENTS_{event}"])

    def update_line(self) -> None:
        """Drive the interrupt's line: high while an enabled event holds 1."""
        if self.table.irq is None:
            return
        level = bool(self._raised & self.enabled_interrupts)
        if level or self.table.irq in self.core.nvic.driven:
            self.core.signal(self.table.irq, level, self.name)

    def read_INTEN(self, index: int) -> int:
        """Return the enabled interrupts."""
        return self.enabled_interrupts

    read_INTENSET = read_INTENCLR = read_INTEN

    def write_INTEN(self, value: int, index: int) -> None:
        """Enable exactly these interrupts."""
        self.enabled_interrupts = value
        self.update_line()

    def write_INTENSET(self, value: int, index: int) -> None:
        """Enable interrupts."""
        self.write_INTEN(self.enabled_interrupts | value, index)

    def write_INTENCLR(self, value: int, index: int) -> None:
        """Disable interrupts."""
        self.write_INTEN(self.enabled_interrupts & ~value, index)

    def read_ENABLE(self, index: int) -> int:
        """Return which of the peripherals at these addresses is enabled."""
        return self.enable[0]

    def write_ENABLE(self, value: int, index: int) -> None:
        """Choose one of the peripherals at these addresses, or none."""
        if self.ids and value and value not in self.ids:
            raise ChipStop(
                f"the write of {value} to {self.name}.ENABLE chooses no peripheral that is modelled"
            )
        self.enable[0] = value
        self.enabled(value)

    def enabled(self, value: int) -> None:
        """Take note of a new value of ENABLE."""

    def pin(self, register: str) -> int | None:
        """Return the pin that a PSEL register selects; None where it is disconnected."""
        value = self.values[register]
        return None if value >> 31 else value & 0x3F
