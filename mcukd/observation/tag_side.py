"""The tag's side of a session: its moments in a journal, its state, its track."""

from __future__ import annotations

import math
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any

from mcukd.errors import UserError
from mcukd.metrics.agreement.track import Track
from mcukd.observation.clocks.clock_map import ClockMap
from mcukd.observation.folder import SessionFacts, tag_head, tag_path, tags_of
from mcukd.observation.journal import Journal
from mcukd.observation.journal_lines import JournalTail
from mcukd.observation.moment_entries import entry_of_moment, moment_of
from mcukd.observation.moments import Connected, Moment, SessionClock
from mcukd.observation.tag_clock import clock_of, tolerance_of
from mcukd.observation.tag_model import other_model
from mcukd.observation.tag_state import TagState, tag_track

NS = 1_000_000_000
#: Seconds of this computer after which moments are on disk at the latest.
_BATCH_S = 1.0


class TagSide:
    """What a session knows of its tag.

    In the process that the tag is connected to, moments are given to `take`; another process that has the
    same session open reads them from the tag's journal (`follow`). name: of the source, empty without one.
    failed: why the source ended, in a sentence. at_end: whether it ended. Safe for several threads.
    """

    def __init__(self, folder: Path, facts: SessionFacts, clock: SessionClock) -> None:
        self.name, self.at_end = "", False
        self.failed: str | None = None
        self.state = TagState()
        self._folder, self._facts, self._clock = folder, facts, clock
        self._journal: Journal | None = None
        self._tail: JournalTail | None = None
        self._read = 0
        self._chip: str | None = None
        self._unopened: str | None = None
        self._early: list[Moment] = []
        self._written = monotonic()
        self._lock = RLock()
        #: Readings and restarts of the tag that the map of its clock was fitted to, and that map.
        self._fitted: tuple[int, int, ClockMap | None] = (-1, 0, None)
        self._drawn: tuple[Any, Track | None] = (None, None)

    @property
    def problem(self) -> str | None:
        """Why what the tag says is not kept or not named, in a sentence; None where all is well."""
        with self._lock:
            journal = self._journal.problem if self._journal else None
            return self.failed or self._unopened or journal or self.other_model() or None

    def other_model(self) -> str:
        """Say why the tag's classes cannot be named by the session's; empty where they can."""
        return other_model(self.state.connected, self._facts)

    def take(self, moment: Moment) -> None:
        """Write a moment to the tag's journal, then count it.

        What comes before the first connection waits, and so does all where the journal cannot be opened:
        `problem` says why, and `sync` tries again.
        """
        with self._lock:
            if isinstance(moment, Connected) and moment.chip != self._chip:
                self._change_to(moment.chip)
            if self._journal is None:
                self._early.append(moment)
            else:
                self._journal.append_later(entry_of_moment(moment))
                if monotonic() - self._written > _BATCH_S:
                    self.sync()
            self.state.take(moment)

    def _change_to(self, chip: str) -> None:
        """Have what follows be of another tag."""
        if self._journal is not None:
            self._journal.close()
        self._journal, self._tail, self._chip = None, None, chip
        self.state = TagState()
        self._open()

    def _open(self) -> None:
        """Open the tag's journal, with what an earlier part of the session heard of it, or say why not."""
        assert self._chip is not None
        path = tag_path(self._folder, self._chip)
        state, journal = TagState(), None
        try:
            journal = Journal(path, tag_head(self._facts, self._chip))
            for number, entry in enumerate(journal.content.entries):
                state.take(moment_of(entry, f"{path}, line {number + 2}"))
        except UserError as error:
            self._unopened = str(error)
            if journal is not None:
                journal.close()
            return
        for each in self._early:
            journal.append_later(entry_of_moment(each))
            state.take(each)
        self._fitted, self._drawn = (-1, 0, None), (None, None)
        self._journal, self._unopened, self._early, self.state = journal, None, [], state

    def sync(self) -> None:
        """Have all moments on disk; `problem` says where they are not."""
        with self._lock:
            if self._journal is None and self._chip is not None:
                self._open()
            if self._journal is not None:
                self._journal.sync()
                self._written = monotonic()

    def recall(self) -> Connected | None:
        """Return the tag that an earlier part of the session was connected to, None where it was to none."""
        self.follow()
        return self.state.connected

    def follow(self) -> None:
        """Read what another process wrote of the tag. Raises UserError where that is damaged."""
        with self._lock:
            if self._chip is not None:
                return
            if self._tail is None:
                found = tags_of(self._folder)
                if not found:
                    return
                # The newest one, where tags were changed.
                path = max(found, key=lambda each: each.stat().st_mtime_ns)
                self._tail = JournalTail(path)
            try:
                entries = self._tail.more()
            except OSError as error:
                raise UserError(f"{self._tail.path}: it cannot be read ({error.strerror}).") from None
            if self._tail.head and self._tail.head.get("session") != self._facts.id:
                raise UserError(
                    f"{self._tail.path}: it belongs to another session; remove it from the folder."
                )
            for entry in entries:
                self._read += 1
                self.state.take(moment_of(entry, f"{self._tail.path}, line {self._read + 1}"))

    def clock(self) -> ClockMap | None:
        """Return the map of the tag's clock to the session's, None where nothing ties them."""
        with self._lock:
            count = len(self.state.readings)
            readings, restarts, clock = self._fitted
            # A new reading hardly moves the map once there are many, but for the first after a restart.
            known = clock is None or not self.state.restarts or bool(clock.knows(self.state.restarts[-1]))
            more = count > readings * 1.05 or (not known and count > readings)
            if readings < 0 or more or restarts != len(self.state.restarts):
                self._fitted = (count, len(self.state.restarts), clock_of(self.state))
            return self._fitted[2]

    def track(self) -> Track | None:
        """Return what the tag says of its animal, None where it said nothing that can be dated and named."""
        with self._lock:
            animal, clock = self._facts.tagged, self.clock()
            if animal is None or clock is None or self.state.connected is None or self.other_model():
                return None
            key = (*self._fitted[:2], len(self.state.stretches), *map(len, self.state.stretches[-2:]))
            if self._drawn[0] != key:
                found = tag_track(
                    self.state,
                    animal,
                    self._facts.behaviours,
                    clock.to_host_ns,
                    self.state.connected.smoothing,
                    knows=clock.knows,
                )
                self._drawn = key, found
            return self._drawn[1]

    def clock_tolerance_s(self) -> float:
        """Return by how much the tag's clock and the session's may differ over what the tag said, in s."""
        with self._lock:
            clock, track = self.clock(), self.track()
            found = 0.0 if clock is None or track is None else tolerance_of(clock, track)
            return found if math.isfinite(found) else 0.0

    def close(self) -> None:
        """Write what is left and give the journal free."""
        with self._lock:
            self.sync()
            if self._journal is not None:
                self._journal.close()
