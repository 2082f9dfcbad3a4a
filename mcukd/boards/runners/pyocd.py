"""pyOCD as a flash runner: it erases the sectors that it writes and resets.

pyOCD of itself unlocks a protected chip by erasing it; the option auto_unlock turns that off.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mcukd.boards.runners.runner import FlashOptions, Runner
from mcukd.boards.section import Section
from mcukd.errors import UserError


class PyOcd(Section):
    """How pyOCD names the chip. chip_erase_loses: what its chip erase destroys beyond the flash."""

    target: str = Field(min_length=1)
    chip_erase_loses: str | None = None


class PyOcdRunner(Runner):
    """pyOCD, controlled by options of its command `load`."""

    name = "pyocd"
    section = PyOcd
    success = (r"\bprogrammed (\d+) bytes\b(?:.*?\b(?:identical|skipped) (\d+) bytes\b)?",)
    install = ("pip install pyocd", "pip install pyocd")
    success_words = "'programmed … bytes'"

    def argv(self, facts: PyOcd, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`. Raises UserError for --allow-erase."""
        if options.allow_erase:
            raise UserError(
                "--allow-erase: pyocd erases either the sectors that it writes or the whole chip, "
                f"{_lost(facts)}. Leave --allow-erase out, use --runner openocd where the board has it, "
                "which erases the flash alone, or add --erase-chip instead if all that may go."
            )
        if options.erase_chip and options.unlock:
            raise UserError(
                "--erase-chip and --unlock exclude each other: unlocking erases everything already, and "
                "erasing the chip after it would lock it again."
            )
        probe = ["--uid", options.probe] if options.probe else []
        unlock = "true" if options.unlock else "false"
        erase = "chip" if options.erase_chip else "sector"
        return [
            self.name, "load",
            "--target", facts.target,
            "--no-wait",
            *probe,
            "-O", f"auto_unlock={unlock}",
            "--erase", erase,
            "--format", "elf",
            str(firmware),
        ]  # fmt: skip

    def can_unlock(self, facts: PyOcd) -> bool:
        """Tell that it unlocks any chip it knows."""
        return True

    def chip_erase_loses(self, facts: PyOcd) -> str:
        """Return what the board file says is lost."""
        return facts.chip_erase_loses or "all"


def _lost(facts: PyOcd) -> str:
    return f"which erases {facts.chip_erase_loses or 'its settings too'}"
