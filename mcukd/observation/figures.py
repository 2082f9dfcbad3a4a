"""Figures of a session: minutes, bouts and agreement of its tracks, in JSON types, for faces and reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track

NS = 1_000_000_000
_MINUTE_NS = 60 * NS


def seconds(ns: int | None) -> float | None:
    """Return ns since 1970 as seconds, which JavaScript can hold, None of None."""
    return None if ns is None else ns / NS


def recent(track: Track, from_ns: int, to_ns: int) -> list[list[Any]]:
    """Return the bouts of a track in a time as [start, end, class], in seconds since 1970."""
    found = track.within(np.array([[from_ns, to_ns]], np.int64)).bouts()
    return [
        [start / NS, end / NS, track.classes[code]]
        for start, end, code in zip(found.starts.tolist(), found.ends.tolist(), found.behaviours.tolist())
    ]


def minutes_of(track: Track) -> dict[str, float]:
    """Return the minutes of each behaviour that a track has."""
    return {
        name: round(time / _MINUTE_NS, 3)
        for name, time in zip(track.classes, track.totals().tolist())
        if time
    }


def agreement_figures(
    pairs: Sequence[tuple[Track, Track]], settings: AgreementSettings, simulated: bool
) -> dict[str, Any]:
    """Return what a face shows of `agreement_of`, under the same names.

    `kappa` {time, time_tolerant, event}, each with `value` and `why`; `same_share`; `both_know_min`;
    `behaviours` {class: `sensitivity`, `precision` with `value`, `interval`, `bouts`; `still_needed` bouts}.
    """
    found = agreement_of(pairs, settings, simulated=simulated)
    together = found["together"]
    return {
        "kappa": {name: together["kappa"][name] for name in ("time", "time_tolerant", "event")},
        "same_share": together["same_share"]["value"],
        "both_know_min": together["minutes"]["both_know"],
        "tolerance_s": settings.effective_tolerance_s,
        "behaviours": {
            name: {
                **{
                    which: {key: each[which][key] for key in ("value", "interval", "bouts")}
                    for which in ("sensitivity", "precision")
                },
                "still_needed": each["wanted"]["still_needed"],
                "needed": each["wanted"]["needed"],
            }
            for name, each in together["behaviours"].items()
        },
    }
