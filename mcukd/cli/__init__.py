"""The command line: declarations only; every command calls a plain function of another room and prints."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

#: The exit codes of a program that was ended by Ctrl-C, and by whoever may end it.
_STOPPED, _TERMINATED = 130, 143
_TO_TIDY_UP = 10.0


def main() -> None:
    """Run the command line.

    A UserError becomes one sentence on standard error and exit code 2, and so does a disk that is full or
    read-only. Errors of the program itself keep their traceback.
    """
    from mcukd.cli import streams
    from mcukd.disk import say_once, sentence_about
    from mcukd.tensorflow_setup import stay_quiet

    streams.be_writable()
    stay_quiet()
    say_once()
    # So that workers end and temporary files go, as on Ctrl-C.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    code = _run()
    trouble = streams.trouble()
    if isinstance(trouble, BrokenPipeError):
        code = 1  # whoever reads our output has seen enough, 'head' for one
    elif trouble is not None and code == 0:
        _tell(sentence_about(trouble) or str(trouble))
        code = 2
    streams.abandon()
    signal.signal(signal.SIGTERM, before)
    if code == _STOPPED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _run() -> int:
    """Run the command, tell what went wrong, and return the exit code."""
    from mcukd.disk import sentence_about
    from mcukd.errors import UserError

    try:
        from mcukd.cli.app import app

        app()
    except UserError as error:
        _tell(str(error))
        return 2
    except KeyboardInterrupt:
        code: object = _STOPPED
    except SystemExit as error:
        code = error.code
    except Exception as error:
        sentence = sentence_about(error)
        if sentence is None:
            raise
        _tell(sentence)
        return 2
    if code in (_STOPPED, _TERMINATED):
        _tell("stopped; what was finished is kept.")
    if code is None or isinstance(code, int):
        return code or 0
    _tell(str(code))
    return 1


def _interrupt_once(*_: Any) -> None:
    """Interrupt the program; pressed again while it tidies up, Ctrl-C only counts after some seconds."""
    began = time.monotonic()
    signal.signal(
        signal.SIGINT, lambda *_: os._exit(_STOPPED) if time.monotonic() - began > _TO_TIDY_UP else None
    )
    raise KeyboardInterrupt


def _tell(sentence: str) -> None:
    with suppress(OSError):  # where nobody can be told
        print(f"mcukd: {sentence}", file=sys.stderr, flush=True)
