"""Address space of a modelled chip: registers of peripherals, and the rules whose breach stops the model.

A read or write has to meet a described register, of a powered peripheral, as a whole word unless the
peripheral allows parts, in a direction that the register has; a write may set only bits that exist.
"""

from __future__ import annotations

from collections.abc import Callable

from mcukd.chips.registers import PeripheralTable, Register
from mcukd.chips.stop import ChipStop

Reader = Callable[[int], int]
Writer = Callable[[int, int], None]


class Peripheral:
    """A peripheral: registers that keep what is written, and methods for those that do more.

    A method `read_NAME(index)` returns a register's value, `write_NAME(value, index)` takes one; NAME is the
    register's or its array's with "_" for ".", index the element of the array. `values` holds all others,
    by the register's name.
    """

    #: Whether parts of a word may be accessed.
    parts_allowed = False

    def __init__(self, table: PeripheralTable) -> None:
        self.table = table
        self.name = table.name
        self.values: dict[str, int] = {}
        self.load_reset_values()

    def load_reset_values(self) -> None:
        """Set every register to its value after reset."""
        self.values = {register.name: register.reset for register in self.table.registers}

    def reset(self) -> None:
        """Return to the state after a reset of the chip."""
        self.load_reset_values()

    def refusal(self) -> str | None:
        """Return why no register can be reached now ("it has no power"); None where they can."""
        return None

    def chosen(self) -> bool:
        """Whether it is this peripheral that answers, where others lie at the same addresses."""
        return True


class _Entry:
    """A register with its peripheral and methods."""

    __slots__ = ("peripheral", "reader", "register", "unwritable", "writer")

    def __init__(self, peripheral: Peripheral, register: Register) -> None:
        name = register.array.replace(".", "_")
        self.peripheral = peripheral
        self.register = register
        self.unwritable = ~register.writable & 0xFFFFFFFF
        self.reader: Reader | None = getattr(peripheral, f"read_{name}", None)
        self.writer: Writer | None = getattr(peripheral, f"write_{name}", None)

    def open(self) -> bool:
        """Return whether the peripheral answers now."""
        return self.peripheral.refusal() is None and self.peripheral.chosen()

    def take(self, value: int) -> None:
        """Take a value that the core writes."""
        if self.writer is not None:
            self.writer(value, self.register.index)
        else:
            self.peripheral.values[self.register.name] = value


class AddressSpace:
    """The registers of all peripherals of a chip, by address."""

    def __init__(self, chip: str) -> None:
        self.chip = chip
        self.peripherals: list[Peripheral] = []
        self._reads: dict[int, list[_Entry]] = {}
        self._writes: dict[int, list[_Entry]] = {}

    def attach(self, peripheral: Peripheral) -> None:
        """Put a peripheral's registers at their addresses."""
        self.peripherals.append(peripheral)
        for register in peripheral.table.registers:
            entry = _Entry(peripheral, register)
            if "r" in register.access:
                self._reads.setdefault(register.address, []).append(entry)
            if "w" in register.access:
                self._writes.setdefault(register.address, []).append(entry)

    def reset(self) -> None:
        """Reset every peripheral."""
        for peripheral in self.peripherals:
            peripheral.reset()

    def read(self, address: int, size: int) -> int:
        """Return what the core reads; ChipStop where the chip or the model does not allow it."""
        for entry in self._reads.get(address, ()) if size == 4 else ():
            if entry.open():
                break
        else:
            entry = self._entry(self._reads, address, size, "read")
        value = (
            entry.reader(entry.register.index)
            if entry.reader is not None
            else entry.peripheral.values[entry.register.name]
        )
        if size != 4:
            return value >> 8 * (address & 3) & ((1 << 8 * size) - 1)
        return value & 0xFFFFFFFF

    def write(self, address: int, size: int, value: int) -> None:
        """Take what the core writes; ChipStop where the chip or the model does not allow it."""
        entry = self._entry(self._writes, address, size, "write")
        if size != 4:
            shift = 8 * (address & 3)
            mask = ((1 << 8 * size) - 1) << shift
            old = self.read(address & ~3, 4)
            value = (old & ~mask) | (value << shift & mask)
        entries = self._writes[address & ~3]
        if len(entries) > 1:
            # Set up while disabled, a register belongs to all peripherals that have one there.
            able = [one for one in entries if one.peripheral.chosen() and not value & one.unwritable]
            for one in able[1:]:
                one.take(value)
            entry = able[0] if able else entry
        register = entry.register
        if value & entry.unwritable:
            bits = [str(bit) for bit in range(32) if value & entry.unwritable & 1 << bit]
            word = "bit" if len(bits) == 1 else "bits"
            raise ChipStop(
                f"the write of {value:#010x} to {register.full_name} ({register.address:#010x}) sets {word} "
                f"{', '.join(bits)}, which the {self.chip} has not"
            )
        entry.take(value)

    def _entry(self, entries: dict[int, list[_Entry]], address: int, size: int, what: str) -> _Entry:
        found = entries.get(address & ~3)
        if found is None:
            raise ChipStop(self._unknown(address, what))
        entry = found[0]
        if len(found) > 1:
            chosen = [one for one in found if one.peripheral.chosen()]
            if not chosen:
                names = " and ".join(sorted({one.peripheral.name for one in found}))
                raise ChipStop(f"the {what} at {address:#010x} is of {names}, but neither is chosen")
            entry = chosen[0]
        peripheral = entry.peripheral
        if size != 4 and not peripheral.parts_allowed:
            raise ChipStop(
                f"the {what} of {size} byte{'s' if size > 1 else ''} at {entry.register.full_name} "
                f"({address:#010x}) is no whole word, as the registers of {peripheral.name} need"
            )
        if not peripheral.chosen():
            raise ChipStop(f"the {what} of {entry.register.full_name}, but {peripheral.name} is not enabled")
        refusal = peripheral.refusal()
        if refusal:
            raise ChipStop(f"the {what} of {entry.register.full_name} ({address:#010x}), but {refusal}")
        return entry

    def _unknown(self, address: int, what: str) -> str:
        other = self._writes if what == "read" else self._reads
        names = [entry.register.full_name for entry in other.get(address & ~3, ())]
        if names:
            return f"the {what} of {names[0]} ({address:#010x}), which can only be {_other(what)}"
        for peripheral in self.peripherals:
            if peripheral.table.base <= address < peripheral.table.end:
                return (
                    f"the {what} at {address:#010x} lies in {peripheral.name} of the {self.chip}, but at no "
                    "register of it that is modelled"
                )
        return f"the {what} at {address:#010x} meets no peripheral of the {self.chip} that is modelled"


def _other(what: str) -> str:
    return "written" if what == "read" else "read"
