"""What OpenOCD and pyOCD do to a modelled chip's flash, from their command lines.

OpenOCD's `flash write_image erase` joins the sections of an image unless a whole sector that none of them
touches lies between, pads each part to the end of its last sector, and erases the sectors of each part
(src/flash/nor/core.c, 0.11 and later). pyOCD erases the sectors that the image's data lie in, or the chip;
its chip erase of an nRF52840 erases UICR too. Both unlock by erasing everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcukd.boards.processes import Ended
from mcukd.chips.chip import Chip
from mcukd.chips.image import read_image
from mcukd.chips.nordic.chip import NRF52840

Parts = list[tuple[int, bytes]]


def run_runner(argv: Sequence[str], chip: Chip) -> Ended:
    """Do what a runner's command line does to a chip, and say what the runner says."""
    words = list(argv[1:])
    said = _openocd(words, chip) if Path(argv[0]).name == "openocd" else _pyocd(words, chip)
    chip.core.forget_code(chip.flash.origin, chip.flash.size)
    return Ended(0, said, None)


def _openocd(words: list[str], chip: Chip) -> str:
    said = "Open On-Chip Debugger 0.12.0\n"
    for command in (word for flag, word in zip(words, words[1:]) if flag == "-c"):
        if command == "nrf52_recover":
            _erase_everything(chip)
        elif command == "flash erase_sector 0 0 last":
            _erase(chip, range(len(chip.flash.erasures)))
        elif command.startswith("flash write_image erase "):
            parts = _joined(_segments(command), chip.flash.page)
            for at, data in parts:
                _erase(chip, _pages(chip, at, len(data)))
                chip.core.write_memory(at, data)
            size = sum(len(data) for _, data in parts)
            said += (
                f"wrote {size} bytes from file {command.split()[-1]} in 1.5s\nverified {size} bytes in 0.4s\n"
            )
    return said


def _pyocd(words: list[str], chip: Chip) -> str:
    parts = _segments(words[-1])
    if "auto_unlock=true" in words:
        _erase_everything(chip)
    if words[words.index("--erase") + 1] == "chip":
        _erase_everything(chip)
    pages = sorted({page for at, data in parts for page in _pages(chip, at, len(data))})
    _erase(chip, pages)
    for at, data in parts:
        chip.core.write_memory(at, data)
    size = len(pages) * chip.flash.page
    return f"Erased {size} bytes, programmed {size} bytes ({len(pages)} pages), identical 0 bytes\n"


def _segments(command: str) -> Parts:
    path = command.split(" ", 3)[-1].strip("{}") if " " in command else command
    return sorted(read_image(Path(path)).segments)


def _joined(parts: Parts, page: int) -> Parts:
    """Return an image's parts, joined where no untouched sector lies between, padded to sectors' ends."""
    made: Parts = []
    for at, data in parts:
        if made:
            before, earlier = made[-1]
            next_page = (before + len(earlier) - 1) // page * page + page
            if next_page + page > at:
                made[-1] = before, earlier.ljust(at - before, b"\xff") + data
                continue
        made.append((at, data))
    return [(at, data.ljust(-(-(at + len(data)) // page) * page - at, b"\xff")) for at, data in made]


def _pages(chip: Chip, at: int, size: int) -> range:
    first = (at - chip.flash.origin) // chip.flash.page
    return range(first, (at + size - 1 - chip.flash.origin) // chip.flash.page + 1)


def _erase(chip: Chip, pages: Sequence[int]) -> None:
    for page in pages:
        chip.flash.erase(chip.flash.origin + page * chip.flash.page)


def _erase_everything(chip: Chip) -> None:
    _erase(chip, range(len(chip.flash.erasures)))
    if isinstance(chip, NRF52840):
        chip.uicr.erase()
