"""Runs another program with nothing to read and a limit on its time, and collects what it says."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

#: Seconds a program gets to put things down, such as a debug probe, once it is told to end.
_TO_END = 2


@dataclass(frozen=True)
class Ended:
    """How a program ended. status: its exit status, None where it was stopped at the limit of its time.

    output: standard output and standard error in the order in which they came.
    """

    status: Optional[int]
    output: str


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
        start_new_session=os.name == "posix",
    )
    try:
        output, _ = process.communicate(timeout=seconds)
        return Ended(process.returncode, output.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        return Ended(None, _stop(process).decode(errors="replace"))
    except BaseException:
        _stop(process)
        raise


def _stop(process: subprocess.Popen[bytes]) -> bytes:
    """End a program and what it started; return what it has said."""
    said = b""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            if os.name == "posix":
                os.killpg(process.pid, number)
            else:
                process.kill()
        except (ProcessLookupError, PermissionError):
            pass
        try:
            return process.communicate(timeout=_TO_END)[0] or b""
        except subprocess.TimeoutExpired as error:
            said = error.output or said
    return said
