"""Estimated cycles: executed instructions times the cycles that Arm's reference manuals give each.

QEMU counts instructions, and one LDM of eight registers counts as one. The tables `cycles_<core>.toml` hold
a row per group of instructions, each with its source; zero wait states. The estimate takes the most the
manual allows, `least` the least, so that the silicon's figure lies between.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mcukd.boards.cores import cores_with
from mcukd.config_files import load_toml
from mcukd.errors import UserError
from mcukd.text import listed

_CONDITIONS = ("eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_LINE = re.compile(r"^\s*([0-9a-f]+):\t((?:[0-9a-f]{4} ?)+)\s*\t(\S+)(?:\t(.*))?$")
_TERMS = re.compile(r"(?:\d+|N|P)(?:\+(?:\d+|N|P))*")
_IF_THEN = re.compile(r"it[te]{0,3}")
_FIELDS = {"mnemonics", "cycles", "least", "taken", "source"}


class Instruction(NamedTuple):
    """One line of a disassembly; size in bytes."""

    address: int
    size: int
    mnemonic: str
    operands: str


class Cycles(NamedTuple):
    """Estimated cycles and the least possible."""

    estimated: int
    least: int


@dataclass(frozen=True)
class Timing:
    """A row of the table. taken: None for instructions that never branch."""

    cycles: str
    least: str
    taken: str | None
    source: str


@dataclass(frozen=True)
class CycleTable:
    """Rows by mnemonic; refill, refill_least: what P stands for."""

    path: Path
    core: str
    refill: int
    refill_least: int
    rows: Mapping[str, Timing]

    def timing(self, mnemonic: str) -> Timing:
        """Return the row of an assembler mnemonic, its width, type, condition and flag suffixes aside.

        Raises UserError where the table has none.
        """
        bare = mnemonic.split(".")[0]
        if _IF_THEN.fullmatch(bare):
            return self.rows["it"]
        plain = bare[:-2] if bare.endswith(_CONDITIONS) else bare
        # In this order, or `movs` would be a conditional `mo` and `teq` a `t` where equal.
        for name in (bare, plain, _without_flags(bare), _without_flags(plain)):
            if name in self.rows:
                return self.rows[name]
        raise UserError(
            f"{self.path}: no cycles for the instruction '{mnemonic}'; add a row with them and their source."
        )

    def cost(self, instruction: Instruction, taken: bool) -> Cycles:
        """Return the cycles of one execution; taken: whether control went elsewhere than on."""
        row = self.timing(instruction.mnemonic)
        if taken and row.taken is None:
            raise UserError(
                f"{self.path}: '{instruction.mnemonic}' at {instruction.address:#x} branched, but its row "
                "has no 'taken' cycles; add them."
            )
        count = registers(instruction.operands)
        if taken and row.taken is not None:
            return Cycles(_value(row.taken, count, self.refill), _value(row.taken, count, self.refill_least))
        return Cycles(_value(row.cycles, count, self.refill), _value(row.least, count, self.refill_least))


def load_table(core: str, path: Path | None = None) -> CycleTable:
    """Read the table of a core, named by its option. Raises UserError for an unknown core and a faulty table.

    path: another table than the core's own.
    """
    cores = cores_with("cycles")
    if core not in cores:
        raise UserError(f"core {core}: no cycle table for it; choose one of {listed(cores)}.")
    path = path or Path(__file__).parent / str(cores[core].cycles)
    content = load_toml(path)
    rows: dict[str, Timing] = {}
    for number, row in enumerate(content.get("instructions", []), 1):
        problem = _row_problem(row, rows)
        if problem:
            raise UserError(f"{path}: row {number} of [[instructions]] {problem}; correct it.")
        timing = Timing(row["cycles"], row.get("least", row["cycles"]), row.get("taken"), row["source"])
        rows.update(dict.fromkeys(row["mnemonics"], timing))
    refill = content.get("refill", {})
    if content.get("core") != core or not {"cycles", "least"} <= set(refill) or "it" not in rows:
        raise UserError(
            f'{path}: expected core = "{core}", [refill] with cycles and least, and a row for it.'
        )
    return CycleTable(path, core, int(refill["cycles"]), int(refill["least"]), rows)


def parse_disassembly(text: str) -> dict[int, Instruction]:
    """Return the instructions that `objdump -d` lists, by address; data in between is skipped."""
    found: dict[int, Instruction] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or match[3].startswith("."):
            continue
        address, size = int(match[1], 16), 2 * len(match[2].split())
        operands = (match[4] or "").split(";")[0].split("@")[0].strip()
        found[address] = Instruction(address, size, match[3], operands)
    return found


def registers(operands: str) -> int:
    """Return the words in a register list such as `{r4-r7, lr}`; doubles count two; 0 without a list."""
    match = re.search(r"\{([^}]*)\}", operands)
    if match is None:
        return 0
    count = 0
    for part in match[1].split(","):
        ends = [end.strip() for end in part.split("-")]
        width = 2 if ends[0].startswith("d") else 1
        span = int(ends[1][1:]) - int(ends[0][1:]) + 1 if len(ends) == 2 else 1
        count += width * span
    return count


def total_cycles(
    table: CycleTable, disassembly: Mapping[int, Instruction], executed: Counter[tuple[int, bool]]
) -> Cycles:
    """Sum the cycles of executed instructions, counted by address and whether they branched."""
    estimated = least = 0
    for (address, taken), times in executed.items():
        instruction = disassembly.get(address)
        if instruction is None:
            raise UserError(
                f"{table.path}: an instruction at {address:#x} was executed, which the disassembly lacks."
            )
        cost = table.cost(instruction, taken)
        estimated += times * cost.estimated
        least += times * cost.least
    return Cycles(estimated, least)


def instruction_mix(
    disassembly: Mapping[int, Instruction], executed: Counter[tuple[int, bool]]
) -> Counter[str]:
    """Return how often each mnemonic was executed."""
    mix: Counter[str] = Counter()
    for (address, _), times in executed.items():
        mix[disassembly[address].mnemonic.split(".")[0]] += times
    return mix


def _without_flags(mnemonic: str) -> str:
    return mnemonic[:-1] if mnemonic.endswith("s") else mnemonic


def _value(formula: str, registers: int, refill: int) -> int:
    names = {"N": registers, "P": refill}
    return sum(names[term] if term in names else int(term) for term in formula.split("+"))


def _row_problem(row: Mapping[str, Any], rows: Mapping[str, Timing]) -> str | None:
    missing = {"mnemonics", "cycles", "source"} - set(row)
    if missing:
        return f"has no '{sorted(missing)[0]}'"
    if set(row) - _FIELDS:
        return f"has an unknown field '{sorted(set(row) - _FIELDS)[0]}'"
    for field in ("cycles", "least", "taken"):
        if field in row and not _TERMS.fullmatch(str(row[field])):
            return f'has {field} = {row[field]!r}, expected a sum of numbers, N and P such as "1+N"'
    twice = [name for name in row["mnemonics"] if name in rows]
    return f"repeats '{twice[0]}'" if twice else None
