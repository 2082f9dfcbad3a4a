"""Flashing: the exact command of each runner, what it may erase, and when it counts as done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.runners import ELF, LOADED, PLAIN, RUNNERS, SAID, WROTE, refusal

from mcukd.boards import debug_probes
from mcukd.boards.flashing import FlashOptions, flash, flash_argv
from mcukd.boards.model import load_board
from mcukd.errors import UserError

OPENOCD_WRITES = [
    "-c", "flash write_image erase {/study/firmware.elf}",
    "-c", "verify_image {/study/firmware.elf}",
    "-c", "reset run",
    "-c", "shutdown",
]  # fmt: skip
COLLAR = [
    "-c", "transport select jtag",
    "-f", "target/ti_cc26x0.cfg",
    "-c", "adapter speed 5500",
    "-c", "init",
]  # fmt: skip
EARTAG = ["-c", "transport select swd", "-f", "target/nrf52.cfg", "-c", "init"]
#: After an unlock UICR.APPROTECT gets 0x5A, or the next power cycle locks the chip again.
KEEP_OPEN = [
    "-c", "mww 0x4001E504 1",
    "-c", "mww 0x10001208 0x5A",
    "-c", "sleep 1",
    "-c", "mww 0x4001E504 0",
    "-c", "if {[string first 0000005a [string tolower [capture {mdw 0x10001208}]]] < 0} "
          "{error {Error: UICR.APPROTECT was not written}}",
]  # fmt: skip
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
            FlashOptions(allow_erase=True, erase_provisioning=True),
            [*XDS110, *COLLAR, "-c", "reset init", "-c", "flash erase_sector 0 0 last", *OPENOCD_WRITES],
        ),
        ("eartag", PLAIN, [*JLINK, *EARTAG, "-c", "reset init", *OPENOCD_WRITES]),
        (
            "eartag",
            FlashOptions(unlock=True, erase_provisioning=True),
            [*JLINK, *EARTAG, "-c", "nrf52_recover", "-c", "reset init", *KEEP_OPEN, *OPENOCD_WRITES],
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
        (
            FlashOptions(erase_chip=True, erase_provisioning=True),
            ["-O", "auto_unlock=false", "--erase", "chip"],
        ),
        (FlashOptions(unlock=True, erase_provisioning=True), ["-O", "auto_unlock=true", "--erase", "sector"]),
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
        ("collar", FlashOptions(erase_chip=True), None, ("--erase-chip", "--allow-erase")),
        ("eartag", FlashOptions(erase_chip=True), "openocd", ("--erase-chip", "--runner pyocd")),
        (
            "eartag",
            FlashOptions(allow_erase=True),
            "pyocd",
            ("--allow-erase", "UICR too", "reset pin", "--runner openocd", "--erase-chip"),
        ),
        (
            "eartag",
            FlashOptions(erase_chip=True, unlock=True),
            "pyocd",
            ("--erase-chip and --unlock exclude each other",),
        ),
        ("collar", PLAIN, "pyocd", ("pyocd", "openocd", "[flash.pyocd]")),
        ("eartag", PLAIN, "pyocdd", ("did you mean 'pyocd'",)),
        (
            "collar",
            FlashOptions(allow_erase=True),
            None,
            ("--allow-erase erases what the tag was told", "keys", "its log", "--erase-provisioning if"),
        ),
        ("eartag", FlashOptions(unlock=True), None, ("--unlock erases what the tag was told",)),
        ("eartag", FlashOptions(erase_chip=True), "pyocd", ("--erase-chip erases what the tag was told",)),
        ("eartag", FlashOptions(erase_provisioning=True), None, ("erases nothing by itself", "--remove")),
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


def test_missing_program_names_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"openocd is not on the PATH.*install (openocd|open-ocd)"):
        flash(load_board("collar"), ELF, PLAIN)
    with pytest.raises(UserError, match="pip install pyocd"):
        flash(load_board("eartag"), ELF, PLAIN, "pyocd")


@pytest.mark.parametrize(("board", "runner"), [("collar", "openocd"), ("eartag", "pyocd")])
def test_flash_hands_the_program_exactly_the_argv(
    fake_runner: Callable[..., None], tmp_path: Path, board: str, runner: str
) -> None:
    fake_runner(runner, SAID[runner], f'for word; do echo "$word"; done > {tmp_path}/seen')
    argv = flash(load_board(board), ELF, PLAIN, runner)
    assert (tmp_path / "seen").read_text().splitlines() == argv[1:]


# Success is what the runner says, not how it ends


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "says", ["", "Open On-Chip Debugger 0.12.0\n", "Error: something\n", "error: x\n", "done"]
)
def test_a_runner_that_ends_well_without_its_words_did_not_flash(
    fake_runner: Callable[..., None], runner: str, says: str
) -> None:
    fake_runner(runner, says, "exit 0")
    message = refusal(runner)
    if "rror" not in says:
        assert "ended without an error, but without saying" in message


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "error",
    [
        "Error: Cannot access nRF52 CTRL-AP!",
        "embedded:startup.tcl:28: Error: Can't find mem_helper.tcl",
        "** Verify Failed **",
        "0004000 E flash program page failure [loader]",
        "0004000 C Memory transfer fault [__main__]",
        "Error",
    ],
)
def test_an_error_is_one_even_with_all_the_words_and_status_0(
    fake_runner: Callable[..., None], runner: str, error: str
) -> None:
    fake_runner(runner, f"{SAID[runner]}{error}\n", "exit 0")
    assert "was not flashed to the end" in refusal(runner)


@pytest.mark.parametrize(
    ("runner", "says"),
    [
        ("openocd", WROTE.replace("32768", "0")),
        ("openocd", WROTE.splitlines()[0]),
        ("openocd", WROTE.splitlines()[1]),
        ("openocd", LOADED),
        ("pyocd", LOADED.replace("40960", "0")),
        ("pyocd", "[==================================================] 100%"),
        ("pyocd", WROTE),
    ],
)
def test_half_the_words_no_bytes_and_others_words_do_not_count(
    fake_runner: Callable[..., None], runner: str, says: str
) -> None:
    fake_runner(runner, says, "exit 0")
    refusal(runner)


def test_what_succeeds(fake_runner: Callable[..., None]) -> None:
    """An empty chip is locked up until it is halted; an image that is on the chip already is not written."""
    fake_runner("openocd", f"Error: nrf52.cpu -- clearing lockup after double fault\n{WROTE}")
    assert flash(load_board("eartag"), ELF, PLAIN)
    same = LOADED.replace("programmed 40960", "programmed 0").replace("identical 0", "identical 40960")
    fake_runner("pyocd", same)
    assert flash(load_board("eartag"), ELF, PLAIN, "pyocd")
    fake_runner("pyocd", LOADED.replace("identical", "skipped"))
    assert flash(load_board("eartag"), ELF, PLAIN, "pyocd")


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "line",
    ["Fatal: could not reset the target", "Failed to reset and run", "FAILED: reset timed out", "failure"],
)
def test_a_failure_after_the_words_of_success_is_one(
    fake_runner: Callable[..., None], runner: str, line: str
) -> None:
    fake_runner(runner, f"{SAID[runner]}{line}\n", "exit 0")
    assert "was not flashed to the end" in refusal(runner)


#: A chip of build code F behind either runner: each run comes after a power cycle, which locks it unless UICR
#: holds 0x5A. OpenOCD unlocks by its command and writes what it is told; pyOCD writes UICR after an unlock.
CHIP = """\
import sys
from pathlib import Path

uicr, said = Path(sys.argv[0]).with_suffix(".uicr"), " ".join(sys.argv[1:])
if "nrf52_recover" in said or "auto_unlock=true" in said:
    uicr.write_text("0x5A" if "auto_unlock=true" in said else "open until the next power cycle")
if not uicr.exists() or uicr.read_text() == "":
    print("nRF52 device has AP lock engaged (see UICR APPROTECT register).")
    sys.exit(1)
if "--erase chip" in said:
    uicr.write_text("")
writes = said.split("flash write_image")[0]
if "mww 0x4001E504 1 -c mww 0x10001208 0x5A" in writes.split("nrf52_recover")[-1]:
    uicr.write_text("0x5A")
elif uicr.read_text() != "0x5A":
    uicr.write_text("")
print("wrote 9 bytes from file x\\nverified 9 bytes\\nI Erased 9 bytes, programmed 9 bytes (1 page)")
"""


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_second_flash_of_a_chip_that_locks_itself_needs_no_unlock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runner: str
) -> None:
    program = tmp_path / runner
    program.write_text(f"#!{sys.executable}\n{CHIP}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debug_probes, "serial_ports", list)
    board = load_board("eartag")
    assert "the chip is locked: --unlock" in refusal(runner)
    assert flash(board, ELF, FlashOptions(unlock=True, erase_provisioning=True), runner)
    assert flash(board, ELF, PLAIN, runner)
    assert flash(board, ELF, PLAIN, runner)
    if runner == "pyocd":
        assert flash(board, ELF, FlashOptions(erase_chip=True, erase_provisioning=True), runner)
        assert "the chip is locked" in refusal(runner)
    else:
        assert flash(board, ELF, FlashOptions(allow_erase=True, erase_provisioning=True), runner)
        assert flash(board, ELF, PLAIN, runner)
    assert board.flash is not None and board.flash.openocd is not None
    if runner == "openocd":
        forgetful = board.flash.openocd.model_copy(update={"after_unlock": ()})
        facts = board.flash.model_copy(update={"openocd": forgetful})
        assert flash(
            board.model_copy(update={"flash": facts}),
            ELF,
            FlashOptions(unlock=True, erase_provisioning=True),
            runner,
        )
        assert "the chip is locked" in refusal(runner)
