"""Command line that runs a firmware in QEMU."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mcukd.boards.model import Board
from mcukd.errors import UserError

QEMU = "qemu-system-arm"


def qemu_argv(board: Board, elf: Path, listening: int) -> list[str]:
    """Return the argument list that runs `elf` on the board's machine, its console on a socket.

    listening: number of an open socket that listens already, so that no other program can take the port
    between its choice and QEMU's start. `-icount shift=0` makes an instruction one nanosecond of virtual
    time, the same in every run.
    """
    if board.emulator is None:
        twin = "it has no twin"
        with suppress(UserError):
            twin = f"its twin is {board.twin().name!r}"
        raise UserError(f"board {board.name!r} is not emulated; {twin}.")
    return [
        QEMU,
        "-M", board.emulator.machine,
        "-icount", "shift=0",
        "-display", "none",
        "-monitor", "none",
        "-nodefaults",
        "-chardev", f"socket,id=console,fd={listening},server=on,wait=off",
        "-serial", "chardev:console",
        "-kernel", str(elf),
    ]  # fmt: skip
