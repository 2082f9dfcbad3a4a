"""Which animals train and which test. Whole animals only: windows of one animal look too much alike."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.wording import did_you_mean, listed

_HOLDOUT_SEED = 0


@dataclass(frozen=True)
class Fold:
    """One partition of the animals. `name` is fit for a file name."""

    name: str
    train_animals: tuple[str, ...]
    test_animals: tuple[str, ...]


def make_folds(windows: Windows, split: str) -> list[Fold]:
    """Return the folds of a split.

    "loao": every animal is left out once. "holdout=ID,ID": these animals are held out. "holdout": a
    quarter of the animals, always the same, is held out. "official": the partition that comes with
    the data set. Raises UserError for an unknown split or animal, and where a class is missing from a
    fold's training animals.
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
    else:
        raise UserError(
            f"the split {split!r} is unknown{did_you_mean(split, ('loao', 'holdout', 'official'))}; "
            f'expected "loao", "holdout", "holdout=ID,ID" or "official"'
        )
    for fold in folds:
        _check_training_classes(windows, fold)
    return folds


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
            f'card {windows.card} has no official split; use "loao", "holdout" or "holdout=ID,ID"'
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
