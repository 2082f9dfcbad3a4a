"""Every register address and field that the firmware's ports name, against the tables; and mutations of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.port_registers import BOARDS, constants, problems, sources
from builders.tiny_firmware import write_sources

from mcukd.boards.model import load_board
from mcukd.boards.toolchain import build
from mcukd.chips.console import Console
from mcukd.chips.image import read_image
from mcukd.chips.serve import make_chip
from mcukd.chips.stop import ChipStop

#: Changes by hand: board, file, what is there, what takes its place, and who finds it.
TABLE, MODEL = "the tables", "the model"
MUTATIONS = [
    ("collar", "port_cc26x0.c", "REGISTER(0x4008206Cu)", "REGISTER(0x40082070u)", TABLE),
    ("collar", "port_cc26x0.c", "REGISTER(0x40001018u)", "REGISTER(0x40001010u)", TABLE),
    ("collar", "port_cc26x0.c", "(1u << 0 | 1u << 8 | 1u << 9)", "(1u << 0 | 1u << 7 | 1u << 9)", TABLE),
    ("collar", "port_cc26x0.c", "IOC_PORT_UART0_TX 0x10u", "IOC_PORT_UART0_TX 0x11u", TABLE),
    ("collar", "port_cc26x0.c", "UART_INTERRUPT (1u << 5)", "UART_INTERRUPT (1u << 6)", TABLE),
    ("collar", "port_cc26x0.c", "PRCM_PDCTL0SERIAL = 1;", "PRCM_PDCTL0SERIAL = 2;", MODEL),
    ("collar", "port_cc26x0.c", "PRCM_UARTCLKGR = 1;", "PRCM_UARTCLKGR = 0;", MODEL),
    ("collar", "port_cc26x0.c", "UART_IFLS = 0;", "UART_IFLS = 6;", MODEL),
    ("collar", "port_ccfg.c", "0x00000000u, /* IMAGE_VALID_CONF", "0x00001000u, /* IMAGE_VALID_CONF", MODEL),
    ("eartag", "port_nrf52840.c", "REGISTER(0x40002514u)", "REGISTER(0x4000250Cu)", TABLE),
    ("eartag", "port_nrf52840.c", "0x300u * (port) + 4u", "0x400u * (port) + 4u", TABLE),
    ("eartag", "port_nrf52840.c", "UART_ENABLE_ON 4u", "UART_ENABLE_ON 8u", TABLE),
    ("eartag", "port_nrf52840.c", "(1u << 0 | 1u << 1)", "(1u << 0 | 1u << 6)", TABLE),
    ("eartag", "port_nrf52840.c", "UART_CONFIG = 0;", "UART_CONFIG = 32;", MODEL),
    ("eartag", "port_nrf52840.c", "UART_STARTTX = 1;", "UART_STARTTX = 2;", MODEL),
    ("eartag", "port_cortex_m.c", "0x05FA0004u", "0x05FA0010u", TABLE),
]  # fmt: skip


#: Files of the ports that a firmware without sensor and log has, too.
CHANGED = {one[1] for one in MUTATIONS}


@pytest.mark.parametrize("board", BOARDS)
def test_what_a_port_names_is_what_the_chip_has(board: str) -> None:
    assert problems(board, sources(board)) == []


def test_no_constant_is_listed_that_no_port_has() -> None:
    texts = " ".join(text for board in BOARDS for text in sources(board).values())
    known = constants()
    names = [*known["no_register"], *(name for chip in ("armv7m", *BOARDS.values()) for name in known[chip])]
    assert [name for name in names if f"#define {name} " not in texts] == []


def mutated(board: str, file: str, old: str, new: str) -> dict[str, str]:
    texts = sources(board)
    assert texts[file].count(old) == 1, f"{old} is not once in {file}"
    return {**texts, file: texts[file].replace(old, new)}


def answers(board_name: str, texts: dict[str, str], folder: Path) -> str:
    """Build and run a mutated port; return what the model says, empty where it boots, echoes and faults."""
    board = load_board(board_name)
    write_sources(board, folder)
    for name, text in texts.items():
        if name in CHANGED:
            (folder / name).write_text(text, encoding="utf-8")
    assert board.modelled_chip and board.console.tx_pin is not None and board.console.rx_pin is not None
    line = Console(board.console.baud, board.console.tx_pin, board.console.rx_pin)
    chip = make_chip(board.modelled_chip, line)
    chip.load(read_image(build(folder, board).elf))
    try:
        chip.power_on()
        chip.run_ns(100_000_000)
        chip.send(b"abc")
        chip.run_ns(200_000_000)
    except ChipStop as stop:
        return str(stop)
    said = line.take()
    return "" if said == b"bootabc" else f"it said {said!r}"


@pytest.mark.emulator
@pytest.mark.parametrize("board", BOARDS)
def test_the_ports_as_they_are_boot_and_answer(board: str, tmp_path: Path) -> None:
    assert answers(board, sources(board), tmp_path) == ""


@pytest.mark.parametrize(
    ("board", "file", "old", "new"), [one[:4] for one in MUTATIONS if one[4] == TABLE], ids=lambda v: None
)
def test_a_wrong_address_or_bit_is_found_by_the_tables(board: str, file: str, old: str, new: str) -> None:
    assert problems(board, mutated(board, file, old, new))


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("board", "file", "old", "new"), [one[:4] for one in MUTATIONS if one[4] == MODEL], ids=lambda v: None
)
def test_a_wrong_value_is_found_by_the_model(
    board: str, file: str, old: str, new: str, tmp_path: Path
) -> None:
    assert answers(board, mutated(board, file, old, new), tmp_path)
