"""Progress bars on standard error, silent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Tells a bar how many steps were done since the last call, with a note to show beside it."""

    def __call__(self, steps: int, note: str = "") -> None:
        """Advance the bar."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps; the yielded function advances it.

    On a terminal the bar is live. Elsewhere one plain line is written about every tenth of the way,
    so that a log of a long run still shows that it moves.
    """
    if sys.stderr.isatty():
        yield from _live(label, total)
    else:
        yield from _plain(label, total)


def _live(label: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=total, note="")

        def advance(steps: int, note: str = "") -> None:
            bars.update(task, advance=steps, note=note)

        yield advance


def _plain(label: str, total: int) -> Iterator[Advance]:
    done, shown = 0, 0

    def advance(steps: int, note: str = "") -> None:
        nonlocal done, shown
        done += steps
        tenth = done * 10 // max(total, 1)
        if tenth > shown:
            shown = tenth
            print(f"{label}: {done}/{total} {note}".rstrip(), file=sys.stderr, flush=True)

    yield advance
