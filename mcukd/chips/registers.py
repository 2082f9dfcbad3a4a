"""Registers of a chip as data: tables in `tables/*.toml`, read into addresses, fields and reset values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mcukd.config_files import load_toml

_TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Register:
    """One register, or one element of an array of them.

    name: as the vendor has it, with the element's number behind an array's ("PIN_CNF[6]"). array, index: the
    array's name and the number; the name itself and 0 for a single one. fields: mask of each field.
    writable: bits that may be set, those that reset leaves set included.
    """

    peripheral: str
    name: str
    address: int
    access: str
    reset: int
    fields: dict[str, int]
    array: str
    index: int

    @property
    def writable(self) -> int:
        """Bits that a write may set; a register without described fields has all."""
        return (sum(self.fields.values()) | self.reset) if self.fields else 0xFFFFFFFF

    @property
    def full_name(self) -> str:
        """The name with its peripheral's before it, as messages show it."""
        return f"{self.peripheral}.{self.name}"


@dataclass(frozen=True)
class PeripheralTable:
    """A peripheral: base address, number of its interrupt (None: it has none) and registers in order."""

    name: str
    base: int
    irq: int | None
    registers: tuple[Register, ...]

    @property
    def end(self) -> int:
        """The address behind the last register."""
        return max(register.address for register in self.registers) + 4

    def register(self, name: str) -> Register:
        """Return a register by its name ("PIN_CNF[6]" for an element of an array)."""
        return next(one for one in self.registers if one.name == name)


@dataclass(frozen=True)
class ChipTable:
    """The table of a chip: its name, where the facts are from, and its peripherals by name."""

    chip: str
    sources: tuple[str, ...]
    peripherals: dict[str, PeripheralTable]
    at: dict[int, list[Register]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for peripheral in self.peripherals.values():
            for register in peripheral.registers:
                self.at.setdefault(register.address, []).append(register)


@cache
def load_table(name: str) -> ChipTable:
    """Return the table `name` ("nrf52840", "cc2650", "armv7m"), read once; it may not be changed."""
    data = load_toml(_TABLES / f"{name}.toml")
    entries: dict[str, Any] = data["peripherals"]
    peripherals = {
        key: PeripheralTable(key, entry["base"], entry.get("irq"), tuple(_registers(key, entry, entries)))
        for key, entry in entries.items()
    }
    return ChipTable(data["chip"], tuple(data["sources"]), peripherals)


def _registers(peripheral: str, entry: dict[str, Any], entries: dict[str, Any]) -> list[Register]:
    described = entries[entry["registers_of"]] if "registers_of" in entry else entry
    found = []
    for name, facts in described["registers"].items():
        fields = {key: _mask(bits) for key, bits in facts.get("bits", {}).items()}
        for index in range(facts.get("count", 1)):
            element = f"{name}[{index}]" if "count" in facts else name
            address = entry["base"] + facts["at"] + index * facts.get("step", 0)
            reset = facts.get("reset", 0)
            found.append(Register(peripheral, element, address, facts["access"], reset, fields, name, index))
    return found


def _mask(bits: str) -> int:
    """Return the mask of "5" or "5:3"."""
    last, _, first = bits.partition(":")
    low = int(first or last)
    return ((1 << (int(last) - low + 1)) - 1) << low
