"""Small programs for modelled chips, compiled from C, with vectors and configuration words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.image import read_image
from mcukd.chips.serve import make_chip

_FLAGS = {
    "nrf52840": ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "cc2650": ["-mcpu=cortex-m3"],
}
_LINK = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 0x1E000  CCFG (r) : ORIGIN = 0x1FFA8, LENGTH = 88
         RAM (rw) : ORIGIN = 0x20000000, LENGTH = 16K }
SECTIONS { .vectors : { KEEP(*(.vectors)) } > FLASH  .text : { *(.text* .rodata*) } > FLASH
           .bss (NOLOAD) : { *(.bss* COMMON .data*) } > RAM  .ccfg : { KEEP(*(.ccfg)) } > CCFG
           /DISCARD/ : { *(.comment .ARM.exidx* .ARM.extab*) } }
"""
_HEAD = """
#include <stdint.h>
#define R(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define MASKED __asm volatile("cpsid i" ::: "memory")
#define OPEN __asm volatile("cpsie i\\n\\tisb" ::: "memory")
#define SLEEP __asm volatile("dsb\\n\\twfi" ::: "memory")
int main(void);
volatile uint32_t out[32];
void unexpected(void);
void unexpected(void) { out[31] = R(0xE000ED04u) & 0x1FFu; for (;;) { SLEEP; } }
"""
_TAIL = """
__attribute__((noreturn)) static void reset(void) { (void)main(); MASKED;
    R(0xE000E180u) = ~0u; R(0xE000E010u) = 0; out[30] = 1; for (;;) { SLEEP; } }
const uint32_t ccfg[22] __attribute__((section(".ccfg"), used)) = { [2] = 0x0058FFFFu, [17] = 0 };
typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) const handler vectors[16 + 48] = {
    (handler)0x20004000, reset, [2 ... 63] = unexpected, %s };
"""


class Accesses:
    """Counts the reads of registers for which the model is asked; foreseen ones are answered without it.

    foreseeing: whether accesses may be foreseen.
    """

    def __init__(self, chip: Chip, foreseeing: bool) -> None:
        self.reads, self._read = 0, chip.space.read
        # mypy takes no other methods there.
        setattr(chip.space, "read", self._counted)  # noqa: B010
        if not foreseeing:
            setattr(chip.core, "foresee", lambda _: None)  # noqa: B010

    def _counted(self, address: int, size: int) -> int:
        self.reads += 1
        return self._read(address, size)


class Program:
    """A program on a chip. out[30] is 1 once main returned, out[31] an exception without handler."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.address = 0

    def out(self, number: int) -> int:
        """Return a word of `out`."""
        return int.from_bytes(self.chip.core.read_memory(self.address + 4 * number, 4), "little")

    def words(self, count: int) -> list[int]:
        """Return the first words of `out`."""
        return [self.out(number) for number in range(count)]

    def run(self, milliseconds: float = 1000.0) -> Program:
        """Run for some virtual time; main has to be done, and no exception unexpected."""
        self.chip.run_ns(self.chip.core.nanoseconds() + int(milliseconds * 1e6))
        assert self.out(31) == 0, f"exception {self.out(31)} has no handler"
        assert self.out(30) == 1, "main has not returned"
        return self


def program(
    folder: Path,
    chip: str,
    main: str,
    before: str = "",
    handlers: dict[int, str] | None = None,
    console: Console | None = None,
    on: Chip | None = None,
) -> Program:
    """Compile `main` (the body) and `before` (functions), flash it to a fresh chip and switch that on.

    handlers: function of each exception number. on: a chip to flash it to.
    """
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    entries = ", ".join(f"[{number}] = {name}" for number, name in (handlers or {}).items())
    (folder / "program.c").write_text(
        _HEAD
        + before
        + f"\nint main(void)\n{{\nfor (int i = 0; i < 32; i++) out[i] = 0;\n{main}\nreturn 0;\n}}\n"
        + _TAIL % entries
    )
    (folder / "program.ld").write_text(_LINK)
    command = ["arm-none-eabi-gcc", *_FLAGS[chip], "-mthumb", "-O1", "-g", "-ffreestanding", "-nostdlib"]
    subprocess.run(
        [*command, "-Wno-override-init", "-T", "program.ld", "program.c", "-o", "program.elf"],
        cwd=folder, check=True,
    )  # fmt: skip
    image = read_image(folder / "program.elf")
    made = on or make_chip(chip, console)
    made.load(image)
    made.power_on()
    result = Program(made)
    result.address = image.symbols["out"]
    return result
