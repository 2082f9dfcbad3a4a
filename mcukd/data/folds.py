"""Folds: partitions of the animals into those that train and those that test.

Whole animals, because windows of one animal look much alike. The one exception, "random", is there to show
how much it flatters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: Parts of "random" and "k-fold-by-animal", and the most of the inner folds.
PARTS, INNER_PARTS = 5, 3
SPLITS = ("loao", "k-fold-by-animal", "animals=K", "holdout", "holdout=ID,ID", "official", "random")
_HOLDOUT_SEED = 0


@dataclass(frozen=True)
class Fold:
    """One partition of the animals. `name` is fit for a file name.

    test_windows: of a random split only, the evaluation windows that test; its animals are on both sides.
    unlabelled_animals: neither trained nor tested on with their labels (`mcukd.data.label_budget`).
    """

    name: str
    train_animals: tuple[str, ...]
    test_animals: tuple[str, ...]
    test_windows: tuple[int, ...] | None = None
    unlabelled_animals: tuple[str, ...] = ()


def make_folds(windows: Windows, split: str) -> list[Fold]:
    """Return the folds of a split.

    "loao": every animal is left out once. "animals=K": the animals are dealt into K groups, always the same,
    and each group is left out once; "k-fold-by-animal" is "animals=5". "holdout=ID,ID": these animals are
    held out. "holdout": a quarter of the animals, always the same, is held out. "official": the partition
    that comes with the data set. "random": windows are dealt into five parts whoever they are of, which
    flatters and is for comparison only (`without_shared_samples` picks its training windows).
    Raises UserError for an unknown split or animal, and where a class is missing from a fold's training
    animals.
    """
    animals = sorted({str(animal) for animal in windows.animals}, key=natural_order)
    if len(animals) < 2:
        raise UserError(
            f"card {windows.card} has one animal, {animals[0]}; a split by animal needs at least two"
        )
    if split == "loao":
        folds = [_fold(animal, animals, [animal]) for animal in animals]
    elif split == "holdout":
        chosen = np.random.default_rng(_HOLDOUT_SEED).permutation(animals)[: math.ceil(len(animals) / 4)]
        folds = [_fold("holdout", animals, [str(animal) for animal in chosen])]
    elif split.startswith("holdout="):
        folds = [_fold("holdout", animals, _named(split, animals))]
    elif split == "official":
        folds = [_official(windows)]
    elif split == "k-fold-by-animal" or split.startswith("animals="):
        parts = _dealt(animals, _parts(split, len(animals)))
        folds = [_fold(f"part{number}", animals, part) for number, part in enumerate(parts, 1)]
    elif split == "random":
        folds = _random(windows, animals)
    else:
        raise UserError(
            f"the split {split!r} is unknown{did_you_mean(split, SPLITS)}; expected one of {listed(SPLITS)}"
        )
    for fold in folds:
        _check_training_classes(windows, fold)
    return folds


def split_meaning(split: str) -> str:
    """Return in words which animals a split's scores are of."""
    kind, _, named = split.partition("=")
    if kind == "holdout":
        return f"{named} held out" if named else "a quarter of the animals held out"
    return {
        "loao": "each animal left out in turn",
        "k-fold-by-animal": "groups of animals left out in turn",
        "animals": f"animals in {named} groups, each left out in turn",
        "official": "the animals that the data set's authors held out",
        "random": "windows held out at random, of animals that are also in training",
    }.get(kind, "of a plugin or an earlier version")


def inner_folds(animals: Sequence[str], parts: int = INNER_PARTS) -> list[Fold]:
    """Deal training animals into at most `parts` groups and leave each out once, to choose settings by.

    What is chosen so (epochs, hyper-parameters) has not seen the animals held out of the outer fold, which
    must not be among `animals`. Raises UserError with fewer than two animals.
    """
    ordered = sorted(set(animals), key=natural_order)
    if len(ordered) < 2:
        raise UserError(
            f"settings cannot be chosen on inner animals: there is one training animal, {listed(ordered)}, "
            f"and two are needed; use the fixed settings or more animals"
        )
    return [
        _fold(f"inner{number}", ordered, part)
        for number, part in enumerate(_dealt(ordered, min(parts, len(ordered))), 1)
    ]


def without_shared_samples(
    training: Windows, evaluation: Windows, test: NDArray[np.int64], hop: int, train_hop: int
) -> NDArray[np.int64]:
    """Return the training windows that share no sample with the evaluation windows `test` of a random split.

    Training windows may overlap; one that covers half a test window would flatter even more than the split.
    hop, train_hop: samples between windows of a recording in `evaluation` and `training`. Windows that come
    cut from the source (as many in both) are told apart by their number.
    """
    if len(training) == len(evaluation):
        return np.setdiff1d(np.arange(len(training)), test)
    length = evaluation.counts.shape[1]
    starts, train_starts = _starts(evaluation, hop), _starts(training, train_hop)
    taken: dict[int, NDArray[np.int64]] = {}
    for segment in np.unique(evaluation.segments[test]):
        taken[int(segment)] = starts[test][evaluation.segments[test] == segment]
    free = [
        bool(np.all(np.abs(taken.get(int(segment), _NONE) - start) >= length))
        for segment, start in zip(training.segments, train_starts)
    ]
    return np.flatnonzero(free)


_NONE: NDArray[np.int64] = np.empty(0, np.int64)


def _starts(windows: Windows, hop: int) -> NDArray[np.int64]:
    """Return the first sample of each window within its recording, whose windows stand in order."""
    order = np.argsort(windows.segments, kind="stable")
    ordered = windows.segments[order]
    number = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    starts = np.empty(len(ordered), np.int64)
    starts[order] = number * hop
    return starts


def _dealt(items: Sequence[str], parts: int) -> list[list[str]]:
    """Deal items into `parts` groups of nearly equal size, at random but always alike."""
    shuffled = np.random.default_rng(_HOLDOUT_SEED).permutation(len(items))
    return [[items[number] for number in sorted(shuffled[part::parts])] for part in range(parts)]


def _parts(split: str, animals: int) -> int:
    wanted = split.partition("=")[2] if "=" in split else str(min(PARTS, animals))
    parts = int(wanted) if wanted.isascii() and wanted.isdigit() else 0
    if not 2 <= parts <= animals:
        raise UserError(
            f"the split {split!r} asks for {wanted!r} groups of {animals} animals; expected 2 to {animals}"
        )
    return parts


def _random(windows: Windows, animals: list[str]) -> list[Fold]:
    """Deal the windows of each class into parts, so that every part has its share of rare behaviours."""
    rng = np.random.default_rng(_HOLDOUT_SEED)
    part: NDArray[Any] = np.empty(len(windows), np.int64)
    for label in np.unique(windows.labels):
        own = np.flatnonzero(windows.labels == label)
        part[rng.permutation(own)] = np.arange(len(own)) % PARTS
    everyone = tuple(animals)
    return [
        Fold(f"random{n + 1}", everyone, everyone, tuple(np.flatnonzero(part == n).tolist()))
        for n in range(PARTS)
    ]


def natural_order(animal: str) -> tuple[object, ...]:
    """Sort key under which 2 comes before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", animal))


def _fold(name: str, animals: list[str], held_out: list[str]) -> Fold:
    train = tuple(animal for animal in animals if animal not in held_out)
    return Fold(re.sub(r"[^A-Za-z0-9._-]", "_", name), train, tuple(a for a in animals if a in held_out))


def _named(split: str, animals: list[str]) -> list[str]:
    held_out = [animal.strip() for animal in split.partition("=")[2].split(",") if animal.strip()]
    for animal in held_out:
        if animal not in animals:
            raise UserError(
                f"the split {split!r} holds out animal {animal!r}{did_you_mean(animal, animals)}, "
                f"which the data does not have; its animals are {listed(animals)}"
            )
    if not held_out:
        raise UserError(f"the split {split!r} names no animal; expected one or more of {listed(animals)}")
    if len(set(held_out)) == len(animals):
        raise UserError(f"the split {split!r} holds out every animal; leave at least one to train on")
    return held_out


def _official(windows: Windows) -> Fold:
    if windows.split is None:
        raise UserError(
            f'card {windows.card} has no official split; use "loao", "animals=K" or "holdout=ID,ID"'
        )
    train, test = (
        sorted({str(animal) for animal in windows.animals[windows.split == part]}, key=natural_order)
        for part in ("train", "test")
    )
    both = sorted(set(train) & set(test), key=natural_order)
    if both:
        raise UserError(
            f"the official split of card {windows.card} has animal {both[0]} in both parts; "
            f"expected whole animals: use another split"
        )
    if not train or not test:
        raise UserError(
            f"the official split of card {windows.card} has an empty part; expected train and test windows"
        )
    return Fold("official", tuple(train), tuple(test))


def _check_training_classes(windows: Windows, fold: Fold) -> None:
    present = set(windows.labels[np.isin(windows.animals, fold.train_animals)].tolist())
    missing = [name for number, name in enumerate(windows.classes) if number not in present]
    if missing:
        raise UserError(
            f"fold {fold.name}: the class {missing[0]} has no window among the training animals "
            f"({listed(fold.train_animals)}); hold out other animals than {listed(fold.test_animals)}"
        )
