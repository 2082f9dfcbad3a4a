"""Flashes boards through a debug probe. A runner is a name, what it can do, and an argument list.

Nothing is erased beyond the sectors that are written, and no chip is unlocked, unless the caller says so:
both destroy what else the chip holds, such as settings and calibration.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mcukd.boards.model import Board, OpenOcd, PyOcd
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError
from mcukd.wording import did_you_mean, listed

_SECONDS = 300


@dataclass(frozen=True)
class FlashOptions:
    """probe: serial number of the probe, where several are connected.

    allow_erase: erase the whole flash first. unlock: let the runner unlock a protected chip, which erases it.
    """

    probe: Optional[str] = None
    allow_erase: bool = False
    unlock: bool = False


class OpenOcdRunner:
    """OpenOCD: erases the sectors it writes, verifies, resets."""

    name = "openocd"

    def __init__(self, facts: OpenOcd) -> None:
        self.facts = facts
        self.can_unlock = facts.unlock is not None

    def argv(self, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`."""
        image = _tcl(firmware.as_posix())
        setup = ["-f", self.facts.interface]
        if options.probe:
            setup += ["-c", f"adapter serial {_tcl(options.probe)}"]
        setup += ["-c", f"transport select {self.facts.transport}", "-f", self.facts.target]
        steps = ["init"]
        if options.unlock and self.facts.unlock:
            steps.append(self.facts.unlock)
        steps.append("reset init")
        if options.allow_erase:
            steps.append("flash erase_sector 0 0 last")
        steps += [f"flash write_image erase {image}", f"verify_image {image}", "reset run", "shutdown"]
        return [self.name, *setup, *(word for step in steps for word in ("-c", step))]


class PyOcdRunner:
    """pyOCD: erases the sectors it writes, resets. Its own default is to unlock by erasing the chip."""

    name = "pyocd"
    can_unlock = True

    def __init__(self, facts: PyOcd) -> None:
        self.facts = facts

    def argv(self, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`."""
        probe = ["--uid", options.probe] if options.probe else []
        unlock = "true" if options.unlock else "false"
        erase = "chip" if options.allow_erase else "sector"
        return [
            self.name, "load",
            "--target", self.facts.target,
            "--no-wait",
            *probe,
            "-O", f"auto_unlock={unlock}",
            "--erase", erase,
            "--format", "elf",
            str(firmware),
        ]  # fmt: skip


def runner_for(board: Board, name: Optional[str] = None) -> OpenOcdRunner | PyOcdRunner:
    """Return the board's runner, by default the one its file names.

    Raises UserError for a board without hardware and for a runner that the board has no facts for.
    """
    if board.flash is None:
        raise UserError(
            f"board {board.name!r} is no hardware and cannot be flashed; add --emulate to run it instead."
        )
    offered = {
        runner.name: runner
        for runner in (
            OpenOcdRunner(board.flash.openocd) if board.flash.openocd else None,
            PyOcdRunner(board.flash.pyocd) if board.flash.pyocd else None,
        )
        if runner is not None
    }
    wanted = name or board.flash.runner
    if wanted not in offered:
        raise UserError(
            f"--runner is {wanted!r}{did_you_mean(wanted, offered)}, but {board.name} can be flashed with "
            f"{listed(offered)}; another runner needs a section [flash.{wanted}] in its board file."
        )
    return offered[wanted]


def flash_argv(
    board: Board, firmware: Path, options: FlashOptions, runner: Optional[str] = None
) -> list[str]:
    """Return the exact argument list that flashes `firmware` onto a board.

    Raises UserError where the runner cannot do what the options ask for.
    """
    chosen = runner_for(board, runner)
    if options.unlock and not chosen.can_unlock:
        raise UserError(
            f"--unlock: {chosen.name} cannot unlock the {board.mcu}; use the maker's own tool for that."
        )
    return chosen.argv(firmware, options)


def flash(board: Board, firmware: Path, options: FlashOptions, runner: Optional[str] = None) -> list[str]:
    """Flash `firmware` onto a board and return the argument list that did it.

    Raises UserError for a missing program, a missing probe, a locked chip and whatever else the runner says.
    """
    argv = flash_argv(board, firmware, options, runner)
    program = require_tool(argv[0], f"flash {board.name}")
    try:
        result = subprocess.run(
            [program, *argv[1:]], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{argv[0]} did not finish within {_SECONDS} s; check the probe's cable and the board's power, "
            "then flash again."
        ) from None
    if result.returncode:
        raise UserError(failure_sentence(board, argv[0], result.stdout + result.stderr))
    return argv


#: What runners say → what to do about it. The first match counts.
_CAUSES: Sequence[tuple[str, str]] = (
    (
        r"AP lock engaged|APPROTECT|is (currently )?locked|is in a locked state|readout protect",
        "the chip is locked: --unlock unlocks it, and erases everything on it",
    ),
    (
        r"unable to find|unable to open|no (matching )?(\S+ )?(device|probe)s? found|no available debug probe"
        r"|no connected|failed to connect|cannot connect|could not find|no target device|LIBUSB_ERROR|"
        r"no such device|open failed",
        "no debug probe answers: connect it, power the board, check that you may use the USB device (on "
        "Linux, udev rules), or name one with --probe",
    ),
    (
        r"can't find|couldn't open|invalid command name",
        "the runner does not know this board's scripts: install its current version",
    ),
    (r"verif", "what was read back differs from what was written: flash again, at best over a shorter cable"),
)


def failure_sentence(board: Board, program: str, output: str) -> str:
    """Return one sentence for a runner's failure: what it said, and what to do."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|fail|unable|cannot|no available", line, re.I)]
    said = re.sub(r"^(Error: ?|\d+ [CEW] )", "", (errors or lines[-1:] or ["nothing"])[0]).rstrip(".")
    for pattern, advice in _CAUSES:
        if re.search(pattern, output, re.I):
            return f"{board.name} was not flashed, because {advice} ({program} said: {said})."
    return f"{board.name} was not flashed; {program} said: {said}."


def _tcl(word: str) -> str:
    """Quote a word for OpenOCD's Tcl; braces keep every character but themselves and a backslash."""
    if not re.search(r"[{}\\]", word):
        return "{" + word + "}"
    return re.sub(r"([^\w./-])", r"\\\1", word)
