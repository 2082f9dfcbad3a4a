"""OpenOCD as a flash runner: it erases the sectors that it writes, verifies and resets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mcukd.boards.debug_probes import first_of_several
from mcukd.boards.runners.runner import FlashOptions, Runner
from mcukd.boards.section import Section
from mcukd.errors import UserError


class OpenOcd(Section):
    """How OpenOCD reaches the chip: its interface and target scripts, and the transport between.

    adapter_khz: clock of the debug port in kHz; None leaves it to the target's script.
    unlock: OpenOCD command that erases and unlocks a protected chip, where the target script has one.
    after_unlock: commands that keep the chip open afterwards, run while the core is halted.
    """

    interface: str = Field(min_length=1)
    transport: Literal["jtag", "swd"]
    target: str = Field(min_length=1)
    adapter_khz: int | None = Field(default=None, gt=0, le=50_000)
    unlock: str | None = None
    after_unlock: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _unlocks_first(self) -> OpenOcd:
        if self.after_unlock and not self.unlock:
            raise ValueError("after_unlock is there, but unlock, after which it is run, is missing")
        return self


class OpenOcdRunner(Runner):
    """OpenOCD, controlled by Tcl commands on its command line."""

    name = "openocd"
    section = OpenOcd
    success = (r"\bwrote (\d+) bytes from file\b", r"\bverified (\d+) bytes\b")
    install = ("sudo apt-get install openocd", "brew install open-ocd")
    success_words = "'wrote … bytes from file' and 'verified … bytes'"

    def argv(self, facts: OpenOcd, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`. Raises UserError for --erase-chip."""
        if options.erase_chip:
            raise UserError(
                "--erase-chip: openocd is not told to erase settings kept outside the flash; add "
                "--allow-erase to erase the flash alone, or choose --runner pyocd where the board has it."
            )
        image = _tcl(firmware.as_posix())
        setup = ["-f", facts.interface]
        if options.probe:
            setup += ["-c", f"adapter serial {_tcl(options.probe)}"]
        setup += ["-c", f"transport select {facts.transport}", "-f", facts.target]
        if facts.adapter_khz is not None:
            # After the target's script, which may set a speed of its own.
            setup += ["-c", f"adapter speed {facts.adapter_khz}"]
        steps = ["init"]
        if options.unlock and facts.unlock:
            steps.append(facts.unlock)
        steps.append("reset init")
        if options.unlock:
            steps += facts.after_unlock
        if options.allow_erase:
            steps.append("flash erase_sector 0 0 last")
        steps += [f"flash write_image erase {image}", f"verify_image {image}", "reset run", "shutdown"]
        return [self.name, *setup, *(word for step in steps for word in ("-c", step))]

    def can_unlock(self, facts: OpenOcd) -> bool:
        """Tell whether the target script has a command that unlocks the chip."""
        return facts.unlock is not None

    def other_probes(self, facts: OpenOcd) -> dict[str, str]:
        """Return the connected probes where the interface script would take the first of several."""
        return first_of_several(facts.interface)


def _tcl(word: str) -> str:
    """Quote a word for OpenOCD's Tcl; braces keep every character but themselves and a backslash."""
    if not re.search(r"[{}\\]", word):
        return "{" + word + "}"
    return re.sub(r"([^\w./-])", r"\\\1", word)
