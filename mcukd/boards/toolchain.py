"""Builds of generated sources for a board: ELF, HEX, BIN and the size report, the same bytes every time."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.boards.cores import Core
from mcukd.boards.model import Board
from mcukd.boards.size import check_fits, size_report, symbols_of_objects
from mcukd.boards.tools import compiler, require_tool
from mcukd.errors import UserError
from mcukd.files import folder_beside, write_json

BUILD = "build"
SIZE = "size.json"

_COMMON = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
    "-ffunction-sections",
    "-fdata-sections",
    # The same bytes from any directory and compiler build: no names of either in the objects.
    "-fno-ident",
    "-g0",
]
_OVERFLOW = re.compile(r"region [`'](?P<region>\w+)' overflowed by (?P<bytes>\d+) bytes?")


@dataclass(frozen=True)
class BuildResult:
    """A built firmware; `hex` and `bin` are None on the host. size: the content of size.json."""

    elf: Path
    hex: Path | None
    bin: Path | None
    size: dict[str, Any]


def compile_flags(board: Board) -> list[str]:
    """Return the flags every source of a board's firmware is compiled with; they name no path."""
    return core_flags(board.processor, board.optimize)


def core_flags(core: Core, optimize: str) -> list[str]:
    """Return the flags that sources are compiled with for a core, for `speed` or `size`."""
    return [*_COMMON, "-Os" if optimize == "size" else "-O2", *core.flags]


def link_flags(board: Board) -> list[str]:
    """Return the flags the firmware is linked with, beside the compiler's."""
    if board.host:
        return []
    # --strip-debug: the C library's objects carry the paths they were built at.
    return ["-nostartfiles", "-Wl,-T,firmware.ld", "-Wl,--gc-sections", "-Wl,--strip-debug"]


def build(sources_dir: Path, board: Board) -> BuildResult:
    """Compile and link all sources of `sources_dir` into `sources_dir/build/`, and write `size.json`.

    Works in a temporary directory: a build that fails leaves the earlier one. Raises UserError for a missing
    compiler, for sources that do not compile, and for a firmware that does not fit the board.
    """
    sources = sorted([*sources_dir.glob("*.c"), *sources_dir.glob("*.S")])
    if not sources:
        raise UserError(f"{sources_dir}: no C sources there; run 'mcukd generate --board {board.name}'.")
    gcc = require_tool(compiler(board), f"build for {board.name}")
    with folder_beside(sources_dir / BUILD) as temporary:
        work = temporary.resolve()  # the compiler runs in the sources' folder
        for source in sources:
            _compile(gcc, board, source, work)
        elf = _link(gcc, board, sources_dir, work)
        size = size_report(elf, board, symbols_of_objects(work))
        check_fits(size, board)
        if not board.host:
            _convert(elf, board)
        for leftover in work.glob("*.o"):
            leftover.unlink()
        _replace(work, sources_dir / BUILD)
    write_json(sources_dir / SIZE, size)
    return built(sources_dir, size)


def built(sources_dir: Path, size: dict[str, Any]) -> BuildResult:
    """Return the finished build of a directory of sources."""
    elf = sources_dir / BUILD / "firmware.elf"
    hex_file, bin_file = elf.with_suffix(".hex"), elf.with_suffix(".bin")
    arm = hex_file.exists()
    return BuildResult(elf, hex_file if arm else None, bin_file if arm else None, size)


def _compile(gcc: str, board: Board, source: Path, work: Path) -> None:
    # Relative names, so that neither the objects nor messages in them depend on where the study lies.
    argv = [gcc, *compile_flags(board), "-c", source.name, "-o", str(work / f"{source.stem}.o")]
    result = subprocess.run(argv, cwd=source.parent, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(
            f"{source}: {compiler(board)} refuses it: {_first_error(result.stderr)} "
            "Generate it anew; a source edited by hand has to compile without warnings."
        )


def _link(gcc: str, board: Board, sources_dir: Path, work: Path) -> Path:
    elf = work / "firmware.elf"
    if not board.host:
        script = sources_dir / "firmware.ld"
        if not script.exists():
            raise UserError(f"{script}: missing; run 'mcukd generate --board {board.name}'.")
        shutil.copy(script, work / "firmware.ld")
    objects = sorted(file.name for file in work.glob("*.o"))
    argv = [gcc, *compile_flags(board), *objects, *link_flags(board), "-o", elf.name]
    result = subprocess.run(argv, cwd=work, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(overflow_sentence(result.stderr, board) or _link_sentence(result.stderr, sources_dir))
    (work / "firmware.ld").unlink(missing_ok=True)
    return elf


def overflow_sentence(stderr: str, board: Board) -> str | None:
    """Return what the linker says about a region that overflowed as one sentence; None for other errors."""
    found = {match["region"]: int(match["bytes"]) for match in _OVERFLOW.finditer(stderr)}
    if board.memory is None or not found:
        return None
    if "RAM" in found:
        limit = board.memory.ram.usable
        return (
            f"the firmware needs {limit + found['RAM']} bytes of RAM, {board.name} has {limit}: "
            "choose a shorter window or fewer hidden units (mcukd distill), or a board with more RAM."
        )
    if "FLASH" in found:
        limit = board.program_bytes
        return (
            f"the firmware needs {limit + found['FLASH']} bytes of flash, {board.name} has {limit}: choose "
            "fewer hidden units (mcukd distill), narrower weights (mcukd quantize --bits), or a board with "
            "more flash."
        )
    return None


def _link_sentence(stderr: str, sources_dir: Path) -> str:
    return f"{sources_dir}: the firmware does not link: {_first_error(stderr)} Generate it anew."


def _first_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line or "undefined reference" in line]
    return ((errors or lines or ["no message"])[0]).rstrip(".") + "."


def _convert(elf: Path, board: Board) -> None:
    objcopy = require_tool("arm-none-eabi-objcopy", f"write HEX and BIN files for {board.name}")
    for suffix, options in ((".hex", ["-O", "ihex"]), (".bin", ["-O", "binary", "--gap-fill", "0xFF"])):
        subprocess.run(
            [objcopy, *options, elf.name, elf.with_suffix(suffix).name], cwd=elf.parent, check=True
        )


def _replace(work: Path, target: Path) -> None:
    """Move the files of a finished build in, one rename each, and remove what it no longer makes."""
    target.mkdir(exist_ok=True)
    names = {file.name for file in work.iterdir()}
    for old in target.iterdir():
        if old.name.startswith("firmware.") and old.name not in names:
            old.unlink()
    for file in work.iterdir():
        file.replace(target / file.name)
