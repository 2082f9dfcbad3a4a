"""The payload's packer on the modelled chips: the same bytes as in Python."""

from __future__ import annotations

import numpy as np
import pytest
from builders.boards import board_of, untagged
from builders.tiny_firmware import write_sources

from mcukd.boards.toolchain import build
from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.events import NEVER
from mcukd.chips.image import read_image
from mcukd.chips.serve import make_chip
from mcukd.codegen.payload import write_packer
from mcukd.payload.coding import encode
from mcukd.payload.layout import layout_of
from mcukd.payload.schemas import load_schema
from mcukd.payload.sources import SOURCES

pytestmark = pytest.mark.emulator
LAYOUT = layout_of(load_schema("period"), 5)
#: Packs the values that it receives, 32 bits each, low byte first.
MAIN = """
#include "mcukd_port.h"
#include "payload.h"

int main(void)
{
    static payload_values values;
    uint8_t out[PAYLOAD_BYTES];

    port_init();
    for (;;) {
        for (uint32_t k = 0; k < sizeof values; k++) {
            int byte = port_read();
            while (byte < 0) {
                port_idle();
                byte = port_read();
            }
            ((uint8_t *)&values)[k] = (uint8_t)byte;
        }
        payload_pack(&values, out);
        port_write(out, sizeof out);
    }
}
"""


@pytest.fixture(scope="module", params=["collar", "eartag"])
def chip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chip:
    folder = tmp_path_factory.mktemp("payload")
    board = board_of(untagged(request.param), folder)
    sources = write_sources(board, folder / "sources", MAIN)
    write_packer(LAYOUT, sources)
    image = read_image(build(sources, board).elf)
    assert board.modelled_chip and board.console.tx_pin is not None and board.console.rx_pin is not None
    line = Console(board.console.baud, board.console.tx_pin, board.console.rx_pin)
    chip = make_chip(board.modelled_chip, line, 0)
    chip.load(image)
    chip.power_on()
    chip.run(NEVER)
    return chip


def test_the_chip_packs_what_the_reference_encodes(chip: Chip) -> None:
    rng = np.random.default_rng(0)
    width = len(SOURCES) + LAYOUT.classes + 1
    rows = rng.integers(0, 1 << 32, (150, width), dtype=np.uint64) >> rng.integers(
        0, 33, (150, width), dtype=np.uint64
    )
    rows[:6] = 0
    rows[:6, len(SOURCES)] = (0, 255, 256, 65_536, (1 << 32) - 1, 511)
    assert chip.console is not None
    for row in rows.tolist():
        chip.send(np.array(row, "<u4").tobytes())
        chip.run(NEVER)
        expected = encode(LAYOUT, dict(zip(SOURCES, row)), row[len(SOURCES) :])
        assert chip.console.take() == expected
