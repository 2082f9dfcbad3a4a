"""Tables of registers: the nRF52840's line by line against Nordic's SVD, the others for consistency."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mcukd.chips.registers import ChipTable, load_table

TABLES = ("nrf52840", "cc2650", "armv7m")
ACCESS = {"read-only": "r", "write-only": "w", "read-write": "rw", "read-writeonce": "rw"}
#: Newer than the SVD: Product Specification v1.7, section 4.8.
NOT_IN_SVD = {"APPROTECT"}


@pytest.fixture(scope="module")
def svd() -> ElementTree.Element:
    """Nordic's description of the nRF52840, as the package pyocd carries it."""
    spec = find_spec("pyocd")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the package pyocd, which carries Nordic's SVD")
    archive = Path(next(iter(spec.submodule_search_locations))) / "debug" / "svd" / "svd_data.zip"
    with zipfile.ZipFile(archive) as file:
        return ElementTree.parse(io.BytesIO(file.read("nrf52840.svd"))).getroot()


def described(root: ElementTree.Element, name: str) -> dict[str, Any]:
    """Return base, interrupt and registers of a peripheral as the SVD has them, arrays spread out."""
    peripherals = {one.findtext("name"): one for one in root.iter("peripheral")}
    own = source = peripherals[name]
    while source.find("registers") is None:
        source = peripherals[source.get("derivedFrom")]
    registers = source.find("registers")
    assert registers is not None
    interrupt = own.findtext("interrupt/value")
    return {
        "base": number(own.findtext("baseAddress")),
        "irq": None if interrupt is None else number(interrupt),
        "registers": dict(spread(registers, 0, "")),
    }


def number(text: str | None) -> int:
    assert text is not None
    return int(text, 0)


def spread(node: ElementTree.Element, base: int, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for child in node:
        if child.tag not in ("register", "cluster"):
            continue
        name = str(child.findtext("name"))
        at = base + number(child.findtext("addressOffset"))
        count = number(child.findtext("dim") or "1")
        step = number(child.findtext("dimIncrement") or "0")
        plain = name.replace("[%s]", "").replace("%s", "")
        for index in range(count):
            if child.tag == "cluster":
                each = f"{prefix}{plain}{index if child.find('dim') is not None else ''}."
                yield from spread(child, at + index * step, each)
                continue
            full = f"{prefix}{plain}[{index}]" if child.find("dim") is not None else f"{prefix}{plain}"
            yield full, facts(child, at + index * step)


def facts(register: ElementTree.Element, at: int) -> dict[str, Any]:
    fields = {}
    for field in register.iter("field"):
        low, high = number(field.findtext("lsb")), number(field.findtext("msb"))
        fields[field.findtext("name")] = ((1 << (high - low + 1)) - 1) << low
    return {
        "at": at,
        "access": ACCESS[register.findtext("access") or "read-write"],
        "reset": number(register.findtext("resetValue") or "0"),
        "fields": fields,
    }


@pytest.mark.parametrize(
    "name", [name for name in load_table("nrf52840").peripherals if name not in NOT_IN_SVD]
)
def test_every_line_is_as_nordic_describes_it(svd: ElementTree.Element, name: str) -> None:
    table, vendor = load_table("nrf52840").peripherals[name], described(svd, name)
    assert (table.base, table.irq) == (vendor["base"], vendor["irq"])
    assert len(table.registers) > 4
    for register in table.registers:
        ours = {
            "at": register.address - table.base,
            "access": register.access,
            "reset": register.reset,
            "fields": register.fields,
        }
        assert ours == vendor["registers"][register.name], register.full_name
    if name != "FICR":  # of which a part is modelled
        assert {register.name for register in table.registers} == set(vendor["registers"])


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_consistent(name: str) -> None:
    table = load_table(name)
    assert table.sources
    for peripheral in table.peripherals.values():
        assert len({register.name for register in peripheral.registers}) == len(peripheral.registers)
        for register in peripheral.registers:
            assert register.address % 4 == 0 and register.access in ("r", "w", "rw"), register.full_name
            assert register.reset >> 32 == 0
            taken = 0
            for field, mask in register.fields.items():
                assert not taken & mask and mask < 1 << 32, f"{register.full_name}.{field}"
                taken |= mask


def test_no_two_registers_of_one_direction_share_an_address_but_alternatives() -> None:
    """On the nRF52840 whole peripherals share addresses; on the CC2650 I2C0's status and control do."""
    shared = {
        tuple(sorted(one.full_name for one in registers))
        for registers in load_table("cc2650").at.values()
        if len(registers) > 1
    }
    assert shared == {("I2C0.MCTRL", "I2C0.MSTAT")}


def bits_of(table: ChipTable) -> int:
    return sum(len(one.fields) for two in table.peripherals.values() for one in two.registers)


def test_the_tables_have_what_the_chips_need() -> None:
    assert [bits_of(load_table(name)) > least for name, least in (("nrf52840", 1500), ("cc2650", 350))]
