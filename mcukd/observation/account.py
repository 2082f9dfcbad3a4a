"""Account of a session: the tracks of both sides and the facts of the clocks, read from its files.

The functions are those that a session shows its figures by while it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track
from mcukd.observation.clocks.facts import clock_facts
from mcukd.observation.clocks.local_time import local_text, zone_named
from mcukd.observation.events import Event, Note
from mcukd.observation.folder import (
    SessionFacts,
    last_alive,
    observer_path,
    observers_of,
    read_events,
    read_facts,
    read_moments,
    tags_of,
)
from mcukd.observation.journal_lines import read_journal
from mcukd.observation.state import observer_tracks, standings_of, state_of, taps_of
from mcukd.observation.tag_clock import clock_of, tap_anchors, tolerance_of
from mcukd.observation.tag_model import other_model
from mcukd.observation.tag_state import TagState, tag_track

NS = 1_000_000_000


@dataclass(frozen=True)
class Account:
    """Tracks and facts of a session, from its files.

    observers: by name, a track of each animal. tags: a track of each tag that was connected. clocks: by the
    tag's source, the facts of its clock (`clock_facts`). tolerance_s: by how much the clocks may differ.
    notes: (ns since 1970, observer, text). remarks: sentences on what is not as it should be. emulated:
    whether a modelled chip stood in for a tag.
    """

    folder: Path
    facts: SessionFacts
    observers: dict[str, tuple[Track, ...]]
    tags: tuple[Track, ...]
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)
    tolerance_s: float = 0.0
    notes: tuple[tuple[int, str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    emulated: bool = False

    @property
    def pairs(self) -> list[tuple[Track, Track]]:
        """Each observer's track of a tag's animal with the tag's, the observer's first."""
        return [
            (mine, tag)
            for tag in self.tags
            for tracks in self.observers.values()
            for mine in tracks
            if mine.animal == tag.animal and len(mine)
        ]

    def settings(self, **other: Any) -> AgreementSettings:
        """Return settings of an agreement with the tag: the session's precision, the clocks' uncertainty."""
        return AgreementSettings(
            **{
                "clock_uncertainty_s": self.tolerance_s,
                "wanted_half_width": self.facts.precision,
                **other,
            }
        )

    def stated(self) -> dict[str, Any]:
        """Return what a report says of the session, in JSON types: all but tracks and the tag's agreement.

        `name`, `began`, `zone`, `animals`, `tagged`, `study`, `simulated`, `emulated`, `blind`, `versions`;
        `observers` {name: minutes watched}; `clocks`, `tolerance_s`; `between_observers`; `notes` (`time`,
        `observer`, `text`). Times are local, with their offset from UTC.
        """
        facts, zone = self.facts, zone_named(self.facts.zone)
        return {
            **{
                name: getattr(facts, name)
                for name in ("name", "zone", "tagged", "study", "simulated", "blind")
            },
            "began": local_text(facts.began_ns, zone),
            "animals": list(facts.animals),
            "emulated": self.emulated,
            "versions": dict(facts.versions),
            "observers": {
                name: sum(int(each.durations.sum()) for each in tracks) / 60 / NS
                for name, tracks in self.observers.items()
            },
            "clocks": self.clocks,
            "tolerance_s": self.tolerance_s,
            "between_observers": self.between_observers(),
            "notes": [
                {"time": local_text(at, zone), "observer": who, "text": text} for at, who, text in self.notes
            ],
        }

    def between_observers(self, **settings: Any) -> dict[str, dict[str, Any]]:
        """Return the agreement of each two observers, by "anna and ben"; without tolerance for clocks."""
        found = {}
        for one, other in combinations(sorted(self.observers), 2):
            pairs = list(zip(self.observers[one], self.observers[other]))
            chosen = AgreementSettings(
                **{"wanted_half_width": self.facts.precision, **settings, "names": (one, other)}
            )
            found[f"{one} and {other}"] = agreement_of(pairs, chosen, simulated=self.facts.simulated)
        return found


def session_tracks(folder: Path) -> Account:
    """Read a session's folder, also one that is under way.

    An observer who did not end the session is taken to have watched until the program was last known to run.
    Raises UserError where the folder is no session, or a journal is damaged.
    """
    facts = read_facts(folder)
    observers: dict[str, tuple[Track, ...]] = {}
    taps: list[int] = []
    notes: list[tuple[int, str, str]] = []
    remarks: list[str] = []
    for name in observers_of(folder):
        path = observer_path(folder, name)
        events = read_events(path, facts)
        until = last_alive(folder, name, events)
        observers[name] = tuple(observer_tracks(events, facts.animals, facts.behaviours, until))
        taps += taps_of(events)
        notes += [
            (each.utc_ns, name, each.event.what.text)
            for each in standings_of(events)
            if isinstance(each.event.what, Note) and not each.undone
        ]
        remarks += _remarks(path, events, facts, until)
    states = [(path, _state(path, facts)) for path in tags_of(folder)]
    tags: list[Track] = []
    clocks: dict[str, dict[str, Any]] = {}
    tolerance = 0.0
    for path, state in states:
        anchors, why = tap_anchors(state, sorted(taps))
        clock = clock_of(state, anchors)
        remarks += why
        problem = other_model(state.connected, facts)
        if clock is None or problem or facts.tagged is None or state.connected is None:
            remarks.append(f"{path.name} is left out: {problem or 'nothing ties its clock to the session.'}")
            continue
        track = tag_track(
            state,
            facts.tagged,
            facts.behaviours,
            clock.to_host_ns,
            state.connected.smoothing,
            knows=clock.knows,
        )
        tags.append(track)
        clocks[track.source] = clock_facts(clock)
        found = tolerance_of(clock, track)
        if math.isfinite(found):
            tolerance = max(tolerance, found)
        else:
            remarks.append(f"{path.name}: the tag's clock is not known throughout the session.")
    return Account(
        folder,
        facts,
        observers,
        tuple(tags),
        clocks,
        tolerance,
        tuple(sorted(notes)),
        tuple(remarks),
        facts.emulated or any(state.connected and state.connected.emulated for _, state in states),
    )


def _state(path: Path, facts: SessionFacts) -> TagState:
    state = TagState()
    for moment in read_moments(path, facts):
        state.take(moment)
    return state


def _remarks(path: Path, events: Sequence[Event], facts: SessionFacts, until: int) -> list[str]:
    found = []
    if not events:
        found.append(f"{path.name}: nothing is in it, so that nothing of its observer counts.")
    if read_journal(path).torn:
        found.append(f"{path.name}: its last line is incomplete; it never counted and is left out.")
    state = state_of(events, facts.animals, until)
    if state.unseen_ns:
        found.append(
            f"{path.name}: the program was away for {state.unseen_ns / NS / 60:.1f} min in all; behaviour is "
            "not known there."
        )
    if events and not state.ended:
        found.append(f"{path.name}: the session was not ended; it is counted until its program last ran.")
    return found
