"""Behaviours that look alike: pairs of labels that are hard to separate on held-out animals.

A linear discriminant on a few features of a window is no ceiling for a network, but where it does little
better than chance on another animal, the difference is small or differs from animal to animal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.gaps import stretches
from mcukd.data.raw_segments import RawSegment

KEPT_PER_ANIMAL = 200
#: Rarer labels say too little of another animal.
LEAST_WINDOWS, LEAST_ANIMALS = 20, 2
_MOST_LABELS = 12


@dataclass
class WindowFeatures:
    """Features of windows per (animal, label), a random sample of each, of at most KEPT_PER_ANIMAL."""

    window: int
    per_g: float
    kept: dict[tuple[str, str], list[NDArray[np.float64]]] = field(default_factory=dict)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def add(self, segment: RawSegment) -> None:
        """Take in the whole windows of a labelled segment; none spans a gap."""
        if segment.label is None:
            return
        for stretch in stretches(len(segment.samples), segment.seconds, segment.breaks):
            samples = segment.samples[stretch]
            number = len(samples) // self.window
            if number:
                cut = samples[: number * self.window].reshape(number, self.window, 3)
                self._keep((segment.animal, segment.label), cut / self.per_g)

    def _keep(self, key: tuple[str, str], windows: NDArray[np.float64]) -> None:
        kept = self.kept.setdefault(key, [])
        for row in describe_windows(windows):
            self._seen[key] += 1
            if len(kept) < KEPT_PER_ANIMAL:
                kept.append(row)
            else:
                place = int(self._rng.integers(self._seen[key]))
                if place < KEPT_PER_ANIMAL:
                    kept[place] = row


@dataclass(frozen=True)
class Pair:
    """Two labels: balanced accuracy on held-out animals (0.5 is chance), animals held out and windows."""

    first: str
    second: str
    accuracy: float
    animals: int
    windows: int


def describe_windows(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, 15) features of windows (N, T, 3) in g.

    Per axis: mean, deviation, mean absolute difference; of the vector's length: mean, deviation, range,
    smallest, largest; and the share of its variation in the slower half of its steps.
    """
    length = np.linalg.norm(windows, axis=2)
    steps = np.abs(np.diff(windows, axis=1)).mean(axis=1)
    slow = np.abs(np.diff(length, axis=1)).mean(axis=1) / (length.std(axis=1) + 1e-3)
    of_length = np.stack(
        [length.mean(1), length.std(1), np.ptp(length, axis=1), length.min(1), length.max(1), slow], axis=1
    )
    return np.concatenate(
        [windows.mean(1), np.log(windows.std(1) + 1e-3), np.log(steps + 1e-3), of_length], axis=1
    )


def pairs(features: WindowFeatures) -> list[Pair]:
    """Return every pair of labels with enough windows, the most alike first.

    Animals that did both are held out in turn; the discriminant is fitted on all others.
    """
    totals: Counter[str] = Counter()
    did: dict[str, set[str]] = {}
    for (animal, label), rows in features.kept.items():
        totals[label] += len(rows)
        did.setdefault(label, set()).add(animal)
    labels = [
        label
        for label, windows in totals.most_common(_MOST_LABELS)
        if windows >= LEAST_WINDOWS and len(did[label]) >= LEAST_ANIMALS
    ]
    found = [_pair(features, first, second) for first, second in combinations(sorted(labels), 2)]
    return sorted((pair for pair in found if pair is not None), key=lambda pair: pair.accuracy)


def _pair(features: WindowFeatures, first: str, second: str) -> Pair | None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels, animals = [], [], []
    for (animal, label), kept in features.kept.items():
        if label in (first, second):
            rows += kept
            labels += [label == second] * len(kept)
            animals += [animal] * len(kept)
    x, y, who = np.array(rows), np.array(labels), np.array(animals)
    told = np.full(len(y), False)
    tested = np.zeros(len(y), dtype=bool)
    for animal in sorted(set(animals)):
        own = who == animal
        # An animal that did one of the two only would count its own posture for the behaviour.
        if len(set(y[own])) < 2 or len(set(y[~own])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
        told[own] = model.fit(x[~own], y[~own]).predict(x[own])
        tested |= own
    if len(set(y[tested])) < 2:
        return None
    recalls = [float(np.mean(told[tested & (y == side)] == side)) for side in (False, True)]
    return Pair(first, second, float(np.mean(recalls)), len(set(who[tested])), int(tested.sum()))
