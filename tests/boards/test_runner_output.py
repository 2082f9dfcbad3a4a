"""Output of flash runners as one sentence: what failed, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builders.runners import PLAIN, RUNNERS, WROTE, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.boards import flashing
from mcukd.boards.flashing import FlashOptions, failure_sentence, flash
from mcukd.boards.model import load_board
from mcukd.boards.runner_output import probes_in
from mcukd.errors import UserError


def test_failing_program_becomes_one_sentence(fake_runner: Callable[..., None]) -> None:
    fake_runner("openocd", "Info : hello\n", "echo 'Error: No J-Link device found' >&2; exit 1")
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


def test_words_in_the_path_of_the_image_are_no_cause(fake_runner: Callable[..., None]) -> None:
    image = Path("/home/verify failed/APPROTECT enabled/several probes/firmware.elf")
    fake_runner("openocd", f"Error: couldn't open {image}\n", "exit 1")
    with pytest.raises(UserError, match="the runner cannot read the image"):
        flash(load_board("eartag"), image, PLAIN, "openocd")


def test_a_status_without_an_error_and_a_traceback_are_said(fake_runner: Callable[..., None]) -> None:
    fake_runner("openocd", WROTE, "exit 3")
    assert "was not flashed to the end; openocd ended with status 3 (openocd said: verified" in refusal(
        "openocd"
    )
    fake_runner("pyocd", "Traceback (most recent call last):\n  File x\nValueError: bad pack\n", "exit 1")
    assert refusal("pyocd") == "eartag was not flashed; pyocd said: ValueError: bad pack."


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
        patch.setattr(flashing, "probes_of", probes_in)
        for status, stopped in ((0, None), (3, None), (-9, None), (None, "did not end within 300 s")):
            message = failure_sentence(load_board("eartag"), runner, output, PLAIN, status, stopped)
            assert message.isprintable() and message.endswith(".") and len(message) < 900
