"""Bare-metal image of a model for an emulated core, and the flash and RAM that the model takes of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from mcukd.boards.cores import Core, check_optimize, cores_with
from mcukd.boards.toolchain import core_flags
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError
from mcukd.profiling.cycles import Instruction, parse_disassembly
from mcukd.resources import resource_dir
from mcukd.text import listed

_FIRMWARE = resource_dir("firmware_templates") / "profiling"
#: The trace's twin of the step is for the host; it would only be thrown away.
_LEFT_OUT = ("mcukd_trace.c",)
#: Nothing of the harness may come from a library, which counts as the model's.
_HARNESS_FLAGS = ["-ffreestanding", "-fno-tree-loop-distribute-patterns", "-fno-stack-protector"]


@dataclass(frozen=True)
class Image:
    """A linked image.

    sections: bytes by output section of `bench.ld`. symbols: addresses of functions. core: what it runs on.
    """

    elf: Path
    core: Core
    sections: dict[str, int]
    symbols: dict[str, int]

    @property
    def code_bytes(self) -> int:
        """Flash of the model's code, libraries it pulls in and initialised data."""
        return self.sections[".model_code"] + self.sections[".model_data"]

    @property
    def weight_bytes(self) -> int:
        """Flash of weights, biases and other constants except gate tables."""
        return self.sections[".model_weights"]

    @property
    def table_bytes(self) -> int:
        """Flash of gate tables."""
        return self.sections[".model_tables"]

    @property
    def flash_bytes(self) -> int:
        """Flash of the model in all."""
        return self.code_bytes + self.weight_bytes + self.table_bytes

    @property
    def static_bytes(self) -> int:
        """RAM that the model and its libraries reserve, states of callers not counted."""
        return self.sections[".model_ram"] + self.sections[".model_data"]

    def disassembly(self) -> dict[int, Instruction]:
        """Return all instructions by address."""
        objdump = require_tool("arm-none-eabi-objdump", "estimate cycles")
        result = subprocess.run([objdump, "-d", self.elf], capture_output=True, text=True, check=True)
        return parse_disassembly(result.stdout)


def measured_core(option: str) -> Core:
    """Return the core of an option that QEMU emulates and that has a cycle table; UserError for any other."""
    cores = cores_with("machine", "cycles")
    if option not in cores:
        raise UserError(f"--core {option}: nothing emulates it here; choose one of {listed(cores)}.")
    return cores[option]


def build_image(sources: Path, core: str, optimize: str = "speed", flags: list[str] | None = None) -> Image:
    """Compile every C and assembly file in `sources`, and link them with the harness into `bench.elf` there.

    The model is compiled as for a firmware, for `speed` or for `size`, with `flags` after the firmware's.
    Raises UserError for a missing compiler and for sources that do not compile or link.
    """
    chosen = measured_core(core)
    gcc = require_tool("arm-none-eabi-gcc", "build the model for measuring")
    base = [gcc, *core_flags(chosen, check_optimize(optimize)), *(flags or []), f"-I{sources}"]
    models = [path for path in sorted(sources.glob("*.[cS]")) if path.name not in _LEFT_OUT]
    objects = [_compile([*base], source, sources) for source in models]
    harness = sorted(_FIRMWARE.glob("*.c"))
    objects += [_compile([*base, "-O2", *_HARNESS_FLAGS], source, sources) for source in harness]
    elf = sources / "bench.elf"
    link = ["-nostartfiles", "-Wl,--gc-sections", "-Wl,--strip-debug", f"-Wl,-T,{_FIRMWARE / 'bench.ld'}"]
    _run([*base, *map(str, objects), *link, "-lm", "-o", str(elf)], "does not link")
    return Image(elf, chosen, *_read(elf))


def _compile(base: list[str], source: Path, out: Path) -> Path:
    target = out / f"{source.stem}.o"
    _run([*base, "-c", str(source), "-o", str(target)], f"{source.name} does not compile")
    return target


def _run(argv: list[str], problem: str) -> None:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [
            line.strip() for line in result.stderr.splitlines() if "error" in line or "undefined" in line
        ]
        reason = (lines or result.stderr.splitlines() or ["no message"])[0].rstrip(".")
        raise UserError(f"the image to measure: {problem}: {reason}.")


def _read(elf: Path) -> tuple[dict[str, int], dict[str, int]]:
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        file = ELFFile(stream)
        sections = {section.name: int(section["sh_size"]) for section in file.iter_sections()}
        symbols = {
            symbol.name: int(symbol["st_value"]) & ~1
            for symbol in file.get_section_by_name(".symtab").iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        }
    expected = (".model_code", ".model_weights", ".model_tables", ".model_data", ".model_ram")
    return {**dict.fromkeys(expected, 0), **sections}, symbols
