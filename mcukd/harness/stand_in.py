"""Devices that a program of this computer stands in for: emulated, on a modelled chip, or native.

Such a program has to start first, which takes long on a busy computer. While it lives, it is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mcukd.boards.launch import StandIn, standing_in
from mcukd.boards.model import Board
from mcukd.errors import UserError
from mcukd.harness.protocol import Device, open_device
from mcukd.progress import Advance, progress

#: Seconds after which a program that lives and says nothing is given up.
START_LIMIT_S = 300.0
#: Seconds from one question to the next, between which it is looked whether the program lives.
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.4, 5.0
#: Seconds of silence before a bar says what is waited for.
_QUIET_S = 3.0


@contextmanager
def open_stand_in(board: Board, elf: Path, flash: Path | None = None) -> Iterator[Device]:
    """Run `elf` on the board's stand-in and give a client of it, once it answers.

    Raises UserError as `standing_in` and `await_start` do.
    """
    with standing_in(board, elf, flash) as program, open_device(program.url, board.console.baud) as device:
        await_start(device, program)
        yield device


def await_start(device: Device, program: StandIn, limit_s: float = START_LIMIT_S, shown: bool = True) -> None:
    """Wait until the device that a program stands in for answers, as long as the program lives.

    shown: with a bar, where it takes more than some seconds. Raises UserError where the program ends, or has
    not answered after `limit_s`.
    """
    begun, wait = device.now(), _FIRST_LOOK_S
    with ExitStack() as bar:
        advance: Advance | None = None
        told = 0
        # Asked less and less often, for a program that starts late finds all that it was asked.
        while not device.answers_within(wait):
            passed = device.now() - begun
            if not program.lives():
                raise UserError(f"{program.url}: {program.name} ended before it answered.")
            if passed >= limit_s:
                raise UserError(
                    f"{program.url}: {program.name} runs, but has not answered after {limit_s:g} s; run the "
                    "command again when this computer is less busy, or build the image anew."
                )
            if shown and passed >= _QUIET_S:
                if advance is None:
                    label = f"Waiting for {program.name} to start, for so many seconds at most"
                    advance = bar.enter_context(progress(label, round(limit_s)))
                advance(int(passed) - told)
                told = int(passed)
            wait = min(2 * wait, _LONGEST_LOOK_S, max(limit_s - passed, _FIRST_LOOK_S))
