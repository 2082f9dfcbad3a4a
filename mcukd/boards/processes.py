"""Running of other programs with closed input, a time limit and a limit on their output."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from mcukd.platforms import end_group, own_group

#: Seconds between SIGTERM and SIGKILL, in which a program releases what it holds, such as a debug probe.
_TO_END = 2
#: Bytes of output after which a program is stopped: one that asks again and again would fill the memory.
MOST_OUTPUT = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a program ended. status: its exit status, None where it was stopped.

    output: standard output and standard error in the order in which they came.
    stopped: why it was stopped ("did not end within 300 s"); None where it ended by itself.
    """

    status: int | None
    output: str
    stopped: str | None = None


def run_closed(argv: Sequence[str], seconds: float) -> Ended:
    """Run a program with standard input closed, for at most `seconds`; what it started ends with it.

    Raises OSError where it cannot be started.
    """
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own, so that the children of a wrapper script end too, and hold no pipe open.
        **own_group(),
    )
    assert process.stdout is not None
    said = bytearray()
    reader = threading.Thread(target=_collect, args=(process.stdout, said), daemon=True)
    reader.start()
    stopped: str | None = None
    try:
        stopped = _wait(process, said, seconds)
        if stopped is None:
            reader.join(_TO_END)
    finally:
        if process.poll() is None or reader.is_alive():
            _stop(process)
        reader.join(_TO_END)
    output = bytes(said[:MOST_OUTPUT]).decode(errors="replace")
    return Ended(None if stopped else process.returncode, output, stopped)


def _wait(process: subprocess.Popen[bytes], said: bytearray, seconds: float) -> str | None:
    """Wait until a program ends; return why it has to be stopped, None where it ended."""
    deadline = time.monotonic() + seconds
    while len(said) < MOST_OUTPUT:
        try:
            process.wait(max(0.0, min(0.1, deadline - time.monotonic())))
            return None
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                return f"did not end within {seconds:g} s"
    return "went on talking without end"


def _collect(stream: IO[bytes], said: bytearray) -> None:
    """Keep what a program says, and read on what is too much, so that it can end."""
    with stream, suppress(OSError, ValueError):
        while part := os.read(stream.fileno(), 1 << 16):
            if len(said) < MOST_OUTPUT:
                said += part


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started."""
    for politely in (True, False):
        try:
            end_group(process, politely=politely)
        except (ProcessLookupError, PermissionError):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TO_END)
