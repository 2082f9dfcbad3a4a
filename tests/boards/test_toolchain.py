"""Builds of boards: flags, sizes, reproducible bytes, and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from builders.students import random_model
from builders.tiny_firmware import write_sources

from mcukd.boards.model import Board, list_boards, load_board
from mcukd.boards.toolchain import build, compile_flags, overflow_sentence
from mcukd.boards.tools import tools_missing, version_line
from mcukd.codegen.firmware import generate_firmware
from mcukd.errors import UserError

ARM_BOARDS = ("collar", "collar-emulated", "eartag", "eartag-emulated")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def model_sources(board: Board, folder: Path) -> Path:
    model = random_model(steps=256, hidden=16, dense=16, classes=5)
    generate_firmware(model, board, folder)
    return folder


def test_flags_ask_for_everything_and_name_no_path() -> None:
    for board in list_boards():
        flags = compile_flags(board)
        assert {"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2"} <= set(flags)
        assert not any("/" in flag for flag in flags)
    assert "-mcpu=cortex-m3" in compile_flags(load_board("collar"))
    assert compile_flags(load_board("collar")) == compile_flags(load_board("collar-emulated"))
    assert compile_flags(load_board("eartag")) == compile_flags(load_board("eartag-emulated"))
    assert {"-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"} <= set(
        compile_flags(load_board("eartag"))
    )


def test_overflow_becomes_one_sentence_with_the_whole_need() -> None:
    stderr = "ld: region `RAM' overflowed by 1520 bytes\ncollect2: error: ld returned 1 exit status"
    sentence = overflow_sentence(stderr, load_board("collar"))
    assert sentence is not None
    assert sentence.startswith("the firmware needs 22000 bytes of RAM, collar has 20480: ")
    stderr = "ld: region `FLASH' overflowed by 16 bytes"
    sentence = overflow_sentence(stderr, load_board("collar"))
    assert sentence is not None
    assert sentence.startswith("the firmware needs 53264 bytes of flash, collar has 53248: ")
    assert overflow_sentence("ld: undefined reference to `x'", load_board("collar")) is None


def test_missing_compiler_names_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = write_sources(load_board("collar"), tmp_path / "sources")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"arm-none-eabi-gcc is not on the PATH.*install"):
        build(sources, load_board("collar"))
    assert tools_missing(load_board("collar-emulated")) == [
        "arm-none-eabi-gcc",
        "arm-none-eabi-objcopy",
        "qemu-system-arm",
    ]
    assert tools_missing(load_board("native")) == ["cc"]


def test_no_sources_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mcukd generate --board native"):
        build(tmp_path, load_board("native"))


@needs_cc
def test_failed_build_leaves_the_earlier_one(tmp_path: Path) -> None:
    board = load_board("native")
    sources = write_sources(board, tmp_path)
    before = build(sources, board).elf.read_bytes()
    (sources / "main.c").write_text("int main(void) { int unused; return 0; }")
    with pytest.raises(UserError, match=r"main\.c: cc refuses it"):
        build(sources, board)
    assert (sources / "build" / "firmware.elf").read_bytes() == before
    assert not list(sources.glob(".build-*"))


@needs_cc
def test_undefined_reference_is_one_sentence(tmp_path: Path) -> None:
    board = load_board("native")
    sources = write_sources(board, tmp_path, "void nowhere(void);\nint main(void) { nowhere(); return 0; }")
    with pytest.raises(UserError, match="does not link.*nowhere"):
        build(sources, board)


@needs_cc
def test_sizes_of_the_host_are_not_presented_as_a_tags(tmp_path: Path) -> None:
    board = load_board("native")
    result = build(write_sources(board, tmp_path), board)
    assert result.hex is None
    assert result.size["flash_bytes"] is None
    assert result.size["ram_bytes"] is None
    assert json.loads((tmp_path / "size.json").read_text()) == result.size


@pytest.mark.emulator
@pytest.mark.parametrize("name", ARM_BOARDS)
def test_same_sources_give_the_same_bytes_from_any_directory(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    one = build(model_sources(board, tmp_path / "one"), board)
    two = build(model_sources(board, tmp_path / "a longer name" / "two"), board)
    for first, second in ((one.elf, two.elf), (one.hex, two.hex), (one.bin, two.bin)):
        assert first is not None
        assert second is not None
        assert first.read_bytes() == second.read_bytes()
    image = one.elf.read_bytes()
    for trace in (str(tmp_path), str(Path.home()), "/usr/", "/build"):
        assert trace.encode() not in image


@pytest.mark.emulator
@pytest.mark.parametrize("name", ARM_BOARDS)
def test_size_report_adds_up_to_what_the_compiler_counts(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    assert board.memory is not None
    result = build(model_sources(board, tmp_path), board)
    size = result.size
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", str(result.elf)], capture_output=True, text=True, check=True
    ).stdout
    sections = {
        line.split()[0]: int(line.split()[1]) for line in listing.splitlines() if line.startswith(".")
    }
    flash = sum(sections.get(s, 0) for s in (".vectors", ".text", ".rodata", ".ARM.exidx", ".data"))
    ram = sum(sections.get(s, 0) for s in (".stack", ".data", ".bss"))
    assert (size["flash_bytes"], size["ram_bytes"]) == (flash, ram)
    assert sum(size["flash"].values()) == flash
    assert sum(size["ram"].values()) == ram
    assert size["ram"]["stack"] == size["stack_bytes"] == board.stack_bytes
    assert (size["flash_limit"], size["ram_limit"]) == (board.program_bytes, board.memory.ram.usable)
    # Known from the model: 128 lines of two words.
    assert size["flash"]["model tables"] == 128 * 8
    assert size["flash"]["model weights"] > 16 * 3 * 16
    assert size["flash"]["known answers"] > 2 * 256 * 3 * 2
    assert {"model code", "application", "port"} <= set(size["flash"])


@pytest.mark.emulator
def test_weights_of_twice_the_width_show_in_their_group(tmp_path: Path) -> None:
    board = load_board("collar")
    weights = []
    for bits in (8, 16):
        folder = tmp_path / str(bits)
        generate_firmware(random_model(0, bits, steps=20, hidden=16, dense=16), board, folder)
        weights.append(build(folder, board).size["flash"]["model weights"])
    matrices = 3 * 16 * 16 + 16 * 16 + 16 * 4  # input kernels have two bytes at any width
    assert weights[1] - weights[0] == matrices


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("name", "memory", "bytes_asked", "limit"),
    [
        ("collar", "RAM", 19_000, 20_480),
        ("collar-emulated", "RAM", 19_000, 20_480),
        ("collar", "flash", 131_000, 53_248),
        ("eartag-emulated", "RAM", 262_144, 262_144),
    ],
)
def test_firmware_that_does_not_fit_is_one_sentence(
    tmp_path: Path, name: str, memory: str, bytes_asked: int, limit: int
) -> None:
    board = load_board(name)
    declaration = {"RAM": "uint8_t block[{}];", "flash": "const uint8_t block[{}] = {{1}};"}[memory]
    main = (
        '#include "mcukd_port.h"\n' + declaration.format(bytes_asked) + "\n"
        "int main(void) { port_init(); return *(const volatile uint8_t *)&block[port_counter() & 7]; }\n"
    )
    with pytest.raises(UserError) as caught:
        build(write_sources(board, tmp_path, main), board)
    message = str(caught.value)
    assert message.startswith("the firmware needs ")
    assert f"bytes of {memory}, {name} has {limit}: " in message
    needed = int(message.split()[3])
    assert limit < needed < bytes_asked + 12_000
    assert not (tmp_path / "build").exists()


@pytest.mark.emulator
def test_stack_reservation_alone_can_make_the_link_fail(tmp_path: Path) -> None:
    """Variables fit, but not beside the stack."""
    board = load_board("collar")
    main = (
        '#include "mcukd_port.h"\nvolatile uint8_t block[18500];\n'
        "int main(void) { port_init(); return block[9]; }\n"
    )
    assert board.stack_bytes is not None
    with pytest.raises(UserError) as caught:
        build(write_sources(board, tmp_path, main), board)
    assert str(caught.value).startswith(f"the firmware needs {18_500 + board.stack_bytes} bytes of RAM")


@pytest.mark.emulator
def test_configuration_words_of_the_collar_are_in_place_and_keep_debug_open(tmp_path: Path) -> None:
    board = load_board("collar")
    image = build(write_sources(board, tmp_path), board).bin
    assert image is not None
    flash = image.read_bytes()
    assert len(flash) == 0x20000
    words = [int.from_bytes(flash[i : i + 4], "little") for i in range(0x1FFA8, 0x20000, 4)]
    by_address = {0x50003FA8 + 4 * i: word for i, word in enumerate(words)}  # SWCU117, chapter 9
    assert by_address[0x50003FB0] >> 16 == 88
    assert by_address[0x50003FE4] >> 16 & 0xFF == 0xC5  # CPU debug access
    assert by_address[0x50003FDC] & 0x101 == 0x101  # chip and bank erase allowed
    assert by_address[0x50003FEC] == 0  # valid image, vectors at 0
    assert [by_address[0x50003FF0 + 4 * i] for i in range(4)] == [0xFFFFFFFF] * 4  # no sector protected
    stack, reset = (int.from_bytes(flash[i : i + 4], "little") for i in (0, 4))
    assert stack == 0x20000000 + 2048
    assert reset & 1


@pytest.mark.emulator
@pytest.mark.parametrize(("name", "divisor"), [("collar", "1667u"), ("eartag", "0x01D7E000u")])
def test_baud_rates_are_those_of_the_manuals(tmp_path: Path, name: str, divisor: str) -> None:
    """CC26x0: 48 MHz / 16 / 115200 = 26 + 3/64. nRF52840: the table of section 6.33 gives 0x01D7E000."""
    board = load_board(name)
    write_sources(board, tmp_path)
    assert divisor in (tmp_path / f"port_{board.port}.c").read_text()


def test_user_text_cannot_end_a_comment(tmp_path: Path) -> None:
    board = load_board("collar").model_copy(update={"title": "*/ #error", "unverified": ("*/ #error",)})
    write_sources(board, tmp_path)
    assert "*/ #error" not in (tmp_path / "mcukd_port.h").read_text()


@pytest.mark.parametrize(
    ("script", "line"),
    [("exit 0", None), ("echo; echo two", ""), ("printf '\\377 1.0'", "\ufffd 1.0"), ("echo odd >&2", "odd")],
)
def test_a_program_that_says_nothing_or_no_text_for_a_version_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, line: str | None
) -> None:
    program = tmp_path / "odd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert version_line("odd") == line
    program.write_text("no program")
    assert version_line("odd") is None
    assert version_line("not-there") is None
