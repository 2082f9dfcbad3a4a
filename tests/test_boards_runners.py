from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mcukd.boards.model import load_board
from mcukd.boards.runners import FlashOptions, failure_sentence, flash, flash_argv
from mcukd.errors import UserError

ELF = Path("/study/firmware.elf")
PLAIN = FlashOptions()
OPENOCD_WRITES = [
    "-c", "flash write_image erase {/study/firmware.elf}",
    "-c", "verify_image {/study/firmware.elf}",
    "-c", "reset run",
    "-c", "shutdown",
]  # fmt: skip
COLLAR = ["-c", "transport select jtag", "-f", "target/ti_cc26x0.cfg", "-c", "init"]
EARTAG = ["-c", "transport select swd", "-f", "target/nrf52.cfg", "-c", "init"]
XDS110 = ["openocd", "-f", "interface/xds110.cfg"]
JLINK = ["openocd", "-f", "interface/jlink.cfg"]
PYOCD = ["pyocd", "load", "--target", "nrf52840", "--no-wait"]
PYOCD_IMAGE = ["--format", "elf", "/study/firmware.elf"]


@pytest.mark.parametrize(
    ("board", "options", "expected"),
    [
        ("collar", PLAIN, [*XDS110, *COLLAR, "-c", "reset init", *OPENOCD_WRITES]),
        (
            "collar",
            FlashOptions(probe="L4100009"),
            [*XDS110, "-c", "adapter serial {L4100009}", *COLLAR, "-c", "reset init", *OPENOCD_WRITES],
        ),
        (
            "collar",
            FlashOptions(allow_erase=True),
            [*XDS110, *COLLAR, "-c", "reset init", "-c", "flash erase_sector 0 0 last", *OPENOCD_WRITES],
        ),
        ("eartag", PLAIN, [*JLINK, *EARTAG, "-c", "reset init", *OPENOCD_WRITES]),
        (
            "eartag",
            FlashOptions(unlock=True),
            [*JLINK, *EARTAG, "-c", "nrf52_recover", "-c", "reset init", *OPENOCD_WRITES],
        ),
    ],
)
def test_openocd_argv_is_exact(board: str, options: FlashOptions, expected: list[str]) -> None:
    assert flash_argv(load_board(board), ELF, options) == expected


@pytest.mark.parametrize(
    ("options", "middle"),
    [
        (PLAIN, ["-O", "auto_unlock=false", "--erase", "sector"]),
        (FlashOptions(probe="1050"), ["--uid", "1050", "-O", "auto_unlock=false", "--erase", "sector"]),
        (FlashOptions(allow_erase=True), ["-O", "auto_unlock=false", "--erase", "chip"]),
        (FlashOptions(unlock=True), ["-O", "auto_unlock=true", "--erase", "sector"]),
    ],
)
def test_pyocd_argv_is_exact_and_never_unlocks_by_default(options: FlashOptions, middle: list[str]) -> None:
    assert flash_argv(load_board("eartag"), ELF, options, "pyocd") == [*PYOCD, *middle, *PYOCD_IMAGE]


@pytest.mark.parametrize(("board", "runner"), [("collar", None), ("eartag", None), ("eartag", "pyocd")])
def test_nothing_is_erased_or_unlocked_unless_asked(board: str, runner: str | None) -> None:
    words = " ".join(flash_argv(load_board(board), ELF, PLAIN, runner))
    for forbidden in ("recover", "mass_erase", "erase_sector", "chip", "auto_unlock=true", " unlock"):
        assert forbidden not in words


def test_openocd_takes_paths_with_blanks_and_braces() -> None:
    board = load_board("collar")
    assert "verify_image {/a b/f.elf}" in flash_argv(board, Path("/a b/f.elf"), PLAIN)
    assert r"verify_image /a\{b/f.elf" in flash_argv(board, Path("/a{b/f.elf"), PLAIN)


@pytest.mark.parametrize(
    ("board", "options", "runner", "words"),
    [
        ("collar", FlashOptions(unlock=True), None, ("--unlock", "openocd", "CC2650F128")),
        ("collar", PLAIN, "pyocd", ("pyocd", "openocd", "[flash.pyocd]")),
        ("eartag", PLAIN, "pyocdd", ("did you mean 'pyocd'",)),
        ("collar-emulated", PLAIN, None, ("no hardware", "--emulate")),
        ("native", PLAIN, None, ("no hardware", "--emulate")),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    board: str, options: FlashOptions, runner: str | None, words: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        flash_argv(load_board(board), ELF, options, runner)
    for word in words:
        assert word in str(caught.value)


def fake_program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_missing_program_names_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"openocd is not on the PATH.*install (openocd|open-ocd)"):
        flash(load_board("collar"), ELF, PLAIN)
    with pytest.raises(UserError, match="pip install pyocd"):
        flash(load_board("eartag"), ELF, PLAIN, "pyocd")


def test_flash_hands_the_program_exactly_the_argv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_program(tmp_path, "openocd", f'for word; do echo "$word"; done > {tmp_path}/seen')
    monkeypatch.setenv("PATH", str(tmp_path))
    argv = flash(load_board("collar"), ELF, PLAIN)
    assert (tmp_path / "seen").read_text().splitlines() == argv[1:]


def test_failing_program_becomes_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_program(tmp_path, "openocd", "echo 'Info : hello'; echo 'Error: No J-Link device found' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        flash(load_board("eartag"), ELF, PLAIN)
    message = str(caught.value)
    assert "no debug probe answers" in message
    assert "openocd said: No J-Link device found" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("Error: XDS110: failed to connect", "no debug probe answers"),
        ("0001806 E No target device available [load_cmd]", "no debug probe answers"),
        ("****** WARNING ******\nnRF52 device has AP lock engaged\nError: failed", "--unlock"),
        ("Error: Can't find target/ti_cc26x0.cfg", "does not know this board's scripts"),
        ("Error: checksum mismatch\nError: verify failed", "differs from what was written"),
        ("Error: something else", "something else"),
        ("", "nothing"),
    ],
)
def test_causes_are_told_apart(output: str, advice: str) -> None:
    assert advice in failure_sentence(load_board("eartag"), "openocd", output)
