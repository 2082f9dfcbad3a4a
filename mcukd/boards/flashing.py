"""Flashing of boards through a debug probe, by one of the registered runners.

Nothing is erased beyond the sectors that are written, and no chip is unlocked, unless the caller says so:
both destroy what else the chip holds, such as settings and calibration. Runners get no standard input and a
limit on their time, and a board counts as flashed only where its runner says so (`runner_output`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from mcukd.boards.debug_probes import probes_of
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
)
from mcukd.boards.runners.registry import RUNNERS
from mcukd.boards.runners.runner import FlashOptions, Runner
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

TIMEOUT_S = 300
#: What an erase of all of the flash does to a tag.
PROVISIONING_LOST = (
    "erases what the tag was told, its calibration and keys among it, and its log; 'mcukd provision --json' "
    "and 'mcukd fetch' save what can be read of it"
)


def runner_for(board: Board, name: str | None = None) -> tuple[Runner, Any]:
    """Return the board's runner, by default the one its file names, and the board's facts for it.

    Raises UserError for a board without hardware and for a runner that the board has no facts for.
    """
    if board.flash is None:
        raise UserError(
            f"board {board.name!r} is no hardware and cannot be flashed; add --emulate to run it instead."
        )
    offered = [runner for runner in RUNNERS if board.flash.facts(runner) is not None]
    wanted = name or board.flash.runner
    if wanted not in offered:
        raise UserError(
            f"--runner is {wanted!r}{did_you_mean(wanted, offered)}, but {board.name} can be flashed with "
            f"{listed(offered)}; another runner needs a section [flash.{wanted}] in its board file."
        )
    return RUNNERS[wanted], board.flash.facts(wanted)


def flash_argv(board: Board, firmware: Path, options: FlashOptions, runner: str | None = None) -> list[str]:
    """Return the exact argument list that flashes `firmware` onto a board.

    Raises UserError where the runner cannot do what the options ask for, or where they would erase what the
    tag was told without saying so.
    """
    chosen, facts = runner_for(board, runner)
    if options.unlock and not chosen.can_unlock(facts):
        raise UserError(
            f"--unlock: {chosen.name} cannot unlock the {board.mcu}; use the maker's own tool for that."
        )
    argv = chosen.argv(facts, firmware, options)
    lost = options.erases_all
    if lost and board.provision_region is not None and not options.erase_provisioning:
        raise UserError(f"{lost} {PROVISIONING_LOST}; add --erase-provisioning if all that may go.")
    if options.erase_provisioning and not lost:
        raise UserError(
            "--erase-provisioning erases nothing by itself: it allows --allow-erase, --erase-chip or "
            "--unlock to; 'mcukd provision --remove' makes a tag forget a part of what it was told."
        )
    return argv


def flash(board: Board, firmware: Path, options: FlashOptions, runner: str | None = None) -> list[str]:
    """Flash `firmware` onto a board and return the argument list that did it.

    Raises UserError for a missing program, a missing probe or one of several, a locked chip, whatever else
    the runner says, a runner that does not end, and one that ends well without saying that it flashed.
    """
    argv = flash_argv(board, firmware, options, runner)
    if firmware.is_file():
        _spares_the_tags_pages(board, firmware)
    chosen, facts = runner_for(board, runner)
    program = require_tool(argv[0], f"flash {board.name}")
    if not options.probe:
        _one_probe(board, chosen.name, chosen.other_probes(facts))
    try:
        ended = run_closed([program, *argv[1:]], TIMEOUT_S)
    except OSError as error:
        raise UserError(f"{program}: cannot be run ({error}); install {argv[0]} anew.") from error
    # Words in the names of folders are no words of the runner's.
    output = ended.output.replace(firmware.as_posix(), firmware.name)
    if ended.status == 0 and flashed(chosen, output) and not error_lines(output):
        return argv
    raise UserError(failure_sentence(board, argv[0], output, options, ended.status, ended.stopped))


def _spares_the_tags_pages(board: Board, firmware: Path) -> None:
    """Raise UserError where an image has bytes in a page that keeps the tag's log or what it was told."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    segments = []
    kept = [region for region in (board.log_region, board.provision_region) if region is not None]
    with firmware.open("rb") as file, suppress(ELFError):  # of what is no ELF file the runner tells
        segments = [
            (int(one["p_paddr"]), int(one["p_filesz"]))
            for one in ELFFile(file).iter_segments()
            if one["p_type"] == "PT_LOAD" and one["p_filesz"]
        ]
    for at, size in segments:
        if any(at < region.end and region.origin < at + size for region in kept):
            raise UserError(
                f"{firmware}: {size:,} bytes from {at:#x} on lie in the flash that keeps the tag's log and "
                f"what it was told ({kept[0].origin:#x} to {kept[-1].end - 1:#x}); build it anew for this "
                "board file."
            )


def failure_sentence(
    board: Board,
    program: str,
    output: str,
    options: FlashOptions = FlashOptions(),
    status: int | None = 1,
    stopped: str | None = None,
) -> str:
    """Return one sentence for a runner's failure: what it said, and what to do.

    status: its exit status; None where it was stopped. stopped: why, such as "did not end within 300 s".
    """
    cause, said = cause_of(output)
    wrote = "to the end" if flashed(RUNNERS[program], output) else ""
    failed = " ".join(f"{board.name} was not flashed {wrote}".split())
    ended = f"{program} {stopped} and was stopped; it said" if stopped else ""
    quoted = f"{ended or program + ' said'}: {said}"
    if cause is not None:
        return f"{failed}, because {_advice(cause, output, options)} ({quoted})."
    if status is None:
        return f"{failed}; {quoted}. What the chip holds now is not known: flash it again."
    if status == 0 and not error_lines(output):
        return (
            f"{failed}: {program} ended without an error, but without saying "
            f"{RUNNERS[program].success_words}, as it does once the image is on the chip ({quoted})."
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


def _one_probe(board: Board, runner: str, probes: dict[str, str]) -> None:
    """Raise UserError where a runner would silently take the first of several probes."""
    if probes:
        raise UserError(
            f"{board.name} was not flashed, because several debug probes are connected and {runner} would "
            f"take the first: name one with --probe SERIAL; connected are {named_probes(probes)}."
        )
