"""Comparison of mountings: MCC of a random forest trained with the rotations of each mounting.

A forest stands in for a student, which takes an hour where the forest takes seconds. The cause is the same
for both: turned training windows hide the information in postures; without them, a model fails on an animal
whose sensor sits differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.declared_options import MOUNTINGS
from mcukd.distillation.training_configs import augmentation
from mcukd.errors import UserError
from mcukd.metrics import confusion as merit
from mcukd.metrics.bootstrap import drawn_weights, interval
from mcukd.progress import Advance
from mcukd.training.augmentation import Augmenter
from mcukd.training.hand_features import hand_features

#: Groups of animals left out in turn; trees of the forest; changed copies of every training window.
GROUPS, TREES, COPIES = 4, 100, 3
#: Windows that are looked at: of all animals together, and at least and at most of one.
WINDOWS, LEAST, MOST = 3000, 60, 500
_LEAF = 2

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class MountingCost:
    """One mounting. mcc: over animals that were held out, with its interval over animals.

    cost: by how much the best mounting's MCC is higher, 0 for itself; ahead: by how much this one's is higher
    than that of the card's mounting. Each with its interval over animals, None where there is none.
    """

    mounting: str
    mcc: float
    mcc_interval: Interval
    cost: float
    cost_interval: Interval
    ahead: float
    ahead_interval: Interval


@dataclass(frozen=True)
class MountingComparison:
    """All mountings on the same windows. stated: the card's. groups: of animals, each left out once."""

    stated: str
    costs: tuple[MountingCost, ...]
    animals: int
    groups: int
    windows: int

    @property
    def best(self) -> MountingCost:
        """The mounting with the highest MCC; of equals the card's."""
        return max(self.costs, key=lambda one: (one.mcc, one.mounting == self.stated))

    @property
    def is_shown(self) -> bool:
        """Whether the best is ahead of the card's by more than animals vary."""
        low = self.best.ahead_interval
        return self.best.mounting != self.stated and low is not None and low[0] > 0


def compare_mountings(windows: Windows, stated: str, seed: int, advance: Advance) -> MountingComparison:
    """Compare "aligned", "turned" and "any" on animals that a forest was not trained on.

    windows: of all animals, of three axes. stated: the card's mounting. advance: given the steps done,
    of `work(windows)`. The same windows and seed give the same figures. Raises UserError with fewer than two
    animals.
    """
    names = sorted({str(animal) for animal in windows.animals})
    if len(names) < 2:
        raise UserError(
            f"mountings are compared on animals that were held out, and there is one animal, {names[0]}; "
            f"two are needed"
        )
    windows = _some(windows, names, seed)
    folds = inner_folds(names, GROUPS)
    counts = {}
    for mounting in MOUNTINGS:
        predicted = np.zeros(len(windows), np.int64)
        for fold in folds:
            test = np.isin(windows.animals, fold.test_animals)
            predicted[test] = predictions(windows.take(~test), windows.take(test), mounting, seed)
            advance(1, mounting)
        counts[mounting] = merit.confusion_by_animal(
            windows.labels, predicted, windows.animals, names, len(windows.classes)
        )
    return _compared(counts, stated, len(folds), len(windows))


def work(windows: Windows) -> int:
    """Return the steps of `compare_mountings`."""
    return len(MOUNTINGS) * min(GROUPS, len(set(windows.animals)))


def _compared(
    counts: dict[str, NDArray[np.int64]], stated: str, groups: int, windows: int
) -> MountingComparison:
    animals = len(counts[stated])
    weights = drawn_weights(animals).astype(np.float64)
    drawn = {one: merit.mcc(np.einsum("ba,aij->bij", weights, count)) for one, count in counts.items()}
    mcc = {one: float(np.nan_to_num(merit.mcc(count.sum(axis=0)))) for one, count in counts.items()}
    best = max(mcc, key=lambda one: (mcc[one], one == stated))
    costs = [
        MountingCost(
            one,
            mcc[one],
            interval(drawn[one], animals),
            mcc[best] - mcc[one],
            None if one == best else interval(drawn[best] - drawn[one], animals),
            mcc[one] - mcc[stated],
            None if one == stated else interval(drawn[one] - drawn[stated], animals),
        )
        for one in counts
    ]
    return MountingComparison(stated, tuple(costs), animals, groups, windows)


def _some(windows: Windows, names: Sequence[str], seed: int) -> Windows:
    """Return a random part of every animal's windows, in their order."""
    most = int(np.clip(WINDOWS // len(names), LEAST, MOST))
    rng = np.random.default_rng([seed, 14])
    chosen: list[NDArray[Any]] = []
    for name in names:
        own = np.flatnonzero(windows.animals == name)
        chosen.append(rng.permutation(own)[:most])
    return windows.take(np.sort(np.concatenate(chosen)))


def predictions(training: Windows, test: Windows, mounting: str, seed: int) -> NDArray[np.int64]:
    """Return the classes of `test` by a forest trained on turned and tilted copies of `training`."""
    from sklearn.ensemble import RandomForestClassifier

    counts = training.counts.astype(np.float32)
    change = Augmenter(counts, augmentation(replace(DistillConfig(), mounting=mounting)))
    rng = np.random.default_rng([seed, 7])
    copies = np.concatenate([change(counts, rng) for _ in range(COPIES)])
    forest = RandomForestClassifier(TREES, min_samples_leaf=_LEAF, random_state=seed, n_jobs=-1)
    forest.fit(
        hand_features(copies, training.rate_hz, training.counts_per_g), np.tile(training.labels, COPIES)
    )
    predicted = forest.predict(hand_features(test.counts, test.rate_hz, test.counts_per_g))
    return np.asarray(predicted, np.int64)


def never_compared(card: Card) -> str | None:
    """Return a sentence where the card's mounting is the import's guess, None where it is not."""
    if card.signal.mounting_from != "guess":
        return None
    return (
        f'The mounting "{card.signal.mounting}" of card {card.name} is the import\'s guess and was never '
        f"compared with the others: 'mcukd data check {card.reference} --mounting' says what it costs."
    )


def sentence(found: MountingComparison) -> str:
    """Say in a sentence what the comparison means for the card."""
    best, stated = found.best, found.stated
    if best.mounting == stated:
        return (
            f'the card\'s mounting, "{stated}", is the best of the three on {found.animals} animals: keep it'
        )
    ahead = f"{best.ahead:.3f} MCC {_range(best.ahead_interval)}"
    if not found.is_shown:
        return (
            f'"{best.mounting}" is ahead of the card\'s "{stated}" by {ahead}, no more than the '
            f"{found.animals} animals vary: that is no reason to change the card"
        )
    return (
        f'the card\'s "{stated}" costs {ahead} against "{best.mounting}", on {found.animals} animals: set '
        f'signal.mounting = "{best.mounting}" in the card, {_MEANS[best.mounting]}'
    )


_MEANS = {
    "aligned": "if the tags to come will sit as these did",
    "turned": "for these sensors are turned about the vertical, from animal to animal",
    "any": "for these sensors sit in no particular way",
}


def _range(found: Interval) -> str:
    return "[no interval]" if found is None else f"[{found[0]:+.3f}, {found[1]:+.3f}]"
