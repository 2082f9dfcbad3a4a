"""Flashes boards through a debug probe. A runner is a name, what it can do, and an argument list.

Nothing is erased beyond the sectors that are written, and no chip is unlocked, unless the caller says so:
both destroy what else the chip holds, such as settings and calibration. Runners get no standard input and a
limit on their time, and a board counts as flashed only where its runner says so (`runner_output`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mcukd.boards.debug_probes import first_of_several, probes_of
from mcukd.boards.model import Board
from mcukd.boards.processes import run_closed
from mcukd.boards.runner_output import (
    LOCKED,
    NO_PROBE,
    NO_SUCH_PROBE,
    SEVERAL,
    advice_on,
    cause_of,
    error_lines,
    flashed,
    named_probes,
    success_words,
)
from mcukd.boards.sections import OpenOcd, PyOcd
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

_SECONDS = 300


@dataclass(frozen=True)
class FlashOptions:
    """probe: serial number of the probe, where several are connected.

    allow_erase: erase the whole flash first, and nothing but the flash. unlock: let the runner unlock a
    protected chip, which erases it. erase_chip: erase everything on the chip, its settings (UICR) too.
    """

    probe: Optional[str] = None
    allow_erase: bool = False
    unlock: bool = False
    erase_chip: bool = False


class OpenOcdRunner:
    """OpenOCD: erases the sectors it writes, verifies, resets."""

    name = "openocd"

    def __init__(self, facts: OpenOcd) -> None:
        self.facts = facts
        self.can_unlock = facts.unlock is not None

    def argv(self, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`. Raises UserError for --erase-chip."""
        if options.erase_chip:
            raise UserError(
                "--erase-chip: openocd is not told to erase settings kept outside the flash; add "
                "--allow-erase to erase the flash alone, or choose --runner pyocd where the board has it."
            )
        image = _tcl(firmware.as_posix())
        setup = ["-f", self.facts.interface]
        if options.probe:
            setup += ["-c", f"adapter serial {_tcl(options.probe)}"]
        setup += ["-c", f"transport select {self.facts.transport}", "-f", self.facts.target]
        if self.facts.adapter_khz is not None:
            # After the target's script, which may set a speed of its own.
            setup += ["-c", f"adapter speed {self.facts.adapter_khz}"]
        steps = ["init"]
        if options.unlock and self.facts.unlock:
            steps.append(self.facts.unlock)
        steps.append("reset init")
        if options.unlock:
            steps += self.facts.after_unlock
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
        """Return the argument list that flashes `firmware`. Raises UserError for --allow-erase."""
        if options.allow_erase:
            raise UserError(
                "--allow-erase: pyocd erases either the sectors that it writes or the whole chip, "
                f"{self._lost()}. Leave --allow-erase out, use --runner openocd where the board has it, "
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
            "--target", self.facts.target,
            "--no-wait",
            *probe,
            "-O", f"auto_unlock={unlock}",
            "--erase", erase,
            "--format", "elf",
            str(firmware),
        ]  # fmt: skip

    def _lost(self) -> str:
        return f"which erases {self.facts.chip_erase_loses or 'its settings too'}"


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

    Raises UserError for a missing program, a missing probe or one of several, a locked chip, whatever else
    the runner says, a runner that does not end, and one that ends well without saying that it flashed.
    """
    argv = flash_argv(board, firmware, options, runner)
    program = require_tool(argv[0], f"flash {board.name}")
    if not options.probe and board.flash and board.flash.openocd and argv[0] == OpenOcdRunner.name:
        _one_probe(board, board.flash.openocd.interface)
    try:
        ended = run_closed([program, *argv[1:]], _SECONDS)
    except OSError as error:
        raise UserError(f"{program}: cannot be run ({error}); install {argv[0]} anew.") from error
    # Words in the names of folders are no words of the runner's.
    output = ended.output.replace(firmware.as_posix(), firmware.name)
    if ended.status == 0 and flashed(argv[0], output) and not error_lines(output):
        return argv
    raise UserError(failure_sentence(board, argv[0], output, options, ended.status, ended.stopped))


def failure_sentence(
    board: Board,
    program: str,
    output: str,
    options: FlashOptions = FlashOptions(),
    status: Optional[int] = 1,
    stopped: Optional[str] = None,
) -> str:
    """Return one sentence for a runner's failure: what it said, and what to do.

    status: its exit status; None where it was stopped. stopped: why, such as "did not end within 300 s".
    """
    cause, said = cause_of(output)
    wrote = "to the end" if flashed(program, output) else ""
    failed = " ".join(f"{board.name} was not flashed {wrote}".split())
    ended = f"{program} {stopped} and was stopped; it said" if stopped else ""
    quoted = f"{ended or program + ' said'}: {said}"
    if cause is not None:
        return f"{failed}, because {_advice(cause, output, options)} ({quoted})."
    if status is None:
        return f"{failed}; {quoted}. What the chip holds now is not known: flash it again."
    if status == 0 and not error_lines(output):
        return (
            f"{failed}: {program} ended without an error, but without saying {success_words(program)}, as it "
            f"does once the image is on the chip ({quoted})."
        )
    if status < 0:
        return f"{failed}; {program} was ended by signal {-status} ({quoted})."
    if status and not error_lines(output):
        return f"{failed}; {program} ended with status {status} ({quoted})."
    return f"{failed}; {quoted}."


def _advice(cause: str, output: str, options: FlashOptions) -> str:
    """Return what a cause is and what to do, with the connected probes where one of them has to be named."""
    if cause == SEVERAL:
        probes = named_probes(probes_of(output))
        which = "" if probes == "nothing" else f"; connected are {probes}"
        if options.probe:
            return f"--probe {options.probe} fits several debug probes: give the whole serial number{which}"
        which = which or " ('pyocd list' shows the serial numbers)"
        return f"several debug probes are connected: name one with --probe SERIAL{which}"
    if options.probe and cause in (NO_SUCH_PROBE, NO_PROBE):
        probes = named_probes(probes_of(output))
        return (
            f"no debug probe with the serial number {options.probe} answers (connected: {probes}): connect "
            "it, or name another with --probe"
        )
    if cause == NO_SUCH_PROBE:
        return advice_on(NO_PROBE)
    if cause == LOCKED and options.unlock:
        return "the chip is still locked after --unlock: power the board off and on, and try again"
    return advice_on(cause)


def _one_probe(board: Board, interface: str) -> None:
    """Refuse where OpenOCD would take the first of several probes without a word."""
    probes = first_of_several(interface)
    if probes:
        raise UserError(
            f"{board.name} was not flashed, because several debug probes are connected and openocd would "
            f"take the first: name one with --probe SERIAL; connected are {named_probes(probes)}."
        )


def _tcl(word: str) -> str:
    """Quote a word for OpenOCD's Tcl; braces keep every character but themselves and a backslash."""
    if not re.search(r"[{}\\]", word):
        return "{" + word + "}"
    return re.sub(r"([^\w./-])", r"\\\1", word)
