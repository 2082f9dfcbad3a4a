"""Ports of the real boards on their modelled chips: UART, counter, faults, stack, restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders.chip_program import Accesses
from builders.tiny_firmware import MAIN, write_sources

from mcukd.boards.model import load_board
from mcukd.boards.toolchain import build
from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.events import NEVER
from mcukd.chips.image import Image, read_image
from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.serve import make_chip

pytestmark = pytest.mark.emulator
BOARDS = ("collar", "eartag")


#: Takes a hundred bytes at a time, then sends them back in one go.
BURSTS = """
#include "mcukd_port.h"

int main(void)
{
    static uint8_t bytes[100];
    uint32_t count = 0;
    port_init();
    port_write((const uint8_t *)"boot", 4);
    for (;;) {
        const int byte = port_read();
        if (byte < 0) {
            port_idle();
            continue;
        }
        bytes[count++] = (uint8_t)byte;
        if (count == sizeof bytes) {
            port_write(bytes, count);
            count = 0;
        }
    }
}
"""


@dataclass
class Tag:
    """A chip with a board's test firmware, as the host sees it."""

    chip: Chip

    def ask(self, data: bytes) -> bytes:
        """Send bytes; return all that came until the core sleeps for good."""
        assert self.chip.console is not None
        self.chip.send(data)
        self.chip.run(NEVER)
        return self.chip.console.take()

    def words(self, command: int) -> list[int]:
        reply = self.ask(bytes([command]))
        return [int.from_bytes(reply[at : at + 4], "little") for at in range(0, len(reply), 4)]


def built(folder: Path, main: str) -> dict[str, Image]:
    made = {}
    for name in BOARDS:
        board = load_board(name)
        made[name] = read_image(build(write_sources(board, folder / name, main), board).elf)
    return made


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    return built(tmp_path_factory.mktemp("tiny"), MAIN)


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    return built(tmp_path_factory.mktemp("bursts"), BURSTS)


def started(name: str, image: Image, paced: bool) -> Tag:
    board = load_board(name)
    assert board.modelled_chip and board.console.tx_pin is not None and board.console.rx_pin is not None
    line = Console(board.console.baud, board.console.tx_pin, board.console.rx_pin, paced)
    chip = make_chip(board.modelled_chip, line)
    chip.load(image)
    chip.power_on()
    chip.run(NEVER)
    assert line.take() == b"boot"
    return Tag(chip)


@pytest.fixture
def tag(images: dict[str, Image]) -> Callable[..., Tag]:
    return lambda name, paced=True: started(name, images[name], paced)


@pytest.mark.parametrize("paced", [True, False])
@pytest.mark.parametrize("name", BOARDS)
def test_the_uart_echoes_ten_thousand_bytes(tag: Callable[..., Tag], name: str, paced: bool) -> None:
    data = bytes(range(0x80)) * 79
    made = tag(name, paced)
    before = made.chip.core.nanoseconds()
    for at in range(0, len(data), 128):
        assert made.ask(data[at : at + 128]) == data[at : at + 128]
    seconds = (made.chip.core.nanoseconds() - before) / 1e9
    assert seconds == pytest.approx(len(data) * 10 / 115_200, rel=0.05)


@pytest.mark.parametrize("paced", [True, False])
@pytest.mark.parametrize("name", BOARDS)
def test_bytes_that_are_foreseen_change_nothing(bursts: dict[str, Image], name: str, paced: bool) -> None:
    data = bytes(range(250)) * 4
    states, counts = [], []
    for foreseeing in (True, False):
        made = started(name, bursts[name], paced)
        accesses = Accesses(made.chip, foreseeing)
        replies = b"".join(made.ask(data[at : at + 250]) for at in range(0, len(data), 250))
        core = made.chip.core
        assert replies == data or paced  # while the firmware sends, it hears nothing
        states.append((replies, core.cycles, core.waited, core.slept, core.read_memory(*made.chip.ram)))
        counts.append(accesses.reads)
    assert states[0] == states[1]
    # On a line that takes its time no byte waits for the firmware.
    assert counts[0] <= counts[1] * (1.0 if paced else 0.7)


def test_six_bytes_overrun_where_the_firmware_falls_behind(tag: Callable[..., Tag]) -> None:
    """The ear tag's firmware waits for each byte it sends, so an endless echo at line speed loses some."""
    data = bytes(range(0x80)) * 79
    made = tag("eartag")
    assert 0 < len(data) - len(made.ask(data)) < 100
    assert made.chip.uart.values["ERRORSRC"] == 1


@pytest.mark.parametrize("name", BOARDS)
def test_the_counter_counts_two_instructions_a_round(tag: Callable[..., Tag], name: str) -> None:
    (ticks,) = tag(name).words(0x81)
    assert 2_000_000 < ticks <= 2_000_010


@pytest.mark.parametrize("name", BOARDS)
def test_the_stack_is_measured(tag: Callable[..., Tag], name: str) -> None:
    before, after = tag(name).words(0x82)
    assert 0 < before < 200 < 600 < after < 900


@pytest.mark.parametrize(("command", "what"), [(0x83, "cfsr 00008200"), (0x84, "stack overflow")])
@pytest.mark.parametrize("name", BOARDS)
def test_faults_report_themselves_and_restart(
    tag: Callable[..., Tag], name: str, command: int, what: str
) -> None:
    made = tag(name)
    report = made.ask(bytes([command])).decode()
    assert report.startswith("\0mcukd fault 00000003 pc ") and report.endswith("\r\n\0boot")
    assert what in report
    assert made.chip.resets == ["power", "software"]
    assert made.ask(b"x") == b"x"


@pytest.mark.parametrize("name", BOARDS)
def test_variables_begin_anew_after_a_reset(tag: Callable[..., Tag], name: str) -> None:
    made = tag(name)
    assert [made.words(0x85)[0] & 0xFF for _ in range(2)] == [1, 3]
    made.chip.reset_pin()
    assert made.ask(b"") == b"boot"
    assert made.words(0x85)[0] & 0xFF == 1
    assert made.chip.resets == ["power", "pin"]


def test_the_floating_point_unit_is_on_where_there_is_one(tag: Callable[..., Tag]) -> None:
    assert tag("eartag").words(0x86) == [6]


def test_the_ear_tags_port_sets_up_cache_supply_and_debug_port(tag: Callable[..., Tag]) -> None:
    """UICR is erased on a new chip: the port opens the debug port once and for all, and leaves UICR alone then."""
    chip = tag("eartag").chip
    assert chip.facts() == {
        "instruction_cache": True,
        "dcdc": True,
        "debug_access": True,
        "low_frequency_crystal": False,
        "ram_bytes_on": 4096,
    }
    assert chip.uicr.values["APPROTECT"] == 0xFFFFFF5A and chip.nvmc.values["CONFIG"] == 0
    chip.reset_pin()
    assert not chip.debug_access()
    chip.run(NEVER)
    assert chip.debug_access()


def test_the_ear_tags_port_leaves_an_early_chip_and_a_closed_one_alone(images: dict[str, Image]) -> None:
    for setting, variant in ((0xFFFFFFFF, b"AAD0"), (0xFFFFFF00, b"AAF0")):
        chip = make_chip("nrf52840", Console(115_200, 6, 8))
        assert isinstance(chip, NRF52840)
        chip.load(images["eartag"])
        chip.uicr.values["APPROTECT"] = setting
        chip.factory.values["INFO.VARIANT"] = int.from_bytes(variant, "big")
        chip.power_on()
        chip.run(NEVER)
        assert chip.uicr.values["APPROTECT"] == setting and not chip.debug_access()


def test_the_collars_port_caches_its_flash(tag: Callable[..., Tag]) -> None:
    assert tag("collar").chip.facts() == {"instruction_cache": True, "dcdc": False}


def test_ram_is_random_at_power_up_and_nothing_depends_on_it(images: dict[str, Image]) -> None:
    seen = set()
    for seed in range(3):
        chip = make_chip("nrf52840", Console(115_200, 6, 8), seed)
        chip.load(images["eartag"])
        chip.power_on()
        seen.add(chip.core.read_memory(0x20010000, 64))
        chip.run(NEVER)
        assert chip.console is not None and chip.console.take() == b"boot"
    assert len(seen) == 3
