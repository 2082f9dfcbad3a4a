"""State of an observer: what each animal does now, and its track, computed from the journal's events.

Pure functions of events and a time. What a screen shows while a session goes on and what is computed from its
files later come from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mcukd.metrics.agreement.track import Track, track_of
from mcukd.observation.events import (
    FOCAL,
    Began,
    Begin,
    Correct,
    Ended,
    Event,
    OutOfSight,
    Paused,
    Reopened,
    Resumed,
    Sampling,
    Scanned,
    Taps,
    Undo,
)

NS = 1_000_000_000
#: A behaviour goes on over a time without the program that is no longer than this.
BREAK_NS = 30 * NS
#: How long a behaviour that was scanned is known, from the moment of the scan on.
SCANNED_NS = NS
#: Events that may be undone.
_KEPT = (Began, Reopened, Ended)


@dataclass(frozen=True)
class Standing:
    """An event as it stands after those behind it. undone: it does not count.

    utc_ns, behaviour: with corrections; behaviour is None for an event without one. corrected: whether one
    counts.
    """

    event: Event
    utc_ns: int
    behaviour: str | None
    undone: bool
    corrected: bool


@dataclass(frozen=True)
class Current:
    """What an animal does. behaviour: None where it is not known. since_ns: from when on."""

    behaviour: str | None = None
    since_ns: int | None = None
    out_of_sight: bool = False


@dataclass(frozen=True)
class ObserverState:
    """An observer's state at a time, computed from the events.

    animals: by name. standings: of all events, in order of their numbers. intervals: by animal, (start, end,
    behaviour) in ns. mode, interval_s, since_ns: the sampling and since when. unseen_ns: time for which the
    program was not there.
    """

    animals: dict[str, Current]
    standings: tuple[Standing, ...]
    intervals: dict[str, list[tuple[int, int, str]]]
    began_ns: int | None = None
    paused: bool = False
    ended: bool = False
    mode: str = FOCAL
    interval_s: int = 0
    since_ns: int = 0
    unseen_ns: int = 0

    @property
    def last(self) -> Standing | None:
        """The newest event that an undo without a number takes back, None without one."""
        for each in reversed(self.standings):
            if not each.undone and not isinstance(each.event.what, (Undo, *_KEPT)):
                return each
        return None


def standings_of(events: Sequence[Event]) -> list[Standing]:
    """Return each event as it stands. Events are in order of their numbers.

    Undos and corrections of events that are not there, or of later ones, do not count.
    """
    undone: set[int] = set()
    for event in reversed(events):
        if isinstance(event.what, Undo) and event.number not in undone and event.what.of < event.number:
            undone.add(event.what.of)
    corrections: dict[int, list[Correct]] = {}
    for event in events:
        if isinstance(event.what, Correct) and event.number not in undone:
            corrections.setdefault(event.what.of, []).append(event.what)
    found = []
    for event in events:
        time, behaviour = event.utc_ns, getattr(event.what, "behaviour", None)
        for each in corrections.get(event.number, ()):
            time = time if each.to_ns is None else each.to_ns
            behaviour = each.behaviour or behaviour
        corrected = event.number in corrections
        found.append(Standing(event, time, behaviour, event.number in undone, corrected))
    return found


def state_of(events: Sequence[Event], animals: Sequence[str], now_ns: int) -> ObserverState:
    """Return an observer's state at `now_ns`. Events of other animals add those."""
    standings = standings_of(events)
    walk = _Walk({name: Current() for name in animals})
    steps = [
        (each.event.what.alive_ns if isinstance(each.event.what, Reopened) else each.utc_ns, number, each)
        for number, each in enumerate(standings)
        if not each.undone
    ]
    for _, _, each in sorted(steps, key=lambda step: step[:2]):
        walk.take(each)
    walk.until(now_ns)
    return ObserverState(
        walk.animals,
        tuple(standings),
        walk.intervals,
        walk.began_ns,
        walk.paused,
        walk.ended,
        walk.mode,
        walk.interval_s,
        walk.since_ns,
        walk.unseen_ns,
    )


def observer_tracks(
    events: Sequence[Event], animals: Sequence[str], classes: Sequence[str], until_ns: int
) -> list[Track]:
    """Return an observer's account of each animal, up to `until_ns` or the end of the session before it.

    classes: of the tracks. Raises ValueError where a behaviour is none of them.
    """
    found = state_of(events, animals, until_ns)
    source = f"observer {events[0].observer}" if events else "observer"
    index = {name: number for number, name in enumerate(classes)}
    missing = sorted({name for each in found.intervals.values() for *_, name in each if name not in index})
    if missing:
        raise ValueError(f"the classes lack {', '.join(missing)}")
    return [
        track_of(
            animal,
            source,
            classes,
            [(start, end, index[name]) for start, end, name in found.intervals.get(animal, [])],
        )
        for animal in animals
    ]


def taps_of(events: Sequence[Event]) -> list[int]:
    """Return the moments, in ns, at which an observer tapped the tag, sorted; undone ones are left out."""
    return sorted(
        moment
        for each in standings_of(events)
        if not each.undone and isinstance(each.event.what, Taps)
        for moment in each.event.what.moments_ns
    )


@dataclass
class _Walk:
    """A pass over events in order of their times."""

    animals: dict[str, Current]
    intervals: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    began_ns: int | None = None
    paused: bool = False
    ended: bool = False
    mode: str = FOCAL
    interval_s: int = 0
    since_ns: int = 0
    unseen_ns: int = 0

    def take(self, standing: Standing) -> None:
        what, time = standing.event.what, standing.utc_ns
        if isinstance(what, Reopened):
            self.ended = False
            if time - what.alive_ns > BREAK_NS:
                self.unseen_ns += time - what.alive_ns
                self._close_all(what.alive_ns)
        elif isinstance(what, Began):
            self.began_ns = time if self.began_ns is None else self.began_ns
        elif isinstance(what, (Begin, Scanned)):
            self._close(what.animal, time, Current())
            if not self.paused and not self.ended:
                self.animals[what.animal] = Current(standing.behaviour, time)
            if isinstance(what, Scanned):
                self._close(what.animal, time + SCANNED_NS, Current())
        elif isinstance(what, OutOfSight):
            self._close(what.animal, time, Current(None, time, True))
        elif isinstance(what, Sampling):
            self._close_all(time)
            self.mode, self.interval_s, self.since_ns = what.mode, what.interval_s, time
        elif isinstance(what, (Paused, Ended)):
            self._close_all(time)
            self.paused, self.ended = self.paused or isinstance(what, Paused), isinstance(what, Ended)
        elif isinstance(what, Resumed):
            self.paused = False

    def until(self, now_ns: int) -> None:
        """Add the behaviours that go on, up to now."""
        for animal, current in list(self.animals.items()):
            self._close(animal, now_ns, current)
        for found in self.intervals.values():
            while found and found[-1][0] >= now_ns:
                found.pop()
            if found and found[-1][1] > now_ns:
                found[-1] = (found[-1][0], now_ns, found[-1][2])

    def _close_all(self, time: int) -> None:
        for animal in list(self.animals):
            self._close(animal, time, Current())

    def _close(self, animal: str, time: int, after: Current) -> None:
        """End what an animal does; `after` is what is known from then on."""
        current = self.animals.get(animal, Current())
        if current.behaviour is not None and current.since_ns is not None and time > current.since_ns:
            found = self.intervals.setdefault(animal, [])
            # A scan of less than a second ago gives way.
            while found and found[-1][0] >= current.since_ns:
                found.pop()
            if found and found[-1][1] > current.since_ns:
                found[-1] = (found[-1][0], current.since_ns, found[-1][2])
            found.append((current.since_ns, time, current.behaviour))
        self.animals[animal] = after
