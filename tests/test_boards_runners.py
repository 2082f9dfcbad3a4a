from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.boards import debug_probes, processes, runners
from mcukd.boards.model import load_board
from mcukd.boards.runner_output import probes_in
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
            FlashOptions(allow_erase=True),
            [*XDS110, *COLLAR, "-c", "reset init", "-c", "flash erase_sector 0 0 last", *OPENOCD_WRITES],
        ),
        ("eartag", PLAIN, [*JLINK, *EARTAG, "-c", "reset init", *OPENOCD_WRITES]),
        (
            "eartag",
            FlashOptions(unlock=True),
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
        (FlashOptions(erase_chip=True), ["-O", "auto_unlock=false", "--erase", "chip"]),
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


WROTE = (
    "wrote 32768 bytes from file /study/firmware.elf in 1.5s (21.3 KiB/s)\n"
    "verified 32768 bytes in 0.4s (80.0 KiB/s)\n"
)
LOADED = (
    "0000672 I Loading /study/firmware.elf [load_cmd]\n"
    "[==================================================] 100%\n"
    "0003545 I Erased 40960 bytes (10 sectors), programmed 40960 bytes (10 pages), identical 0 bytes "
    "(0 pages) at 15.84 kB/s [loader]\n"
)
SAID = {"openocd": WROTE, "pyocd": LOADED}
RUNNERS = ("openocd", "pyocd")
#: What pyOCD 0.46 prints where two probes are connected, and asks.
TWO_PROBES = """\
  #   Probe/Board                Unique ID      Target
---------------------------------------------------------
  0   Segger J-Link OB           000683456789   n/a
  1   Arm DAPLink CMSIS-DAP      0240000034     n/a

Enter the number of the debug probe or 'q' to quit> """


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Put a program of this name on the PATH that says `says`, then runs `script`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(debug_probes, "_ports", list)

    def write(name: str, says: str = "", script: str = "") -> None:
        path = tmp_path / name
        (tmp_path / f"{name}.txt").write_text(says)
        path.write_text(f"#!/bin/sh\ncat {tmp_path}/{name}.txt\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def refusal(runner: str, options: FlashOptions = PLAIN) -> str:
    """The one sentence with which flashing the ear tag ends."""
    with pytest.raises(UserError) as caught:
        flash(load_board("eartag"), ELF, options, runner)
    message = str(caught.value)
    assert "\n" not in message and message.endswith("."), message
    assert message.startswith("eartag was not flashed"), message
    return message


def test_missing_program_names_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"openocd is not on the PATH.*install (openocd|open-ocd)"):
        flash(load_board("collar"), ELF, PLAIN)
    with pytest.raises(UserError, match="pip install pyocd"):
        flash(load_board("eartag"), ELF, PLAIN, "pyocd")


@pytest.mark.parametrize(("board", "runner"), [("collar", "openocd"), ("eartag", "pyocd")])
def test_flash_hands_the_program_exactly_the_argv(
    fake: Callable[..., None], tmp_path: Path, board: str, runner: str
) -> None:
    fake(runner, SAID[runner], f'for word; do echo "$word"; done > {tmp_path}/seen')
    argv = flash(load_board(board), ELF, PLAIN, runner)
    assert (tmp_path / "seen").read_text().splitlines() == argv[1:]


@pytest.mark.parametrize("runner", RUNNERS)
def test_standard_input_is_closed(fake: Callable[..., None], tmp_path: Path, runner: str) -> None:
    """A question ends at once instead of waiting for an answer that nobody sees it wants."""
    fake(runner, "Go on? ", f"read answer; echo $? > {tmp_path}/read; exit 1")
    start = time.monotonic()
    assert f"{runner} said: Go on?" in refusal(runner)
    assert time.monotonic() - start < 5
    assert (tmp_path / "read").read_text().strip() == "1"


def test_two_probes_are_named_with_the_flag(fake: Callable[..., None]) -> None:
    fake(
        "pyocd",
        TWO_PROBES,
        "read n || { echo '0000829 C Error: EOF when reading a line [__main__]'; exit 1; }",
    )
    message = refusal("pyocd")
    assert "name one with --probe SERIAL" in message
    assert "000683456789 (Segger J-Link OB), 0240000034 (Arm DAPLink CMSIS-DAP)" in message
    assert "cable" not in message


@pytest.mark.parametrize("script", ["exit 0", "read n; exit 0", "exit 1"])
def test_two_probes_are_named_however_the_runner_ends(fake: Callable[..., None], script: str) -> None:
    fake("pyocd", TWO_PROBES, script)
    assert "--probe SERIAL; connected are 000683456789" in refusal("pyocd")


@pytest.mark.parametrize(
    "says",
    [
        "Error: Multiple devices found, specify the desired device",
        "Error: multiple matching CMSIS-DAP adapters; choose one",
        "Error: more than one ST-LINK device",
    ],
)
def test_openocd_with_two_probes_names_those_that_pyocd_lists(fake: Callable[..., None], says: str) -> None:
    fake("openocd", f"{says}\n", "exit 1")
    message = refusal("openocd")
    assert "name one with --probe SERIAL" in message and "'pyocd list'" in message
    fake("pyocd", TWO_PROBES.split("Enter")[0])
    assert "connected are 000683456789 (Segger J-Link OB), 0240000034" in refusal("openocd")


def test_the_first_of_two_xds110_is_not_taken_in_silence(
    fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenOCD's driver takes the first; a probe has two serial ports of one number."""
    fake("openocd", WROTE)
    another = SimpleNamespace(vid=0x0451, pid=0x3410, serial_number="L3")  # of TI, and no probe
    ports = [SimpleNamespace(vid=0x0451, pid=0xBEF3, serial_number=n) for n in ("L1", "L1", "L2", "L2")]
    ports.append(another)
    monkeypatch.setattr(debug_probes, "_ports", lambda: ports)
    with pytest.raises(
        UserError, match=r"--probe SERIAL; connected are L1 \(TI XDS110\), L2 \(TI XDS110\)\."
    ):
        flash(load_board("collar"), ELF, PLAIN)
    assert flash(load_board("collar"), ELF, FlashOptions(probe="L2"))
    monkeypatch.setattr(debug_probes, "_ports", lambda: [*ports[:2], another])
    assert flash(load_board("collar"), ELF, PLAIN)


@pytest.mark.parametrize(
    ("runner", "says"),
    [
        (
            "pyocd",
            "No connected debug probe matches unique ID '77'\n0000829 E No target device available",
        ),
        ("openocd", "Error: No J-Link device found"),
    ],
)
def test_a_probe_that_is_not_there_is_named_with_those_that_are(
    fake: Callable[..., None], runner: str, says: str
) -> None:
    listed = f"[ \"$1\" = list ] && cat << 'END'\n{TWO_PROBES.split('Enter')[0]}\nEND\nexit 1"
    fake("pyocd", "", listed)
    fake(runner, f"{says}\n", listed)
    message = refusal(runner, FlashOptions(probe="77"))
    assert "no debug probe with the serial number 77 answers (connected: 000683456789 (Segger" in message


def test_a_number_that_fits_two_probes_is_asked_whole(fake: Callable[..., None]) -> None:
    says = "More than one debug probe matches unique ID '00':\nJ-Link | 000683456789\nJ-Link | 000683456788"
    fake("pyocd", f"{says}\n0000829 E No target device available [load_cmd]\n", "exit 1")
    message = refusal("pyocd", FlashOptions(probe="00"))
    assert "--probe 00 fits several debug probes" in message and "000683456788 (J-Link)" in message


# Success is what the runner says, not how it ends


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "says", ["", "Open On-Chip Debugger 0.12.0\n", "Error: something\n", "error: x\n", "done"]
)
def test_a_runner_that_ends_well_without_its_words_did_not_flash(
    fake: Callable[..., None], runner: str, says: str
) -> None:
    fake(runner, says, "exit 0")
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
    fake: Callable[..., None], runner: str, error: str
) -> None:
    fake(runner, f"{SAID[runner]}{error}\n", "exit 0")
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
    fake: Callable[..., None], runner: str, says: str
) -> None:
    fake(runner, says, "exit 0")
    refusal(runner)


def test_what_succeeds(fake: Callable[..., None]) -> None:
    """An empty chip is locked up until it is halted; an image that is on the chip already is not written."""
    fake("openocd", f"Error: nrf52.cpu -- clearing lockup after double fault\n{WROTE}")
    assert flash(load_board("eartag"), ELF, PLAIN)
    same = LOADED.replace("programmed 40960", "programmed 0").replace("identical 0", "identical 40960")
    fake("pyocd", same)
    assert flash(load_board("eartag"), ELF, PLAIN, "pyocd")
    fake("pyocd", LOADED.replace("identical", "skipped"))
    assert flash(load_board("eartag"), ELF, PLAIN, "pyocd")


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_runner_that_does_not_end_is_stopped_with_all_it_started(
    fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runner: str
) -> None:
    monkeypatch.setattr(runners, "_SECONDS", 0.5)
    fake(runner, "Info : Listening on port 3333\n", f"(sleep 60 & echo $! > {tmp_path}/child; wait)")
    start = time.monotonic()
    message = refusal(runner)
    assert time.monotonic() - start < 20
    assert "did not end within 0.5 s and was stopped; it said: Info : Listening" in message
    assert "What the chip holds now is not known: flash it again." in message
    assert "cable" not in message and "power" not in message
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_prompt_that_waits_all_the_same_is_told_by_its_words(
    fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    monkeypatch.setattr(runners, "_SECONDS", 0.5)
    fake(runner, TWO_PROBES, "sleep 60")
    message = refusal(runner)
    assert "name one with --probe SERIAL; connected are 000683456789" in message
    assert "did not end within 0.5 s" in message and "cable" not in message


def test_output_that_is_no_text_and_a_crash_are_sentences(fake: Callable[..., None]) -> None:
    fake("openocd", "", "printf '\\377\\376 strange'; kill -SEGV $$")
    assert "openocd was ended by signal 11" in refusal("openocd")


def test_failing_program_becomes_one_sentence(fake: Callable[..., None]) -> None:
    fake("openocd", "Info : hello\n", "echo 'Error: No J-Link device found' >&2; exit 1")
    message = refusal("openocd")
    assert "no debug probe answers" in message
    assert "openocd said: No J-Link device found" in message


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("Error: XDS110: failed to connect", "no debug probe answers"),
        ("0001806 E No target device available [load_cmd]", "no debug probe answers"),
        (
            "No connected debug probes\n0001022 E No target device available [load_cmd]",
            "no debug probe answers",
        ),
        ("Error: unable to find a matching CMSIS-DAP device", "no debug probe answers"),
        ("Error: unable to open ftdi device with vid 0403, pid 6010", "no debug probe answers"),
        ("Error: open failed", "no debug probe answers"),
        ("Error: libusb_open() failed with LIBUSB_ERROR_ACCESS", "you may not use the probe"),
        ("Error: libusb_open() failed with LIBUSB_ERROR_BUSY", "another program uses the probe"),
        ("Error: couldn't bind tcl to socket on port 6666: Address already in use", "another program uses"),
        ("****** WARNING ******\nnRF52 device has AP lock engaged\nError: failed", "--unlock"),
        (
            "0000400 W NRF52840 APPROTECT enabled: not automatically unlocking [target_nRF52]\n"
            "0000500 C Memory transfer fault @ 0xe000ed00 [__main__]",
            "the chip is locked: --unlock",
        ),
        ("0000400 E NRF52840: mass erase failed [target_nRF52]", "did not unlock"),
        ("Error: JTAG scan chain interrogation failed: all ones", "no chip answers behind it"),
        ("Error: Error connecting DP: cannot read IDR", "no chip answers behind it"),
        ("0000500 C No ACK received [__main__]", "no chip answers behind it"),
        ("Error: cc26x0.cpu: IR capture error; saw 0x0f\nError: UNEXPECTED: 0x12345678", "another chip than"),
        ("Error: Can't find target/ti_cc26x0.cfg", "does not know this board's scripts"),
        (
            "embedded:startup.tcl:28: Error: Can't find interface/xds110.cfg",
            "does not know this board's scripts",
        ),
        ('invalid command name "nrf52_recover"', "does not know this board's scripts"),
        ("pyocd load: error: argument -e/--erase: invalid choice: 'x'", "does not know this board's scripts"),
        ("Error: couldn't open /study/firmware.elf", "cannot read the image"),
        ("Error: checksum mismatch\nError: verify failed", "differs from what was written"),
        ("diff 0 address 0x00000010. Was 0xff instead of 0x00", "differs from what was written"),
        ("Error: failed erasing sectors 0 to 12", "did not take what was written"),
        ("0000500 E flash program page failure (address 0x1000; result code 0x1)", "did not take what was"),
        (
            "Warn : no flash bank found for address 0x20000000\nwrote 0 bytes from file x",
            "outside the memory",
        ),
        ("Error: timed out while waiting for target halted", "did not halt"),
        ("Error: Target not halted", "did not halt"),
        ("Error: something else", "something else"),
        ("", "nothing"),
    ],
)
def test_causes_are_told_apart(output: str, advice: str) -> None:
    message = failure_sentence(load_board("eartag"), "openocd", output)
    assert advice in message
    assert ("cable" in message) == ("no debug probe" in advice or "behind it" in advice)


def test_a_halt_that_times_out_after_verifying_is_no_mismatch() -> None:
    """What counts is the line that tells of the failure, not a word on another."""
    output = (
        f"{WROTE}Error: timed out while waiting for target halted\nError: TARGET: nrf52.cpu - Not halted\n"
    )
    message = failure_sentence(load_board("eartag"), "openocd", output)
    assert message.startswith("eartag was not flashed to the end, because the chip did not halt")
    assert "differs" not in message and "timed out while waiting for target halted" in message
    locked = failure_sentence(
        load_board("eartag"), "openocd", "nRF52 device has AP lock engaged", FlashOptions(unlock=True)
    )
    assert "still locked after --unlock" in locked


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
    monkeypatch.setattr(debug_probes, "_ports", list)
    board = load_board("eartag")
    assert "the chip is locked: --unlock" in refusal(runner)
    assert flash(board, ELF, FlashOptions(unlock=True), runner)
    assert flash(board, ELF, PLAIN, runner)
    assert flash(board, ELF, PLAIN, runner)
    if runner == "pyocd":
        assert flash(board, ELF, FlashOptions(erase_chip=True), runner)
        assert "the chip is locked" in refusal(runner)
    else:
        assert flash(board, ELF, FlashOptions(allow_erase=True), runner)
        assert flash(board, ELF, PLAIN, runner)
    assert board.flash is not None and board.flash.openocd is not None
    if runner == "openocd":
        forgetful = board.flash.openocd.model_copy(update={"after_unlock": ()})
        facts = board.flash.model_copy(update={"openocd": forgetful})
        assert flash(board.model_copy(update={"flash": facts}), ELF, FlashOptions(unlock=True), runner)
        assert "the chip is locked" in refusal(runner)


# Runners that go wrong in other ways


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    "line",
    ["Fatal: could not reset the target", "Failed to reset and run", "FAILED: reset timed out", "failure"],
)
def test_a_failure_after_the_words_of_success_is_one(
    fake: Callable[..., None], runner: str, line: str
) -> None:
    fake(runner, f"{SAID[runner]}{line}\n", "exit 0")
    assert "was not flashed to the end" in refusal(runner)


def test_a_runner_that_asks_without_end_is_stopped_before_it_fills_the_memory(
    fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some ask again where an answer is empty, as it always is from a closed input."""
    fake("pyocd", "", "while true; do printf 'Enter the number of the debug probe> '; read n; done")
    monkeypatch.setattr(processes, "MOST_OUTPUT", 1 << 14)
    start = time.monotonic()
    message = refusal("pyocd")
    assert time.monotonic() - start < 20
    assert "name one with --probe SERIAL" in message and "went on talking without end" in message
    assert len(message) < 800


def test_a_runner_that_leaves_something_running_has_ended_all_the_same(
    fake: Callable[..., None], tmp_path: Path
) -> None:
    """What it left holds the pipe open, and is ended with it."""
    fake("openocd", WROTE, f"sleep 60 & echo $! > {tmp_path}/child; exit 0")
    start = time.monotonic()
    assert flash(load_board("eartag"), ELF, PLAIN, "openocd")
    assert time.monotonic() - start < 20
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def test_several_probes_are_told_beside_a_pyocd_that_cannot_run(
    fake: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "pyocd").write_text("#!/no/such/python\n")
    (tmp_path / "pyocd").chmod(0o755)
    fake("openocd", "Error: multiple devices found\n", "exit 1")
    assert "name one with --probe SERIAL ('pyocd list' shows" in refusal("openocd")
    assert "cannot be run" in refusal_of_a_program("pyocd")


def refusal_of_a_program(runner: str) -> str:
    with pytest.raises(UserError) as caught:
        flash(load_board("eartag"), ELF, PLAIN, runner)
    return str(caught.value)


@pytest.mark.parametrize(
    "says",
    [
        "Error: Found 2 J-Link probes connected, use adapter serial",
        "Error: CMSIS-DAP: ambiguous; name one",
        "Error: 2 matching adapters found",
        "Error: 12 devices connected",
    ],
)
def test_several_probes_in_other_words(fake: Callable[..., None], says: str) -> None:
    fake("openocd", f"{says}\n", "exit 1")
    assert "name one with --probe SERIAL" in refusal("openocd")


def test_one_probe_that_is_not_found_is_not_several(fake: Callable[..., None]) -> None:
    fake("openocd", "Error: 1 device found, 0 devices match\nError: No J-Link device found\n", "exit 1")
    assert "several" not in refusal("openocd")


@pytest.mark.parametrize(
    "line",
    [
        "Info : CMSIS-DAP: Serial# = E6605838839B7F23",
        "serial number: E6605838839B7F23",
        "Serial=E6605838839B7F23",
    ],
)
def test_serial_numbers_are_read_in_other_spellings(line: str) -> None:
    assert list(probes_in(line)) == ["E6605838839B7F23"]


def test_words_in_the_path_of_the_image_are_no_cause(fake: Callable[..., None]) -> None:
    image = Path("/home/verify failed/APPROTECT enabled/several probes/firmware.elf")
    fake("openocd", f"Error: couldn't open {image}\n", "exit 1")
    with pytest.raises(UserError, match="the runner cannot read the image"):
        flash(load_board("eartag"), image, PLAIN, "openocd")


def test_a_status_without_an_error_and_a_traceback_are_said(fake: Callable[..., None]) -> None:
    fake("openocd", WROTE, "exit 3")
    assert "was not flashed to the end; openocd ended with status 3 (openocd said: verified" in refusal(
        "openocd"
    )
    fake("pyocd", "Traceback (most recent call last):\n  File x\nValueError: bad pack\n", "exit 1")
    assert refusal("pyocd") == "eartag was not flashed; pyocd said: ValueError: bad pack."


def test_a_probe_that_an_error_misses_is_not_listed_as_connected(fake: Callable[..., None]) -> None:
    fake("openocd", "Error: No J-Link device with serial number 77 found\n", "exit 1")
    message = refusal("openocd", FlashOptions(probe="77"))
    assert "serial number 77 answers (connected: nothing)" in message


def test_of_several_probes_not_only_the_one_that_was_opened_is_listed(fake: Callable[..., None]) -> None:
    fake("openocd", "Info : Serial# = 0240000034\nError: multiple matching CMSIS-DAP adapters\n", "exit 1")
    fake("pyocd", TWO_PROBES.split("Enter")[0])
    message = refusal("openocd")
    assert "000683456789 (Segger J-Link OB)" in message and "0240000034 (Arm DAPLink" in message


_WORDS = [
    "Error:", "\r", "\n", "\x1b[31m", "\0", "\u2028", "wrote 5 bytes from file", "verified 5 bytes",
    "programmed 0 bytes", "0001 E ", "0001 I ", "0  J-Link   123  n/a", "a | 12", "serial number", "failed",
    "Traceback (most recent", "halt", "timed out", "no device found", "locked", "** Verify Failed **",
    "9" * 400, "ambiguous", "found 2 probes",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(_WORDS), max_size=9),
    st.sampled_from(["", " ", "\n"]),
    st.sampled_from(RUNNERS),
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_runner_says_becomes_one_readable_sentence(said: list[str], gap: str, runner: str) -> None:
    output = gap.join(said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runners, "probes_of", probes_in)
        for status, stopped in ((0, None), (3, None), (-9, None), (None, "did not end within 300 s")):
            message = failure_sentence(load_board("eartag"), runner, output, PLAIN, status, stopped)
            assert message.isprintable() and message.endswith(".") and len(message) < 900
