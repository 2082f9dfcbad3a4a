"""Stand-ins for OpenOCD and pyOCD that print what the real ones print."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.boards.flashing import FlashOptions, flash
from mcukd.boards.model import load_board
from mcukd.errors import UserError

ELF = Path("/study/firmware.elf")
PLAIN = FlashOptions()
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


def refusal(runner: str, options: FlashOptions = PLAIN) -> str:
    """The one sentence with which flashing the ear tag ends."""
    with pytest.raises(UserError) as caught:
        flash(load_board("eartag"), ELF, options, runner)
    message = str(caught.value)
    assert "\n" not in message and message.endswith("."), message
    assert message.startswith("eartag was not flashed"), message
    return message
