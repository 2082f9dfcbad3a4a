"""Command line: each command declares its options, calls a function of another room, and prints."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

#: Exit codes of a program that was ended by Ctrl-C, and by SIGTERM.
_STOPPED, _TERMINATED = 130, 143
_CLEANUP_SECONDS = 10.0


def main() -> None:
    """Run the command line.

    A UserError becomes one sentence on standard error and exit code 2, and so does a disk that is full or
    read-only, and a package of an extra that is not installed. Errors of the program itself keep their
    traceback.
    """
    from mcukd.cli import streams
    from mcukd.disk import ignore_failed_closes, sentence_about
    from mcukd.tensorflow_setup import stay_quiet

    streams.make_writable()
    stay_quiet()
    ignore_failed_closes()
    # Exit by an exception, so that workers end and temporary files are removed, as on Ctrl-C.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    code = _run()
    failed = streams.output_error()
    if isinstance(failed, BrokenPipeError):
        code = 1  # the reader of our output, such as `head`, has ended
    elif failed is not None and code == 0:
        _print_error(sentence_about(failed) or str(failed))
        code = 2
    streams.redirect_broken()
    signal.signal(signal.SIGTERM, before)
    if code == _STOPPED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _run() -> int:
    """Run the command, print what went wrong, and return the exit code."""
    from mcukd import disk, extras
    from mcukd.errors import UserError

    code: object = 0
    try:
        from mcukd.cli.app import app

        app()
    except UserError as error:
        _print_error(str(error))
        return 2
    except KeyboardInterrupt:
        code = _STOPPED
    except SystemExit as error:
        code = error.code
    except Exception as error:
        sentence = disk.sentence_about(error) or extras.sentence_about(error, *sys.argv[1:2])
        if sentence is None:
            raise
        _print_error(sentence)
        return 2
    if code in (_STOPPED, _TERMINATED):
        _print_error("stopped; what was finished is kept.")
    if code is None or isinstance(code, int):
        return code or 0
    _print_error(str(code))
    return 1


def _interrupt_once(*_: Any) -> None:
    """Interrupt the program; a second Ctrl-C while it cleans up ends it only after some seconds."""
    began = time.monotonic()
    signal.signal(
        signal.SIGINT, lambda *_: os._exit(_STOPPED) if time.monotonic() - began > _CLEANUP_SECONDS else None
    )
    sys.unraisablehook = _unraised
    raise KeyboardInterrupt


def _unraised(found: Any) -> None:
    """Print nothing of objects that the interrupt left half-made; bring back one lost in a deletion."""
    if found.exc_type is KeyboardInterrupt:
        signal.signal(signal.SIGINT, _interrupt_once)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()


def _print_error(sentence: str) -> None:
    with suppress(OSError):  # standard error may be closed
        print(f"mcukd: {sentence}", file=sys.stderr, flush=True)
