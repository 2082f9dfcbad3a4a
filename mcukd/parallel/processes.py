"""Pool of worker processes that start with mcukd's settings and end with the command that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any

from mcukd.disk import ignore_failed_closes
from mcukd.tensorflow_setup import stay_quiet


class Workers(ProcessPoolExecutor):
    """Pool of spawned processes; a fork would break TensorFlow.

    Only the parent handles Ctrl-C: it ends the workers, which print nothing. An exception that `start` raises
    in a worker is raised by its first task.

        with Workers(4, prepare, facts) as workers:
            futures = [workers.submit(work, task) for task in tasks]
    """

    def __init__(self, count: int, start: Callable[..., None] | None = None, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        super().__init__(count, context, _start_process, (start, arguments))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have a worker call a function; starts a worker where all that there are have work."""
        with _tracked_interrupts_held():
            return super().submit(_perform, function, arguments, named)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Wait for running tasks; after an interrupt, end the workers instead."""
        with _tracked_interrupts_held():
            if kind is not None and not issubclass(kind, Exception):
                for process in list((self._processes or {}).values()):
                    process.terminate()
            self.shutdown(wait=True, cancel_futures=True)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Defer Ctrl-C; processes that are started meanwhile inherit that it is blocked.

    A terminal sends it to all of them, but only this process is to handle it: it ends the others.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _tracked_interrupts_held() -> Iterator[None]:
    """Defer Ctrl-C as `interrupts_held`, also in multiprocessing's tracker, whose start would unblock it."""
    if hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread():
        resource_tracker.ensure_running()
    with interrupts_held():
        yield


_failed: Exception | None = None


def _start_process(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    global _failed
    with suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()
    silence_native_log()
    ignore_failed_closes()
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
    """End this process when its parent dies, so that workers of a killed run do not go on training."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "called outside a worker process"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def silence_native_log() -> None:
    """Drop logs and warnings of TensorFlow; Python's standard error still works."""
    if sys.stderr is not None:
        sys.stderr.flush()
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    stay_quiet()
