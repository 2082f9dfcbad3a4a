"""Builders of a session's page: a session with an observer, and a tag that says what a test has it say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

from builders.session import connected, facts, result

from mcukd.observation.clocks.session_clock import HostClock
from mcukd.observation.moments import Moment, Result
from mcukd.observation.session import Session

NS = 1_000_000_000


class SaidTag:
    """A source that tells the moments that are put into it."""

    name = "a list"

    def __init__(self) -> None:
        self._moments: Queue[Moment] = Queue()
        self._number = 0

    def say(self, behaviour: int | None) -> Result:
        """Tell a result now; return it."""
        now = HostClock().now_ns()
        made = result(self._number, 0, behaviour)
        made = Result(now, made.number, (now // NS) << 15, behaviour, behaviour, made.logits)
        self._number += 1
        self._moments.put(made)
        return made

    def connect(self, **other: Any) -> None:
        """Tell that a tag answers."""
        self._moments.put(connected(received_ns=HostClock().now_ns(), **other))

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield what is put in until the session is closed."""
        while not stop.is_set():
            try:
                yield self._moments.get(timeout=0.02)
            except Empty:
                continue


@contextmanager
def page_session(folder: Path, observers: tuple[str, ...] = ("anna",), **other: Any) -> Iterator[Session]:
    """Yield an open session with its observers joined; one that is in the folder goes on."""
    clock = HostClock()
    if (folder / "session.json").exists():
        session = Session(folder, clock)
    else:
        session = Session.begin(folder, facts(began_ns=clock.now_ns(), **other), clock)
    with session:
        for observer in observers:
            session.join(observer)
        yield session


def journal_presses(folder: Path, observer: str = "anna") -> list[dict[str, Any]]:
    """Return the presses on disk that came from a page."""
    lines = (folder / f"observer-{observer}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line[line.index("{") :]) for line in lines]
    return [each for each in found if each.get("press")]
