"""The log's C and the ports' flash functions on the modelled chips: the supply fails, and nothing is lost.

The firmware appends a record for each byte it receives. The rules of each chip's flash controller, cache and boot
ROM are those of the model, which stops where they are broken.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import pytest
from builders.boards import board_of, untagged
from builders.tag_library import write_sources as write_tag
from builders.tiny_firmware import write_sources

from mcukd.boards.model import Board
from mcukd.boards.toolchain import build
from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.events import NEVER
from mcukd.chips.flash import PowerLost
from mcukd.chips.image import Image, read_image
from mcukd.chips.serve import make_chip
from mcukd.codegen.templates import render_folders
from mcukd.tag.flash import NRF52840, ModelledFlash
from mcukd.tag.log import read_log
from mcukd.tag.log_writer import LogWriter
from mcukd.tag.operation import TagConfig
from mcukd.tag.records import EVENT

pytestmark = pytest.mark.emulator
PAGES = 2
WORDS = 58
MAIN = f"""
#include "mcukd_port.h"
#include "tag_log.h"

int main(void)
{{
    static const tag_log_ring ring = {{ 0, TAG_LOG_PAGES, TAG_LOG_FORMAT | TAG_CLASSES << 8 }};
    static tag_log log;
    uint32_t payload[{WORDS}];

    port_init();
    tag_log_open(&log, &ring);
    for (;;) {{
        const int byte = port_read();
        if (byte < 0) {{
            port_idle();
            continue;
        }}
        for (uint32_t i = 0; i < {WORDS}; i++) {{
            payload[i] = (uint32_t)byte * 0x01010101u + i;
        }}
        const uint8_t done = (uint8_t)tag_log_append(&log, TAG_LOG_EVENT, 0, (uint32_t)byte, payload, {WORDS});
        port_write(&done, 1);
    }}
}}
"""


@dataclass
class Tag:
    """A board with a log in its last pages, its image, and the log's place in flash."""

    board: Board
    image: Image

    def start(self, log: bytes = b"", seed: int = 0) -> Chip:
        """A chip that has just got power, with the log's pages as they are given."""
        console = self.board.console
        assert self.board.modelled_chip and console.tx_pin is not None and console.rx_pin is not None
        line = Console(console.baud, console.tx_pin, console.rx_pin)
        chip = make_chip(self.board.modelled_chip, line, seed)
        chip.load(self.image)
        if log:
            chip.core.write_memory(self.origin, log)
        chip.power_on()
        chip.run(NEVER)
        return chip

    @property
    def origin(self) -> int:
        assert self.board.log_region is not None
        return self.board.log_region.origin

    def dump(self, chip: Chip) -> bytes:
        return bytes(chip.core.read_memory(self.origin, PAGES * 4096))


def append(chip: Chip, byte: int) -> None:
    chip.send(bytes([byte]))
    chip.run(NEVER)
    assert chip.console is not None and chip.console.take() == b"\x01"


@pytest.fixture(scope="module", params=["collar", "eartag"])
def tag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tag:
    folder = tmp_path_factory.mktemp("log")
    board = board_of(f"{untagged(request.param)}\n[tag]\nlog_pages = {PAGES}\n", folder)
    sources = write_sources(board, folder / "sources", MAIN)
    assert board.log_region is not None
    config = TagConfig(classes=4, log_pages=PAGES)
    write_tag(config, folder / "tag", board.log_region.origin)
    for name in ("app_crc32.c", "app_crc32.h", "tag_log.c", "tag_log.h", "tag_port.h", "tag_config.h"):
        shutil.copy(folder / "tag" / name, sources / name)
    for name, text in render_folders([f"port/{board.port}/tag"], {"board": board, "sampling": False}).items():
        (sources / name).write_text(text)
    return Tag(board, read_image(build(sources, board).elf))


def test_the_chip_holds_the_words_of_the_reference(tag: Tag) -> None:
    flash = ModelledFlash(NRF52840, PAGES)
    reference = LogWriter(flash, PAGES, 1024, 4)
    chip = tag.start()
    for byte in range(40):
        append(chip, byte)
        reference.append(EVENT, False, byte, [(byte * 0x01010101 + i) % (1 << 32) for i in range(WORDS)])
    assert tag.dump(chip) == flash.dump()
    page = tag.origin // 4096
    assert chip.flash.erasures[page : page + PAGES] == flash.erases


def test_power_that_fails_in_flash_operations_loses_nothing(tag: Tag) -> None:
    chip, cuts = tag.start(), 0
    for byte in range(36):
        before, operations = tag.dump(chip), chip.flash.operations
        append(chip, byte)
        operations = chip.flash.operations - operations
        opens = operations > WORDS + 5
        if not opens and byte not in (1, 15, 31, 34):
            continue
        # Where a page is opened: its erase, each word of its header, and the first ones of the record.
        for operation in sorted({*range(1, 15 if opens else 1), *range(1, operations + 1, 17), operations}):
            cut = tag.start(before, seed=operation)
            cut.flash.power_fails(cut.flash.operations + operation, seed=byte)
            with pytest.raises(PowerLost):
                append(cut, byte)
            again = tag.start(tag.dump(cut), seed=operation + 1)
            append(again, 200)
            found = [each.record for each in read_log(tag.dump(again)).records]
            assert found[-1].seconds == 200 and found[-1].sequence in (byte, byte + 1)
            numbers = [record.sequence for record in found]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            # The newest full page is always kept.
            assert byte - numbers[0] >= min(byte, 15)
            assert all(record.seconds == record.sequence for record in found[:-1])
            cuts += 1
    print(f"\n{tag.board.mcu}: {cuts} cuts on the model")
    assert cuts > 60
