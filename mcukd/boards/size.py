"""Flash and RAM of each part of a firmware, from the symbols of its ELF file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mcukd.boards.model import Board
from mcukd.boards.stack import stack_bound
from mcukd.errors import UserError

#: Groups in the order they are shown.
GROUPS = (
    "model code",
    "model weights",
    "model tables",
    "model trace",
    "known answers",
    "application",
    "tag",
    "radio",
    "port",
    "libc and libgcc",
    "strings and padding",
    "state and buffers",
    "stack",
)
_TABLE = "mcukd_model_gate"


def symbols_of_objects(folder: Path) -> dict[str, str]:
    """Return symbol → stem of the object file in `folder` that defines it.

    A linked file keeps the source of its local symbols only; whatever no object defines is the library's.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.o")):
        with file.open("rb") as stream:
            try:
                table = ELFFile(stream).get_section_by_name(".symtab")
            except ELFError:  # Mach-O, on a Mac's own compiler
                continue
            for symbol in table.iter_symbols():
                if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_size"] and symbol.name:
                    found[symbol.name] = file.stem
    return found


def size_report(elf: Path, board: Board, origins: dict[str, str]) -> dict[str, Any]:
    """Return the content of `size.json`.

    flash_bytes, ram_bytes: what the firmware takes of the board's flash_limit and ram_limit (ram_bytes with
    the stack reservation, stack_bytes); all None on the host, whose sizes say nothing about a tag.
    flash, ram: bytes per group. stack_bound: what `stack_bound` returns, with the `problem` that leaves its
    bytes None in a sentence.
    """
    report: dict[str, Any] = {"board": board.name, "emulated": board.emulated}
    if board.memory is None or board.stack_bytes is None:
        empty = ("flash_bytes", "flash_limit", "ram_bytes", "ram_limit", "stack_bytes")
        return {**report, **dict.fromkeys(empty), "flash": {}, "ram": {}, "stack_bound": None}
    flash, ram = _by_group(elf, origins)
    flash_bytes, ram_bytes = sum(flash.values()), sum(ram.values())
    flash_limit, ram_limit = board.program_bytes, board.memory.ram.usable
    return {
        **report,
        "flash_bytes": flash_bytes,
        "flash_limit": flash_limit,
        "flash_percent": round(100 * flash_bytes / flash_limit, 1),
        "ram_bytes": ram_bytes,
        "ram_limit": ram_limit,
        "ram_percent": round(100 * ram_bytes / ram_limit, 1),
        "stack_bytes": board.stack_bytes,
        "flash": {group: flash[group] for group in GROUPS if flash[group]},
        "ram": {group: ram[group] for group in GROUPS if ram[group]},
        "stack_bound": _stack_bound(elf, board),
    }


def _stack_bound(elf: Path, board: Board) -> dict[str, Any]:
    try:
        return {**stack_bound(elf, board.processor), "problem": None}
    except UserError as error:
        return {"bytes": None, "path": [], "exceptions": None, "beyond": None, "problem": str(error)}


def check_fits(size: dict[str, Any], board: Board) -> None:
    """Raise UserError where a firmware is larger than its board."""
    for memory in ("flash", "ram"):
        needed, limit = size[f"{memory}_bytes"], size[f"{memory}_limit"]
        if needed is not None and needed > limit:
            largest = max(size[memory], key=lambda group: int(size[memory][group]))
            raise UserError(
                f"the firmware needs {needed} bytes of {memory}, {board.name} has {limit}: "
                f"the largest part is {largest} ({size[memory][largest]} bytes)."
            )
    bound = (size["stack_bound"] or {}).get("bytes")
    if bound is not None and bound > size["stack_bytes"]:
        raise UserError(
            f"the firmware needs up to {bound} bytes of stack, by way of "
            f"{', '.join(size['stack_bound']['path'])}, but {board.name} reserves "
            f"{size['stack_bytes']}: raise stack_bytes in the board file."
        )


def size_rows(size: dict[str, Any]) -> list[list[str]]:
    """Return the report as rows of group, flash and RAM for a table; the totals come last."""
    rows = [
        [group, str(size["flash"].get(group, "")), str(size["ram"].get(group, ""))]
        for group in GROUPS
        if group in size["flash"] or group in size["ram"]
    ]
    if size["flash_bytes"] is not None:
        rows.append(["total", str(size["flash_bytes"]), str(size["ram_bytes"])])
        rows.append(["of", str(size["flash_limit"]), str(size["ram_limit"])])
        rows.append(["per cent", f"{size['flash_percent']:.1f}", f"{size['ram_percent']:.1f}"])
    return rows


def stack_sentence(size: dict[str, Any]) -> str | None:
    """Say how much of the stack a firmware can need at most; None on the host and in older reports."""
    bound = size.get("stack_bound")
    if bound is None:
        return None
    if bound["problem"]:
        return f"Stack: no bound is proven, because {bound['problem']}"
    beyond = f", without {bound['beyond']}" if bound["beyond"] else ""
    return (
        f"Stack: at most {bound['bytes']} of {size['stack_bytes']} bytes by the call graph, exceptions "
        f"included{beyond}; deepest in {bound['path'][-1]}."
    )


def _by_group(elf: Path, origins: dict[str, str]) -> tuple[Counter[str], Counter[str]]:
    """Sum symbol sizes by group; what no symbol covers (string literals, alignment) is a group too."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    flash: Counter[str] = Counter()
    ram: Counter[str] = Counter()
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        sections = {
            number: (section.name, int(section["sh_size"]), section["sh_type"] != "SHT_NOBITS")
            for number, section in enumerate(file.iter_sections())
            # The configuration words have their own place, which the limit leaves out.
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section.name != ".ccfg"
        }
        covered: Counter[int] = Counter()
        seen: set[tuple[int, int]] = set()
        for symbol in file.get_section_by_name(".symtab").iter_symbols():
            place, size = symbol["st_shndx"], int(symbol["st_size"])
            # Library functions have aliases at one address; each byte counts once.
            key = (symbol["st_value"] & ~1, size)
            if place not in sections or not size or key in seen:
                continue
            seen.add(key)
            covered[place] += size
            name, _, stored = sections[place]
            if stored:
                flash[_flash_group(symbol.name, symbol["st_info"]["type"], origins)] += size
            if name in (".data", ".bss"):
                ram[_ram_group(symbol.name, origins)] += size
        for number, (name, size, stored) in sections.items():
            rest = size - covered[number]
            if stored:
                flash["strings and padding"] += rest
            if name == ".stack":
                ram["stack"] += size
            elif name in (".data", ".bss"):
                ram["strings and padding"] += rest
    return flash, ram


def _flash_group(name: str, kind: str, origins: dict[str, str]) -> str:
    origin: str | None = origins.get(name)
    if origin is None:
        return "libc and libgcc"
    if origin == "mcukd_known_answer":
        return "known answers"
    if origin == "mcukd_trace":
        return "model trace"
    if origin.startswith(("mcukd_model", "mcukd_kernel")):
        if kind == "STT_FUNC":
            return "model code"
        return "model tables" if name == _TABLE else "model weights"
    if origin == "tag" or origin.startswith("tag_"):
        return "tag"
    if origin.startswith("radio_"):
        return "radio"
    return "port" if origin.startswith("port_") else "application"


def _ram_group(name: str, origins: dict[str, str]) -> str:
    origin = origins.get(name)
    if origin is None:
        return "libc and libgcc"
    return "port" if origin.startswith("port_") else "state and buffers"
