"""Sketches built with Arduino's own core for AVR (Debian: arduino-core-avr), and an emulated ATmega328P."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders.packages import call, need

AVR = Path("/usr/share/arduino/hardware/arduino/avr")
#: As platform.txt and boards.txt have them for the Uno.
_BOARD = [
    "-mmcu=atmega328p",
    "-DF_CPU=16000000L",
    "-DARDUINO=10819",
    "-DARDUINO_AVR_UNO",
    "-DARDUINO_ARCH_AVR",
]
_COMMON = [
    "-c", "-Os", *_BOARD, "-ffunction-sections", "-fdata-sections",
    "-flto", f"-I{AVR / 'cores/arduino'}", f"-I{AVR / 'variants/standard'}",
]  # fmt: skip
_C = ["avr-gcc", "-std=gnu11", "-fno-fat-lto-objects", *_COMMON]
_CXX = ["avr-g++", "-std=gnu++11", "-fpermissive", "-fno-exceptions", "-fno-threadsafe-statics", *_COMMON]
_ASM = ["avr-gcc", "-x", "assembler-with-cpp", *_COMMON]
_WARN = ["-Wall", "-Wextra", "-Werror"]
FLASH_BYTES, RAM_BYTES = 32256, 2048
_LIMIT_S = 240


def need_avr() -> None:
    need("avr-gcc", "avr-g++", "avr-size")
    if not AVR.is_dir():
        pytest.skip(f"needs Arduino's core for AVR in {AVR}")


def build_core(folder: Path) -> Path:
    """Compile Arduino's core as the IDE does; return the archive."""
    need_avr()
    objects = []
    for source in sorted((AVR / "cores/arduino").iterdir()):
        compiler = {".c": _C, ".cpp": _CXX, ".S": _ASM}.get(source.suffix)
        if compiler:
            # Debian's GCC 5 keeps this macro from C++11; Arduino's own is newer.
            call([*compiler, "-w", "-DDECIMAL_DIG=__DECIMAL_DIG__", source, "-o", f"{source.name}.o"], folder)
            objects.append(f"{source.name}.o")
    call(["avr-gcc-ar", "rcs", "core.a", *objects], folder)
    return folder / "core.a"


def build_sketch(folder: Path, core: Path, sketch: str, libraries: Sequence[Path]) -> Path:
    """Build a sketch with libraries of format 1.5, without a warning of theirs; return the image."""
    folder.mkdir(exist_ok=True)
    (folder / "sketch.cpp").write_text(f"#include <Arduino.h>\n{sketch}")
    includes = [f"-I{library / 'src'}" for library in libraries]
    call([*_CXX, *_WARN, *includes, "sketch.cpp", "-o", "sketch.o"], folder)
    objects = ["sketch.o"]
    for source in sorted(file for library in libraries for file in (library / "src").iterdir()):
        compiler = {".c": _C, ".cpp": _CXX, ".S": _ASM}.get(source.suffix)
        if compiler:
            call([*compiler, *_WARN, *includes, source, "-o", f"{source.name}.o"], folder)
            objects.append(f"{source.name}.o")
    elf = folder / "sketch.elf"
    link = ["avr-gcc", "-Os", "-g", "-flto", "-fuse-linker-plugin", "-Wl,--gc-sections", "-mmcu=atmega328p"]
    call([*link, "-o", elf, *objects, core, "-lm"], folder)
    return elf


def flash_and_ram(elf: Path) -> tuple[int, int]:
    """Return the bytes that an image takes of flash, and of RAM before its stack."""
    text, data, bss = re.findall(r"^\s*(\d+)\s+(\d+)\s+(\d+)", call(["avr-size", elf]), re.M)[0]
    return int(text) + int(data), int(data) + int(bss)


def run_on_atmega328p(elf: Path, ends: int) -> str:
    """Run an image in simavr until it has said PASS or FAIL as often as `ends`; return what it printed."""
    need("simavr")
    process = subprocess.Popen(
        ["simavr", "-m", "atmega328p", "-f", "16000000", elf],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    watchdog = threading.Timer(_LIMIT_S, process.kill)
    watchdog.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            # simavr colours what the UART sends, and shows its ends of lines as dots.
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip().removesuffix("..").removesuffix(".")
            lines.append(plain)
            ends -= plain in ("PASS", "FAIL")
            if not ends:
                break
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    return "\n".join(line for line in lines if not line.startswith(("Loaded ", "Loading ")))
