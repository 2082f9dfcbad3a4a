"""Event recorder: takes one observer's events, and has each on disk before it counts."""

from __future__ import annotations

from pathlib import Path
from threading import RLock

from mcukd.errors import UserError
from mcukd.observation.events import (
    FOCAL,
    NOTE_LENGTH,
    SCAN,
    Began,
    Begin,
    Correct,
    Ended,
    Event,
    Note,
    OutOfSight,
    Paused,
    Reopened,
    Resumed,
    Sampling,
    Scanned,
    Taps,
    Undo,
    What,
    entry_of,
)
from mcukd.observation.folder import (
    SessionFacts,
    events_of,
    last_alive,
    mark_alive,
    observer_head,
    observer_path,
)
from mcukd.observation.journal import Journal
from mcukd.observation.moments import SessionClock
from mcukd.observation.state import ObserverState, Standing, state_of
from mcukd.text import did_you_mean, listed

NS = 1_000_000_000
#: A key may have been pressed this much later than now by another clock, ns.
AHEAD_NS = NS
#: Longest name that a face may give a press, in characters.
PRESS_LENGTH = 64
#: Longest interval of scan sampling, s.
SCAN_LONGEST_S = 24 * 3600
#: Events after which sampling, pause and end are as before.
_CHANGES_NO_FLAG = (Begin, Scanned, OutOfSight, Note, Taps)
_TIMED = (Begin, Scanned, OutOfSight, Paused, Resumed, Note)


class EventRecorder:
    """The events of one observer of a session: takes them, writes them, and returns the state that results.

    Every method that takes an event returns it once it is on disk, and raises UserError, in a sentence, where
    it makes no sense or could not be written; then it is not taken. at_ns: when it happened, by the session's
    clock; now without it. press: name of the key press; one that was taken already is returned again. Safe
    for several threads.
    """

    def __init__(self, folder: Path, facts: SessionFacts, observer: str, clock: SessionClock) -> None:
        self.facts, self.observer = facts, observer
        self._folder, self._clock = folder, clock
        self._lock = RLock()
        self._known: ObserverState | None = None
        path = observer_path(folder, observer)
        self._journal = Journal(path, observer_head(facts, observer))
        try:
            self._events = events_of(self._journal.content.entries, path, facts)
            self._presses = {event.press: event for event in self._events if event.press}
            if self._events:
                alive = last_alive(folder, observer, self._events)
                self._add(Reopened(alive), max(alive, clock.now_ns()), "")
            else:
                self._add(Began(), clock.now_ns(), "")
        except BaseException:
            self._journal.close()
            raise
        self.mark_alive()

    @property
    def events(self) -> list[Event]:
        """All events, in order of their numbers."""
        return list(self._events)

    @property
    def problem(self) -> str | None:
        """Why the last event could not be written, in a sentence; None where it could."""
        return self._journal.problem

    @property
    def torn(self) -> Path | None:
        """The file that an incomplete last line of the journal was moved to, if there was one."""
        return self._journal.torn

    def state(self, now_ns: int | None = None) -> ObserverState:
        """Return the state that results from the events, now or at a time in ns."""
        return state_of(self.events, self.facts.animals, self._clock.now_ns() if now_ns is None else now_ns)

    def press(self, animal: str, behaviour: str, at_ns: int | None = None, *, press: str = "") -> Event:
        """Take a key: the animal begins the behaviour; in scan sampling it was scanned with it."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_animal(animal)
            if behaviour not in self.facts.behaviours:
                close = did_you_mean(behaviour, self.facts.behaviours)
                raise UserError(
                    f"behaviour {behaviour!r} is not of this session{close}; expected "
                    f"{listed(self.facts.behaviours)}."
                )
            self._require_watching()
            scan = self._flags().mode == SCAN
            what: What = Scanned(animal, behaviour) if scan else Begin(animal, behaviour)
            return self._take(what, at_ns, press)

    def out_of_sight(self, animal: str, at_ns: int | None = None, *, press: str = "") -> Event:
        """Take it that an animal cannot be seen."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_animal(animal)
            self._require_watching()
            return self._take(OutOfSight(animal), at_ns, press)

    def pause(self, at_ns: int | None = None, *, press: str = "") -> Event:
        """Take it that the observer looks away."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_watching()
            return self._take(Paused(), at_ns, press)

    def resume(self, at_ns: int | None = None, *, press: str = "") -> Event:
        """Take it that the observer looks again."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            if not self._flags().paused:
                raise UserError("the session is not paused, so it cannot be resumed.")
            return self._take(Resumed(), at_ns, press)

    def note(
        self, text: str, animal: str | None = None, at_ns: int | None = None, *, press: str = ""
    ) -> Event:
        """Take a note."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            if animal is not None:
                self._require_animal(animal)
            text = text.strip()
            if not 0 < len(text) <= NOTE_LENGTH:
                raise UserError(f"a note has 1 to {NOTE_LENGTH} letters, not {len(text)}.")
            return self._take(Note(text, animal), at_ns, press)

    def undo(self, of: int | None = None, *, press: str = "") -> Event:
        """Undo an event by its number, or the newest one that counts; an undo of an undo brings it back."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            found = self.state().last if of is None else self._standing(of)
            if found is None:
                raise UserError("there is nothing to undo.")
            if found.undone:
                raise UserError(f"event {found.event.number} is undone already.")
            if isinstance(found.event.what, (Began, Reopened, Ended)):
                raise UserError(f"event {found.event.number} ({found.event.what.kind}) cannot be undone.")
            return self._take(Undo(found.event.number), None, press)

    def correct(
        self, of: int, behaviour: str | None = None, to_ns: int | None = None, *, press: str = ""
    ) -> Event:
        """Correct the behaviour of an earlier event, or its time, or both."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            found = self._standing(of)
            if found.undone:
                raise UserError(f"event {of} is undone; undo that first, then correct it.")
            if behaviour is None and to_ns is None:
                raise UserError(f"a correction of event {of} needs another behaviour or another time.")
            if behaviour is not None and (found.behaviour is None or behaviour not in self.facts.behaviours):
                raise UserError(
                    f"event {of} ({found.event.what.kind}) cannot be of behaviour {behaviour!r}; a behaviour "
                    f"can be corrected to {listed(self.facts.behaviours)}."
                )
            if to_ns is not None:
                if not isinstance(found.event.what, _TIMED):
                    raise UserError(f"the time of event {of} ({found.event.what.kind}) cannot be corrected.")
                self._require_time(to_ns)
            return self._take(Correct(of, behaviour, to_ns), None, press)

    def tap(self, at_ns: int | None = None, *, press: str = "") -> Event:
        """Take it that the observer tapped the tag, once."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            at = self._clock.now_ns() if at_ns is None else at_ns
            return self._take(Taps((at,)), at, press)

    def taps(self, moments_ns: tuple[int, ...], *, press: str = "") -> Event:
        """Take it that the observer tapped the tag at some moments, in ns."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            if not moments_ns:
                raise UserError("taps need the moment of one at least.")
            for each in moments_ns:
                self._require_time(each)
            return self._take(Taps(tuple(sorted(moments_ns))), max(moments_ns), press)

    def sample(self, mode: str, interval_s: int = 0, *, press: str = "") -> Event:
        """Watch animals in another way: `focal`, or `scan` with an interval in seconds."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            if mode not in (FOCAL, SCAN):
                raise UserError(f"sampling {mode!r} is not known; expected {FOCAL} or {SCAN}.")
            if mode == SCAN and not 2 <= interval_s <= SCAN_LONGEST_S:
                raise UserError(
                    f"scan sampling has an interval of 2 to {SCAN_LONGEST_S} s, not {interval_s} s."
                )
            return self._take(Sampling(mode, interval_s if mode == SCAN else 0), None, press)

    def end(self, at_ns: int | None = None, *, press: str = "") -> Event:
        """End the observer's session; opening it again goes on with it."""
        with self._lock:
            if press in self._presses:
                return self._presses[press]
            self._require_open()
            return self._take(Ended(), at_ns, press)

    def mark_alive(self) -> None:
        """Say on disk that this program runs; without effect where the disk does not take it."""
        mark_alive(self._folder, self.observer, self._clock.now_ns())

    def close(self) -> None:
        """Give the journal free; what was taken is kept."""
        with self._lock:
            self._journal.close()

    def _take(self, what: What, at_ns: int | None, press: str) -> Event:
        if len(press) > PRESS_LENGTH:
            raise UserError(f"a press has a name of at most {PRESS_LENGTH} letters, not {len(press)}.")
        if at_ns is not None:
            self._require_time(at_ns)
        return self._add(what, self._clock.now_ns() if at_ns is None else at_ns, press)

    def _add(self, what: What, utc_ns: int, press: str) -> Event:
        event = Event(self._journal.next_number, utc_ns, self.observer, what, press)
        self._journal.append(entry_of(event))
        self._events.append(event)
        if not isinstance(what, _CHANGES_NO_FLAG):
            self._known = None
        if press:
            self._presses[press] = event
        return event

    def _flags(self) -> ObserverState:
        """Return a state whose mode, pause and end are those of now, whatever else is older in it."""
        if self._known is None:
            self._known = self.state()
        return self._known

    def _require_open(self) -> None:
        if self._flags().ended:
            raise UserError("the session has ended; open it again with --resume to go on.")

    def _require_watching(self) -> None:
        self._require_open()
        if self._flags().paused:
            raise UserError("the session is paused; resume it first.")

    def _standing(self, number: int) -> Standing:
        self._require_open()
        for each in self.state().standings:
            if each.event.number == number:
                return each
        raise UserError(f"there is no event {number}; the newest one is {len(self._events)}.")

    def _require_animal(self, animal: str) -> None:
        if animal not in self.facts.animals:
            raise UserError(
                f"animal {animal!r} is not of this session{did_you_mean(animal, self.facts.animals)}; "
                f"expected {listed(self.facts.animals)}."
            )

    def _require_time(self, at_ns: int) -> None:
        """Require that a time lies in the observer's session."""
        if not self._events:
            return
        first, now = self._events[0].utc_ns, self._clock.now_ns()
        if not first <= at_ns <= now + AHEAD_NS:
            before = at_ns < first
            raise UserError(
                f"the time lies {abs(at_ns - (first if before else now)) / NS:.1f} s "
                f"{'before the session' if before else 'ahead of now'}; give a time within the session."
            )
