"""Snapshot: all that a face of a session shows, in JSON types. Times are seconds since 1970 in UTC.

- `session`: `name`, `id`, `animals`, `tagged`, `classes`, `also`, `zone`, `began`, `blind`, `precision`,
  `simulated`, `emulated`; `now`; `change`, the number of the last change; `steps`, sentences on how this
  computer's clock was set meanwhile.
- `observers` {name: `here` (whether this process is theirs), `began`, `paused`, `ended`, `mode`,
  `interval_s`, `next_scan` (None in focal sampling), `unseen_s`, `animals` {animal: `behaviour`, `since`,
  `out_of_sight`}, `events` (the newest `EVENTS`, newest last: `number`, `time`, `event`, `animal`,
  `behaviour`, `text`, `of`, `undone`, `corrected`), `problem`}.
- `tag`: None without one, else `name`, `state` (waiting, connected, lost, ended), `reason`, `chip`,
  `animal`, `behaviour` and `raw` (None where unknown or not shown), `time` of the newest result, `gaps`,
  `lost`, `emulated`, `problem`, `clock` (`tolerance_s`; None while nothing ties the clocks).
- `ethograms` {animal: [{`source`, `bouts`: [[start, end, behaviour], …]}, …]} of the last `RECENT_S`.
- `minutes` {animal: {source: {behaviour: minutes}}} of the whole session.
- `agreement` {observer: figures of `agreement_figures` against the tag}, `between_observers`
  {"anna and ben": the same}, each with `problem` where they cannot be had.
- `disk`: `free_bytes`, `problem`.

With `blind` the tag's behaviour, its ethogram, minutes and the agreement are left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from mcukd.errors import UserError
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.track import Track
from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.events import SCAN, Event
from mcukd.observation.figures import agreement_figures, minutes_of, recent, seconds
from mcukd.observation.folder import SessionFacts
from mcukd.observation.moments import SessionClock
from mcukd.observation.others import Others
from mcukd.observation.state import ObserverState, Standing, observer_tracks, state_of
from mcukd.observation.tag_side import TagSide

NS = 1_000_000_000
#: Events of an observer that are shown, and seconds of the ethograms.
EVENTS, RECENT_S = 40, 600
#: Agreement is computed anew after so many seconds of this computer at the earliest.
_FIGURES_S = 2.0


class Snapshots:
    """Snapshots of one session, with its slower figures kept for a while."""

    def __init__(
        self, folder: Path, facts: SessionFacts, clock: SessionClock, tag: TagSide, others: Others
    ) -> None:
        self._folder, self._facts, self._clock = folder, facts, clock
        self._tag_side, self._others = tag, others
        self._lock = Lock()
        self._computed: float | None = None
        self._figures: dict[str, Any] = {}

    def take(
        self, recorders: Mapping[str, EventRecorder], change: int, fresh: bool = False
    ) -> dict[str, Any]:
        """Return a snapshot. recorders: of this process's observers. change: number of the last change.

        fresh: compute the agreement now, however short ago it was computed.
        """
        with self._lock:
            return self._take(recorders, change, fresh)

    def _take(self, recorders: Mapping[str, EventRecorder], change: int, fresh: bool) -> dict[str, Any]:
        facts, now = self._facts, self._clock.now_ns()
        events = {name: recorder.events for name, recorder in recorders.items()}
        events.update(self._others.events(recorders))
        problem = self._others.problem
        try:
            self._tag_side.follow()
        except UserError as error:
            problem = str(error)
        tracks = {
            name: observer_tracks(each, facts.animals, facts.behaviours, now) for name, each in events.items()
        }
        shown = None if facts.blind else self._tag_side.track()
        if fresh or self._computed is None or monotonic() - self._computed > _FIGURES_S:
            self._figures = self._agreement(tracks, shown)
            self._computed = monotonic()
        drawn = [one for each in tracks.values() for one in each] + ([] if shown is None else [shown])
        return {
            "session": {
                "name": facts.name,
                "id": facts.id,
                "animals": list(facts.animals),
                "tagged": facts.tagged,
                "classes": list(facts.classes),
                "also": list(facts.also),
                "zone": facts.zone,
                "began": seconds(facts.began_ns),
                "blind": facts.blind,
                "precision": facts.precision,
                "simulated": facts.simulated,
                "emulated": facts.emulated,
            },
            "now": seconds(now),
            "steps": [step.sentence for step in getattr(self._clock, "steps", ())],
            "change": change,
            "observers": {
                name: {
                    "here": name in recorders,
                    **_observer(state_of(each, facts.animals, now), now),
                    "problem": recorders[name].problem if name in recorders else None,
                }
                for name, each in events.items()
            },
            "tag": self._tag(),
            **_accounts(drawn, now),
            **self._figures,
            "disk": {"free_bytes": _free(self._folder), "problem": problem},
        }

    def _agreement(self, tracks: dict[str, list[Track]], tag: Track | None) -> dict[str, Any]:
        found: dict[str, Any] = {"agreement": {}, "between_observers": {}}
        facts = self._facts
        if tag is not None:
            settings = AgreementSettings(
                clock_uncertainty_s=self._tag_side.clock_tolerance_s(), wanted_half_width=facts.precision
            )
            for name, each in tracks.items():
                mine = [one for one in each if one.animal == tag.animal]
                found["agreement"][name] = agreement_figures(
                    [(one, tag) for one in mine], settings, facts.simulated
                )
        for one, other in combinations(sorted(tracks), 2):
            pairs = list(zip(tracks[one], tracks[other]))
            settings = AgreementSettings(wanted_half_width=facts.precision, names=(one, other))
            found["between_observers"][f"{one} and {other}"] = agreement_figures(
                pairs, settings, facts.simulated
            )
        return found

    def _tag(self) -> dict[str, Any] | None:
        side, facts = self._tag_side, self._facts
        state = side.state
        if facts.tagged is None and not side.name and state.connected is None:
            return None
        lost = state.reason is not None
        where = "waiting" if state.connected is None and not lost else "lost" if lost else "connected"
        latest = state.latest
        classes = None if facts.blind or side.other_model() else facts.classes
        return {
            "name": side.name,
            "state": "ended" if side.at_end else where,
            "reason": state.reason,
            "chip": state.connected.chip if state.connected else "",
            "animal": facts.tagged,
            "behaviour": _named(classes, latest.behaviour if latest else None),
            "raw": _named(classes, latest.raw if latest else None),
            "time": seconds(latest.received_ns) if latest else None,
            "gaps": state.gaps,
            "lost": state.lost,
            "emulated": facts.emulated or bool(state.connected and state.connected.emulated),
            "problem": side.problem,
            "clock": {"tolerance_s": side.clock_tolerance_s()} if side.clock() else None,
        }


def _named(classes: Sequence[str] | None, code: int | None) -> str | None:
    return None if classes is None or code is None or code >= len(classes) else classes[code]


def _observer(state: ObserverState, now: int) -> dict[str, Any]:
    return {
        "began": seconds(state.began_ns),
        "paused": state.paused,
        "ended": state.ended,
        "mode": state.mode,
        "interval_s": state.interval_s,
        "next_scan": seconds(next_scan(state, now)),
        "unseen_s": state.unseen_ns / NS,
        "animals": {
            name: {
                "behaviour": one.behaviour,
                "since": seconds(one.since_ns),
                "out_of_sight": one.out_of_sight,
            }
            for name, one in state.animals.items()
        },
        "events": [_shown(each) for each in state.standings[-EVENTS:]],
    }


def next_scan(state: ObserverState, now_ns: int) -> int | None:
    """Return when animals are to be scanned next, in ns; None where they are watched throughout."""
    if state.mode != SCAN or state.paused or state.ended:
        return None
    step = state.interval_s * NS
    return state.since_ns + ((now_ns - state.since_ns) // step + 1) * step


def _shown(standing: Standing) -> dict[str, Any]:
    event: Event = standing.event
    return {
        "number": event.number,
        "time": seconds(standing.utc_ns),
        "event": event.what.kind,
        "animal": getattr(event.what, "animal", None),
        "behaviour": standing.behaviour,
        "text": getattr(event.what, "text", None),
        "of": getattr(event.what, "of", None),
        "undone": standing.undone,
        "corrected": standing.corrected,
    }


def _accounts(tracks: Sequence[Track], now: int) -> dict[str, Any]:
    ethograms: dict[str, list[Any]] = {}
    minutes: dict[str, dict[str, Any]] = {}
    for track in tracks:
        bouts = recent(track, now - RECENT_S * NS, now)
        ethograms.setdefault(track.animal, []).append({"source": track.source, "bouts": bouts})
        minutes.setdefault(track.animal, {})[track.source] = minutes_of(track)
    return {"ethograms": ethograms, "minutes": minutes}


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
