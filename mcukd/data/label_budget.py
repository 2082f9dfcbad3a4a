"""Label budgets: the training animals of a fold whose labels are used; the others count as unlabelled."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcukd.data.folds import Fold, natural_order
from mcukd.data.labelled import count_and_draw
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: How often animals are drawn before a budget is said to be too small for all classes.
_TRIES = 1000


def with_label_budget(folds: Sequence[Fold], windows: Windows, labelled: str) -> list[Fold]:
    """Return folds whose training animals are those with labels; the others are their unlabelled animals.

    labelled: "animals=K" draws K of each fold's training animals, always the same, and "animals=K draw=N"
    others for each N from 2; "ID,ID" names them; "" keeps all. The labels of the windows (N,) show whether
    every class is among a fold's labelled animals.
    Raises UserError for animals that the data does not have, for more than a fold has, and where the
    labelled animals lack a class.
    """
    if not labelled:
        return list(folds)
    if any(fold.test_windows is not None for fold in folds):
        raise UserError(
            "--labelled keeps the labels of some animals, and --split random has every animal on both sides; "
            "give a split by animal."
        )
    chosen = [labelled_animals(fold.train_animals, windows, labelled, fold.name) for fold in folds]
    return [
        replace(
            fold,
            train_animals=own,
            unlabelled_animals=tuple(animal for animal in fold.train_animals if animal not in own),
        )
        for fold, own in zip(folds, chosen)
    ]


def labelled_animals(animals: Sequence[str], windows: Windows, labelled: str, name: str) -> tuple[str, ...]:
    """Return those of a fold's training animals whose labels are used, as `with_label_budget` says.

    name: of the fold; with "animals=K" it decides which animals are drawn.
    """
    if not labelled:
        return tuple(animals)
    if labelled.startswith("animals="):
        return _drawn(animals, windows, labelled, name)
    known = sorted({str(animal) for animal in windows.animals}, key=natural_order)
    wanted = [animal.strip() for animal in labelled.split(",") if animal.strip()]
    for animal in wanted:
        if animal not in known:
            raise UserError(
                f"--labelled names animal {animal!r}{did_you_mean(animal, known)}, which the data does not "
                f"have; give animals=K, or some of {listed(known)}."
            )
    own = tuple(animal for animal in animals if animal in wanted)
    if missing := _missing_classes(own, windows):
        raise UserError(
            f"--labelled {labelled}: no labelled animal that fold {name} trains on shows "
            f"{listed(missing)}; name more animals."
        )
    return own


def _drawn(animals: Sequence[str], windows: Windows, labelled: str, name: str) -> tuple[str, ...]:
    count, draw = count_and_draw(labelled)
    if draw < 1 or not 1 <= count <= len(animals):
        raise UserError(
            f"--labelled is '{labelled}', but fold {name} trains on {len(animals)} animals; give animals=1 "
            f"to animals={len(animals)}, with ' draw=2' for another draw, or animals by name."
        )
    rng = np.random.default_rng([zlib.crc32(name.encode()), *([draw] if draw > 1 else [])])
    for _ in range(_TRIES):
        picked = set(rng.permutation(len(animals))[:count].tolist())
        own = tuple(animal for number, animal in enumerate(animals) if number in picked)
        if not _missing_classes(own, windows):
            return own
    raise UserError(
        f"--labelled {labelled}: no {count} of the {len(animals)} animals that fold {name} trains on show "
        f"every class of {listed(windows.classes)}; label more animals."
    )


def _missing_classes(animals: Sequence[str], windows: Windows) -> list[str]:
    present = set(windows.labels[np.isin(windows.animals, animals)].tolist())
    return [name for number, name in enumerate(windows.classes) if number not in present]
