"""Progress on standard error: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

#: Longest time without a line in a log, in seconds.
SILENCE = 30.0
#: Held while a bar is on the terminal: two would draw over each other.
_SHOWN = threading.Lock()


class Advance(Protocol):
    """Callback that advances a progress bar, with a note to show beside it."""

    def __call__(self, steps: int, note: str = "") -> None:
        """Advance the bar by the steps done since the last call."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps; the yielded function advances it.

    On a terminal the bar is live. Elsewhere plain lines give the label, the steps done and the time passed,
    one at every tenth of the total and at least one every SILENCE seconds, which shows that a run is alive.
    """
    if not sys.stderr.isatty():
        yield from _plain(label, total)
    elif _SHOWN.acquire(blocking=False):
        try:
            yield from _live(label, total)
        finally:
            _SHOWN.release()
    else:  # another thread or an outer block has the terminal's bar
        yield lambda steps, note="": None


def tell(text: str) -> None:
    """Write a line to standard error, above a bar where one is shown; an error of the log ends no run."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _live(label: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=total, note="")

        def advance(steps: int, note: str = "") -> None:
            bars.update(task, advance=steps, note=note)

        yield advance


def _plain(label: str, total: int) -> Iterator[Advance]:
    log = _Log(label, total)
    ended = threading.Event()
    threading.Thread(target=log.beat, args=(ended,), daemon=True).start()
    try:
        yield log.advance
    finally:
        ended.set()


class _Log:
    """Log lines in place of a bar: one at every tenth of the total, and one after SILENCE seconds without."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._done, self._tenths, self._note = 0, 0, ""
        self._began = self._written = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, steps: int, note: str = "") -> None:
        """Count steps; write a line where another tenth is done."""
        with self._lock:
            self._done += steps
            self._note = note or self._note
            tenths = self._done * 10 // max(self._total, 1)
            if tenths > self._tenths:
                self._tenths = tenths
                self._write()

    def beat(self, ended: threading.Event) -> None:
        """Write a line when the last is SILENCE seconds old, until the bar has ended."""
        while not ended.wait(max(0.0, self._written + SILENCE - time.monotonic())):
            with self._lock:
                if time.monotonic() - self._written >= SILENCE and not ended.is_set():
                    self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        seconds = int(self._written - self._began)
        passed = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        line = f"{self._label}: {self._done}/{self._total} after {passed} {self._note}".rstrip()
        tell(line)
