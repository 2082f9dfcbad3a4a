"""Other observers of a session, whose events another process writes."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from mcukd.errors import UserError
from mcukd.observation.events import Event, event_of
from mcukd.observation.folder import SessionFacts, observer_path, observers_of
from mcukd.observation.journal_lines import JournalTail


class Others:
    """The observers of a folder who are not this process's, read from their journals as these grow.

    problem: why one could not be read, in a sentence; None where all could.
    """

    def __init__(self, folder: Path, facts: SessionFacts) -> None:
        self._folder, self._facts = folder, facts
        self._tails: dict[str, JournalTail] = {}
        self._events: dict[str, list[Event]] = {}
        self.problem: str | None = None

    def events(self, ours: Collection[str]) -> dict[str, list[Event]]:
        """Return the events of every observer but ours, by name."""
        self.problem = None
        for name in observers_of(self._folder):
            if name in ours:
                continue
            tail = self._tails.setdefault(name, JournalTail(observer_path(self._folder, name)))
            known = self._events.setdefault(name, [])
            try:
                with suppress(OSError):
                    for entry in tail.more():
                        known.append(event_of(entry, f"{tail.path}, line {len(known) + 2}"))
                if tail.head and tail.head.get("session") != self._facts.id:
                    raise UserError(f"{tail.path}: it belongs to another session; remove it from the folder.")
            except UserError as error:
                self.problem = str(error)
                self._events[name] = []
        return {name: events for name, events in self._events.items() if events and name not in ours}
