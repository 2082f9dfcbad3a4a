"""Registers and constants that a port's C names, compared with the tables of its chip."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mcukd.boards.model import load_board
from mcukd.chips.registers import ChipTable, Register, load_table
from mcukd.codegen.radio import radio_setup
from mcukd.codegen.templates import render_folders
from mcukd.config_files import load_toml
from mcukd.payload.layout import layout_of
from mcukd.payload.schemas import load_schema

BOARDS = {"eartag": "nrf52840", "collar": "cc2650"}
_DEFINE = re.compile(r"^#define[ \t]+(\w+)(\([^)]*\))?[ \t]+(.+?)[ \t]*(?:/\*.*)?$", re.M)
_REGISTER = re.compile(r"^REGISTER\((.*)\)$")
#: Arguments that a macro of registers is tried with, by the name of its parameter.
_ARGUMENTS = {
    "port": range(2),
    "pin": range(16),
    "dio": range(31),
    "n": range(2),
    "channel": range(4),
    "block": range(9),
}
#: Peripherals that the C names without number or otherwise than the vendor.
_OTHERWISE = {"GPIO": ("P0", "P1"), "SYSTICK": ("SYSTICK",)}


def sources(board: str) -> dict[str, str]:
    """Return the C of a board's port, by file name: with the sensor's bus, log, sleep and radio."""
    made = load_board(board)
    assert made.sensor is not None and made.sensor.driver is not None
    context = {
        "board": made,
        "sensor": made.sensor_for(made.sensor.driver.rate_hz, 3),
        "sampling": True,
        "radio": radio_setup(made, layout_of(load_schema("period"), 5)),
    }
    texts: dict[str, str] = render_folders(
        ["port/common", f"port/{made.port}", f"port/{made.port}/tag", f"port/{made.port}/radio"], context
    )
    return texts


def tables(board: str) -> tuple[ChipTable, ChipTable]:
    """Return the tables of a board's chip and of its core."""
    return load_table(BOARDS[board]), load_table("armv7m")


@cache
def constants() -> dict[str, Any]:
    """Return what is known of the ports' constants: `port_constants.toml`."""
    data: dict[str, Any] = load_toml(Path(__file__).parent.parent / "chips" / "port_constants.toml")
    return data


def problems(board: str, texts: Mapping[str, str]) -> list[str]:
    """Return what a port's C says otherwise than the tables, a sentence each."""
    found = []
    for file, text in texts.items():
        numbers: dict[str, int] = {}
        for name, parameters, body in _DEFINE.findall(text):
            register = _REGISTER.match(body)
            if register and name != "REGISTER":
                found += list(_register_problems(board, name, parameters, register[1]))
            elif not parameters and _value(body, numbers) is not None:
                numbers[name] = _value(body, numbers)
        found += list(_constant_problems(board, Path(file).stem, numbers))
    return found


def _value(body: str, names: Mapping[str, int]) -> Any:
    """Return the value of an expression of C, None where it is none of integers."""
    text = re.sub(r"\b(0x[0-9A-Fa-f]+|\d+)[uUlL]+\b", r"\1", body)
    try:
        return eval(text, {"__builtins__": {}}, dict(names))
    except Exception:
        return None


def _register_problems(board: str, name: str, parameters: str, address: str) -> Iterator[str]:
    wanted = [one.strip() for one in parameters.strip("()").split(",") if one.strip()]
    for values in itertools.product(*(_ARGUMENTS[one] for one in wanted)):
        at = _value(address, dict(zip(wanted, values)))
        registers = [one for table in tables(board) for one in table.at.get(at, ())]
        if not any(name in _names(one) for one in registers):
            there = " and ".join(one.full_name for one in registers) or "no register that is modelled"
            yield f"{name}{tuple(values) if values else ''} is {at:#010x}, where {there} is"


def _names(register: Register) -> set[str]:
    """Return the names that a port may give a register."""
    peripheral = register.peripheral
    owners = {peripheral, peripheral.rstrip("0123456789")}
    owners |= {own for own, theirs in _OTHERWISE.items() if peripheral in theirs}
    plain = re.sub(r"^(TASKS|EVENTS)_", "", register.array)
    cluster = re.sub(r"\d+\.", "_", plain)  # "RAM3.POWERCLR", of a macro with the number as its argument
    names = {plain.replace(".", ""), plain.replace(".", "_"), cluster, re.sub(r"31_0$", "", plain)}
    if register.array.startswith("EVENTS_"):
        names.add(f"EVENT_{plain}")
    if register.index or register.name.endswith("[0]"):
        names |= {f"{name}{register.index}" for name in names}
    both = {f"{owner}_{name}" for owner in owners for name in names}
    return both | (names if peripheral in ("SCB", "APPROTECT") else set())


def _constant_problems(board: str, file: str, numbers: Mapping[str, int]) -> Iterator[str]:
    known = constants()
    fields = {**known["armv7m"], **known[BOARDS[board]]}
    for name, value in numbers.items():
        if name in known["no_register"] or name.endswith("_H"):
            continue
        if name not in fields:
            yield f"{name} is in no table of tests/chips/port_constants.toml"
            continue
        register, *settings = fields[name] if isinstance(fields[name], list) else fields[name][file]
        wanted = settings[0]
        expected = _fields_value(board, register, wanted)
        if expected is None:
            yield f"{name} is said to be of {register}, which has not all of {', '.join(wanted)}"
        elif value != expected:
            yield f"{name} is {value:#x}, but {register} needs {expected:#x}"


def _fields_value(board: str, register: str, wanted: Mapping[str, int]) -> Any:
    peripheral, _, name = register.partition(".")
    if peripheral == "IRQ":
        table = next(one for one in tables(board) if name in one.peripherals)
        return 1 << (table.peripherals[name].irq or 0) % 32
    for table in tables(board):
        if peripheral not in table.peripherals:
            continue
        fields = next(one for one in table.peripherals[peripheral].registers if one.array == name).fields
        if not set(wanted) <= set(fields):
            return None
        masks = [(fields[field], setting) for field, setting in wanted.items()]
        return sum((mask & -mask) * setting for mask, setting in masks)
    return None
