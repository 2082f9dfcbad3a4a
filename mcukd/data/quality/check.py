"""Check of a data set against its card, animal by animal."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.calibration import estimate
from mcukd.data.card import Card
from mcukd.data.folds import natural_order
from mcukd.data.gaps import Cut
from mcukd.data.quality import findings
from mcukd.data.quality.finding import Finding
from mcukd.data.quality.grouping import Group, grouped
from mcukd.data.quality.overlap import Pair, WindowFeatures, pairs
from mcukd.data.quality.row_faults import RowFaults
from mcukd.data.quality.survey import LENGTH_EDGES, AnimalSurvey, Survey
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.registry import READERS
from mcukd.data.recordings import source_window, to_g
from mcukd.data.resample import cut_of
from mcukd.data.sources import raw_segments

PIECE = 500_000


@dataclass
class Timeline:
    """Counts windows that hold more than one behaviour where recordings are cut regardless of labels."""

    window: int
    hop: int
    mixed: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    _key: tuple[str, str] | None = None
    _lengths: list[int] = field(default_factory=list)

    def add(self, segment: RawSegment) -> None:
        """Take in the next segment; segments of one place follow each other."""
        key = (segment.animal, segment.place)
        if key != self._key:
            self.close()
            self._key = key
        self._lengths.append(len(segment.samples))

    def close(self) -> None:
        """Count the place that ends here."""
        if self._key is None:
            return
        ends = np.cumsum(self._lengths)
        starts = np.arange(0, ends[-1] - self.window + 1, self.hop)
        first = np.searchsorted(ends, starts, side="right")
        last = np.searchsorted(ends, starts + self.window - 1, side="right")
        self.windows[self._key[0]] += len(starts)
        self.mixed[self._key[0]] += int(np.sum(first != last))
        self._lengths = []


@dataclass(frozen=True)
class Checked:
    """What a check found. animals: facts per animal, in g. pairs: of labels, the most alike first."""

    card: Card
    animals: dict[str, dict[str, Any]]
    findings: tuple[Finding, ...]
    pairs: tuple[Pair, ...]
    labels: dict[str, int]
    gravity_axis: str
    survey: Survey

    def grouped(self) -> list[Group]:
        """Return the findings, those that several animals share as one."""
        return grouped(self.findings, len(self.animals))

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the samples, for scripts."""
        return {
            "card": self.card.name,
            "simulated": self.card.simulated,
            "units": self.card.signal.units,
            "rate_hz": self.card.signal.rate_hz,
            "resample_hz": self.card.signal.resample_hz,
            "gravity_axis": self.gravity_axis,
            "labels": self.labels,
            "animals": self.animals,
            "findings": [asdict(one) for one in self.findings],
            "grouped": [asdict(one) for one in self.grouped()],
            "pairs": [asdict(one) for one in self.pairs],
        }


def check(card: Card, data_root: Path | None = None, seed: int = 0) -> Checked:
    """Read every recording of a card, those of ignored labels too, and compare them with what the card says.

    Raises UserError only for what cannot be read; everything else is a finding.
    """
    per_g = 1.0 / float(to_g(card, np.ones(1))[0])
    window = source_window(card)
    hop = max(1, round(card.hop * card.signal.rate_hz / card.rate_hz))
    survey, features, timeline = Survey(), WindowFeatures(window, per_g), Timeline(window, hop)
    faults = RowFaults(per_g, card.signal.rate_hz)
    for segment in raw_segments(card, data_root, seed=seed, limit=PIECE):
        survey.add(segment)
        features.add(segment)
        faults.add(segment)
        if READERS[card.source.reader].labels_change:
            timeline.add(segment)
    timeline.close()
    animals = {
        name: {**_facts(card, name, survey.animals[name], per_g, timeline), **faults.facts(name)}
        for name in sorted(survey.animals, key=natural_order)
    }
    alike = tuple(pairs(features))
    axis = findings.gravity_axis(animals)
    found = findings.find(card, survey, animals, alike, axis)
    return Checked(card, animals, tuple(found), alike, dict(survey.labels.most_common()), axis, survey)


def _facts(card: Card, name: str, one: AnimalSurvey, per_g: float, timeline: Timeline) -> dict[str, Any]:
    rest = one.rest() / per_g
    calibration, why = estimate(rest)
    vector = (
        rest.mean(axis=0)
        if len(rest) >= 5
        else sum((p.total for p in one.places), np.zeros(3)) / max(one.samples, 1) / per_g
    )
    step = one.step
    limit = card.signal.range_g * (1 - 1e-3)
    level, at_level = one.at_ends()
    beyond = int(one.lengths[np.searchsorted(LENGTH_EDGES, limit * per_g) + 1 :].sum())
    return {
        "samples": one.samples,
        "dropped_rows": one.dropped,
        "minutes": round(one.samples / card.signal.rate_hz / 60, 2),
        "recordings": len(one.places),
        "rate_hz": None if step is None else round(1 / step, 4),
        "jitter": None if one.jitter is None else round(one.jitter, 4),
        "gaps": one.gap_count,
        "longest_gap_s": round(one.gaps[0][0], 3) if one.gaps else 0.0,
        "missing_s": round(one.missing_s, 3),
        **_lost_to_gaps(card, one),
        "hitches": one.hitches,
        "backwards": one.backwards,
        "repeated_stamps": one.repeated,
        "duplicate_rows": one.duplicates,
        "greatest_g": round(level / per_g, 3),
        "at_greatest": at_level,
        "beyond_range": beyond / max(one.samples, 1),
        "median_g": round(one.median_length / per_g, 3),
        "rest_stretches": len(rest),
        "rest_g": round(float(np.linalg.norm(rest, axis=1).mean()), 4) if len(rest) else None,
        "gravity": [round(float(value), 3) for value in vector],
        "offset_mg": None
        if calibration is None
        else [round(1000 * float(v), 1) for v in calibration.offset_g],
        "gain_error_percent": None
        if calibration is None
        else [round(100 * float(v), 2) for v in calibration.gain_error],
        "calibration": why or f"estimated; residual {1000 * calibration.residual_g:.1f} mg"
        if calibration
        else why,
        "constant_axes": ["xyz"[axis] for axis in one.constant],
        "labels": dict(one.labels.most_common()),
        "windows": _windows(one, cut_of(card, card.hop)),
        "training_windows": _windows(one, cut_of(card, card.train_hop)),
        "transitions": {f"{a or 'none'} → {b or 'none'}": n for (a, b), n in one.transitions.most_common()},
        "mixed_windows": timeline.mixed[name] / timeline.windows[name] if timeline.windows[name] else None,
    }


def _windows(one: AnimalSurvey, cut: Cut) -> dict[str, int]:
    counts = {label: one.windows(label, cut) for label in one.labels if label}
    return {label: count for label, count in counts.items() if count}


def _lost_to_gaps(card: Card, one: AnimalSurvey) -> dict[str, Any]:
    """Return the labelled rows that are in no window because of gaps, of the labels that the card keeps."""
    index, cut = card.class_map.index(), cut_of(card, card.hop)
    kept = [label for label in one.labels if label and index.get(label) is not None]
    rows = sum(one.labels[label] for label in kept)
    lost = sum(cut.rows(one.runs[label]) - cut.rows(one.stretches[label]) for label in kept)
    windows = sum(cut.count(one.runs[label]) - cut.count(one.stretches[label]) for label in kept)
    return {
        "lost_to_gaps_rows": lost,
        "lost_to_gaps_s": round(lost / card.signal.rate_hz, 3),
        "lost_to_gaps_share": round(lost / rows, 6) if rows else 0.0,
        "lost_to_gaps_windows": windows,
    }
