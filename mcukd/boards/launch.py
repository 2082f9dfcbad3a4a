"""Running of firmware without hardware: in QEMU, on a modelled chip or a pseudo-terminal, behind a URL."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from mcukd import extras
from mcukd.boards.emulator import QEMU, qemu_argv
from mcukd.boards.model import Board
from mcukd.boards.tools import require_tool, tools_missing
from mcukd.errors import UserError
from mcukd.parallel.processes import interrupts_held
from mcukd.platforms import hands_over_sockets, has_pseudo_terminals

if TYPE_CHECKING:
    from mcukd.data.simulation.animal import AnimalName

__all__ = ["StandIn", "can_run", "require_stand_in", "running", "standing_in", "tools_missing"]

#: How long a program that refuses its arguments or its ELF file takes to say so.
_EARLY_SECONDS = 0.3


@dataclass(frozen=True)
class StandIn:
    """A program that stands in for a board. name: for messages; url: pyserial's, of its console.

    It may take its time to start: the first bytes wait in the socket or terminal until then.
    """

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def lives(self) -> bool:
        """Return whether the program has not ended."""
        return self.process.poll() is None


@contextmanager
def running(board: Board, elf: Path, flash: Path | None = None) -> Iterator[str]:
    """Run `elf` as `standing_in` does, and yield the URL."""
    with standing_in(board, elf, flash) as program:
        yield program.url


@contextmanager
def standing_in(
    board: Board,
    elf: Path,
    flash: Path | None = None,
    animal: AnimalName | None = None,
    speed: float | None = None,
) -> Iterator[StandIn]:
    """Run `elf` on the board's stand-in and yield that.

    A twin runs in QEMU, the host's program on a pseudo-terminal, and the image of a real board, the very one
    that would be flashed, on the model of its chip. The program is ended with the block, also when the block
    raises or this process gets SIGTERM; Ctrl-C reaches this process alone.

    Of a modelled chip alone: flash: file that keeps its flash. animal: wears its sensor from power-up on.
    speed: of its time, which then passes all the time; without, as fast as the wall's with an animal.
    Raises UserError where QEMU or Unicorn is missing, nothing stands in for the board, or the program ends
    early.
    """
    if not elf.is_file():
        raise UserError(f"{elf}: no such file; run 'mcukd build --board {board.name}'.")
    if board.modelled_chip is None and (animal is not None or speed is not None):
        raise UserError(
            f"board {board.name}: its chip is not modelled, so neither a simulated animal nor a speed is "
            "possible; name collar or eartag."
        )
    with tempfile.TemporaryFile() as messages, _sigterm_raises():
        if board.host:
            start = _on_terminal(board, elf, messages)
        else:
            start = _behind_socket(
                board, messages, functools.partial(_argv, board, elf, flash, animal, speed)
            )
        with start as (process, url):
            try:
                _stays(process, board, messages)
                yield StandIn(_program(board), url, process)
            except Exception as error:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_EARLY_SECONDS)  # a line that was lost is its end, and it says why
                if process.poll() is not None:
                    raise UserError(_ended(process, board, messages)) from error
                raise


@contextmanager
def _behind_socket(
    board: Board, messages: IO[bytes], program: Callable[[int], list[str]]
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start QEMU, or the model of the board's chip, with an open socket for its console.

    program: what to start, by the number of that socket.
    """
    if not hands_over_sockets():
        raise UserError(
            f"board {board.name!r} runs without hardware on Linux and macOS only, because the emulator is "
            "handed an open socket; use one of these, or a real board."
        )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        argv = program(listener.fileno())
        with interrupts_held():
            process = subprocess.Popen(
                argv,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
            )
    # The listener is the program's alone from here, so that a connection fails once it is gone.
    with _ended_at_exit(process):
        yield process, url


def _argv(
    board: Board,
    elf: Path,
    flash: Path | None,
    animal: AnimalName | None,
    speed: float | None,
    listening: int,
) -> list[str]:
    require_stand_in(board)
    if board.modelled_chip is None:
        argv = qemu_argv(board, elf, listening)
        return [require_tool(QEMU, f"run {board.name}"), *argv[1:]]
    console = board.console
    options = {
        "--chip": board.modelled_chip,
        "--image": str(elf.resolve()),
        "--baud": str(console.baud),
        "--tx": str(console.tx_pin),
        "--rx": str(console.rx_pin),
        "--fd": str(listening),
    }
    if flash is not None:
        options["--flash"] = str(flash.resolve())
    driver = board.sensor.driver if board.sensor else None
    if driver is not None:
        pins = [driver.scl_pin, driver.sda_pin, driver.interrupt_pin]
        parts = [driver.model, driver.address, *(pin for pin in pins if pin is not None)]
        options["--sensor"] = ",".join(map(str, parts))
    if animal is not None:
        if board.sensor is None or board.sensor.setup is None:
            raise UserError(f"board {board.name} reads no sensor by itself, so no animal can wear it.")
        options["--animal"], options["--widen"] = str(animal), str(board.sensor.setup.shift)
    if speed is not None:
        options["--speed"] = repr(speed)
    if board.radio is not None and board.radio.pin_keys:
        options["--radio"] = ",".join(str(getattr(board.radio, key)) for key in board.radio.pin_keys)
    return [sys.executable, "-m", "mcukd.chips.serve", *(part for pair in options.items() for part in pair)]


def can_run(board: Board) -> bool:
    """Return whether the board's image can run here; True of a program of this computer."""
    try:
        require_stand_in(board)
    except UserError:
        return False
    return hands_over_sockets()


def require_stand_in(board: Board) -> None:
    """Raise UserError where QEMU, or Unicorn for the model of the board's chip, is missing."""
    if board.emulator is not None:
        require_tool(QEMU, f"run {board.name}")
    if board.modelled_chip is not None:
        otherwise = ""
        with suppress(UserError):  # a board file of one's own has no twin
            otherwise = f"or choose --board {board.twin().name}"
        extras.require("unicorn", f"the model of the {board.modelled_chip}", otherwise)


@contextmanager
def _on_terminal(
    board: Board, elf: Path, messages: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    if not has_pseudo_terminals():
        raise UserError(
            f"board {board.name!r} needs pseudo-terminals, which this system has not; use Linux, macOS or a "
            "real board."
        )
    import pty
    import tty

    ours, theirs = pty.openpty()
    # Held open, because the program's end of a terminal that nobody has open reads as hung up.
    try:
        tty.setraw(theirs)
        try:
            with interrupts_held():
                process = subprocess.Popen([str(elf.resolve())], stdin=ours, stdout=ours, stderr=messages)
        except OSError as error:
            raise UserError(f"{elf}: cannot be run here ({error}); build it anew.") from error
        finally:
            os.close(ours)
        with _ended_at_exit(process):
            yield process, os.ttyname(theirs)
    finally:
        os.close(theirs)


@contextmanager
def _ended_at_exit(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack, unless someone handles it already, so that no emulator is left behind."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stays(process: subprocess.Popen[bytes], board: Board, messages: IO[bytes]) -> None:
    try:
        process.wait(timeout=_EARLY_SECONDS)
    except subprocess.TimeoutExpired:
        return
    raise UserError(_ended(process, board, messages))


def _ended(process: subprocess.Popen[bytes], board: Board, messages: IO[bytes]) -> str:
    messages.seek(0)
    said = " ".join(messages.read().decode(errors="replace").split()) or "nothing"
    return (
        f"{_program(board)} ended by itself while running {board.name} (exit {process.returncode}); it said: "
        f"{said}"
    )


def _program(board: Board) -> str:
    modelled = board.modelled_chip
    return "the firmware" if board.host else f"the model of the {modelled}" if modelled else QEMU
