"""Worst-case stack of a firmware image: a bound proven from the instructions of its ELF file.

Each function's frame is followed along its instructions, and the bound is the deepest path through the calls,
plus what exceptions push and their handlers need. A caller by pointer needs its targets named in `TARGETS`;
recursion, and instructions that move the stack pointer by an amount that is not known, are refused.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcukd.boards.cores import Core
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError

OBJDUMP = "arm-none-eabi-objdump"
#: The boot ROM's code, whose stack its vendor does not give.
ROM = "the boot ROM"
#: What functions that call by pointer may call, by the caller's name in the sources.
TARGETS: dict[str, tuple[str, ...]] = {
    "checked_pass": ("step_scaled", "mcukd_model_step"),
    "sensor_deliver": ("take",),
    "change": (ROM,),
}
#: What an exception pushes, with the word that may align the stack, and with registers of the floating-point
#: unit (Armv7-M Architecture Reference Manual, DDI 0403E, B1.5.7).
_FRAME, _FLOATING_FRAME = 32 + 4, 104 + 4
_CONDITIONS = "eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_NAME = re.compile(
    rf"(push|pop|vpush|vpop|stmdb|ldmia|str|strd|ldr|ldrd|addw?|subw?|blx|bl|bx|b)({_CONDITIONS})?$"
)
_LINE = re.compile(r"\s+([0-9a-f]+):\t(\S+)(?:\t(.*))?$")
_HEAD = re.compile(r"([0-9a-f]+) <(.+)>:$")
_WRITES_FIRST = ("mov", "add", "sub", "ldr", "bic", "and", "orr")
#: A place is visited again for each larger depth at which it is reached; a loop that pushes never ends.
_MOST_VISITS = 200


@dataclass(frozen=True)
class _Instruction:
    address: int
    name: str
    operands: str


@dataclass
class _Function:
    """A function: its instructions, and what they do to the stack.

    depth: most bytes that it pushes itself. calls: by target's address, the bytes pushed at the call.
    pointers: the bytes at its deepest call by pointer; None where it makes none. abandons: it moves the stack
    pointer to the top again and never returns.
    """

    name: str
    address: int
    instructions: list[_Instruction] = field(default_factory=list)
    depth: int = 0
    calls: dict[int, int] = field(default_factory=dict)
    pointers: int | None = None
    abandons: bool = False

    @property
    def source_name(self) -> str:
        """The name in the sources, without what the compiler adds to parts and copies of a function."""
        return self.name.split(".")[0]


def stack_bound(elf: Path, core: Core) -> dict[str, Any]:
    """Return the bound of an image for a Cortex-M.

    bytes: the bound. path: the functions on the deepest path, the first one called first. exceptions: bytes
    of it for exceptions, as if every one that has a handler came in the middle of all others. beyond: what is
    not in it, None where nothing is. Raises UserError for an image whose stack has no bound.
    """
    vectors, functions = _vectors(elf), _disassembled(elf)
    for function in functions.values():
        _follow(function)
    paths = _Paths(functions)
    frame = _FLOATING_FRAME if core.fpu else _FRAME
    thread, path = paths.deepest(vectors[0])
    exceptions, restarts = 0, []
    for handler in (address for address in vectors[1:] if address):
        if paths.at(handler).abandons:
            restarts.append(handler)
        else:
            exceptions += frame + paths.deepest(handler)[0]
    if restarts:
        exceptions += frame
    found = [(thread + exceptions, path), *(paths.deepest(handler) for handler in sorted(set(restarts)))]
    worst, path = max(found, key=lambda one: one[0])
    beyond = sorted(paths.rom_callers)
    return {
        "bytes": worst,
        "path": path,
        "exceptions": exceptions,
        "beyond": f"what {ROM} needs when {', '.join(beyond)} calls it" if beyond else None,
    }


class _Paths:
    """Deepest paths through calls. rom_callers: functions that call the boot ROM."""

    def __init__(self, functions: dict[int, _Function]) -> None:
        self._functions = functions
        self._by_name: dict[str, list[int]] = {}
        for function in functions.values():
            self._by_name.setdefault(function.source_name, []).append(function.address)
        self._known: dict[int, tuple[int, list[str]]] = {}
        self._open: list[int] = []
        self.rom_callers: set[str] = set()

    def at(self, address: int) -> _Function:
        """Return the function that begins at an address."""
        if address not in self._functions:
            raise UserError(f"something at {address:#x} is called, where no function begins.")
        return self._functions[address]

    def deepest(self, address: int) -> tuple[int, list[str]]:
        """Return the bytes that a call of the function at an address takes at most, and the path."""
        if address in self._open:
            circle = [self.at(one).name for one in [*self._open[self._open.index(address) :], address]]
            raise UserError(
                f"{' calls '.join(circle)}, so its stack has no bound; "
                "a firmware without recursion is expected."
            )
        if address in self._known:
            return self._known[address]
        function = self.at(address)
        self._open.append(address)
        worst, path = function.depth, [function.name]
        for target, depth in self._calls(function):
            below, names = self.deepest(target)
            if depth + below > worst:
                worst, path = depth + below, [function.name, *names]
        self._open.pop()
        self._known[address] = worst, path
        return worst, path

    def _calls(self, function: _Function) -> Iterator[tuple[int, int]]:
        yield from function.calls.items()
        if function.pointers is None:
            return
        names = TARGETS.get(function.source_name, ())
        if ROM in names:
            self.rom_callers.add(function.source_name)
        targets = [address for name in names for address in self._by_name.get(name, ())]
        if not targets and ROM not in names:
            raise UserError(
                f"{function.name} calls a function by pointer; name the functions it may call "
                f"in TARGETS of {Path(__file__).name}, so that the stack has a bound."
            )
        for target in targets:
            yield target, function.pointers


def _vectors(elf: Path) -> list[int]:
    """Return the handlers' addresses, that of reset first."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".vectors")
        if section is None:
            raise UserError("there is no section .vectors, so where the code begins is not known.")
        data = section.data()
    words = [int.from_bytes(data[at : at + 4], "little") for at in range(4, len(data), 4)]
    return [word & ~1 for word in words]


def _disassembled(elf: Path) -> dict[int, _Function]:
    objdump = require_tool(OBJDUMP, "bound the stack")
    argv = [objdump, "-d", "--no-show-raw-insn", str(elf)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    functions: dict[int, _Function] = {}
    function = None
    for line in text.splitlines():
        head, found = _HEAD.match(line), _LINE.match(line)
        if head:
            function = _Function(head[2], int(head[1], 16))
            functions[function.address] = function
        elif found and function and not found[2].startswith("."):
            operands = re.split(r"\s*[;@]", found[3] or "")[0]
            function.instructions.append(_Instruction(int(found[1], 16), found[2], operands))
    return functions


def _follow(function: _Function) -> None:
    """Follow a function's instructions with the bytes that it has pushed before each."""
    places = {one.address: n for n, one in enumerate(function.instructions)}
    depths: dict[int, int] = {}
    visits: Counter[int] = Counter()
    left = [(0, 0)]
    while left or len(depths) < len(places):
        if not left:  # behind a jump through a table, or never reached
            first = next(n for n in range(len(places)) if n not in depths)
            left.append((first, max(depths.values(), default=0)))
        place, depth = left.pop()
        if place >= len(places) or depths.get(place, -1) >= depth:
            continue
        visits[place] += 1
        if visits[place] > _MOST_VISITS:
            raise UserError(f"the stack of {function.name} grows in a loop, so it has no bound.")
        depths[place] = depth
        one = function.instructions[place]
        after = _pushed(function, one, depth)
        function.depth = max(function.depth, after)
        for target, falls_through in _next(function, one, after):
            if target in places:
                left.append((places[target], after))
            elif target is not None:
                _call(function, target, after)
            if falls_through:
                left.append((place + 1, after))


def _pushed(function: _Function, one: _Instruction, depth: int) -> int:
    """Return the bytes on the stack behind an instruction."""
    name, operands = one.name.split(".")[0], one.operands
    known = _NAME.match(name)
    base = known[1] if known else name
    if base in ("push", "pop", "vpush", "vpop"):
        size = (8 if base[0] == "v" else 4) * _registers(operands)
        return depth + size if base.endswith("push") else depth - size if not _returns(one) else depth
    if base in ("stmdb", "ldmia") and operands.startswith("sp!"):
        size = 4 * _registers(operands.split(",", 1)[1])
        return depth + size if base == "stmdb" else depth - size if not _returns(one) else depth
    moved = re.search(r"\[sp, #(-?\d+)\]!|\[sp\], #(-?\d+)", operands)
    if moved:
        return depth - int(moved[1] or moved[2]) if not _returns(one) else depth
    moved = re.match(r"sp, (?:sp, )?#(\d+)$", operands)
    if moved and base in ("add", "addw", "sub", "subw"):
        return depth + int(moved[1]) * (1 if base.startswith("sub") else -1)
    if name == "msr" and operands.lower().startswith(("msp", "psp")):
        function.abandons = True
        return 0
    if operands.startswith("sp,") and name.startswith(_WRITES_FIRST):
        raise UserError(
            f"{function.name} moves its stack pointer by '{one.name} {operands}', so its stack has no "
            "bound; a function without arrays of variable length is expected."
        )
    return depth


def _next(function: _Function, one: _Instruction, depth: int) -> list[tuple[int | None, bool]]:
    """Return where control goes: a place or a function (None: neither), and whether it goes on as well."""
    name, operands = one.name.split(".")[0], one.operands
    if name in ("cbz", "cbnz"):
        return [(int(operands.split(",")[1].split()[0], 16), True)]
    if name in ("tbb", "tbh"):
        return [(None, False)]
    known = _NAME.match(name)
    conditional = bool(known and known[2])
    if _returns(one):
        return [(None, conditional)]
    base = known[1] if known else ""
    if base in ("blx", "bx"):
        function.pointers = max(function.pointers or 0, depth)
        return [(None, base == "blx" or conditional)]
    if base == "bl":
        _call(function, int(operands.split()[0], 16), depth)
    if base == "b":
        return [(int(operands.split()[0], 16), conditional)]
    return [(None, True)]


def _call(function: _Function, target: int, depth: int) -> None:
    function.calls[target] = max(function.calls.get(target, 0), depth)


def _returns(one: _Instruction) -> bool:
    """Return whether an instruction ends its function."""
    name = one.name.split(".")[0]
    if name.startswith(("pop", "ldmia")):
        return bool(re.search(r"\bpc\b", one.operands))
    return (name.startswith("bx") and one.operands == "lr") or (
        name.startswith("ldr") and one.operands.startswith("pc, [sp]")
    )


def _registers(listed: str) -> int:
    """Return how many registers "{r4, r5, lr}" or "{d8-d11}" names."""
    count = 0
    for part in listed.strip(" {}").split(","):
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count
