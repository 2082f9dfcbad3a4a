"""Worker processes of this computer that start with our settings and end with the command that needs them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Callable, Optional

from mcukd.disk import say_once
from mcukd.tensorflow_setup import stay_quiet


class Workers(ProcessPoolExecutor):
    """Processes that work side by side; TensorFlow does not survive a fork, so they start from scratch.

    Ctrl-C is the parent's alone: it ends them, and nothing of theirs is printed. What `start` raises in a
    worker is what its first task raises.

        with Workers(4, prepare, facts) as workers:
            futures = [workers.submit(work, task) for task in tasks]
    """

    def __init__(self, count: int, start: Optional[Callable[..., None]] = None, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        super().__init__(count, context, _begin, (start, arguments))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have a worker call a function; starts a worker where all that there are have work."""
        with _interrupts_held():
            return super().submit(_perform, function, arguments, named)

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        where: Optional[TracebackType],
    ) -> None:
        """Wait for what runs; after an interrupt, end it instead."""
        with _interrupts_held():
            if kind is not None and not issubclass(kind, Exception):
                for process in list((self._processes or {}).values()):
                    process.terminate()
            self.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C for later; a process started meanwhile never gets it.

    Python's own handler in a process that is just starting would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # it would let the interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_failed: Optional[Exception] = None


def _begin(start: Optional[Callable[..., None]], arguments: tuple[Any, ...]) -> None:
    global _failed
    with suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()
    silence_native_log()
    say_once()
    try:
        if start is not None:
            start(*arguments)
    except Exception as error:
        _failed = error


def _perform(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if _failed is not None:
        raise _failed
    return function(*arguments, **named)


def leave_with_parent() -> None:
    """End this process when the one that started it dies; a killed run must not go on training unseen."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "called outside a worker process"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def silence_native_log() -> None:
    """Drop what TensorFlow logs and warns of; Python's own messages still arrive."""
    if sys.stderr is not None:
        sys.stderr.flush()
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    stay_quiet()
