"""Choosing settings on inner animals, so that the held-out ones have no part in any decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.evaluate import matrices as merit

Setting = TypeVar("Setting")

#: Trains with a setting on the first windows and returns the classes (N,) of the second.
Predict = Callable[[Setting, Windows, Windows], NDArray[np.int64]]


@dataclass(frozen=True)
class Choice(Generic[Setting]):
    """The setting that did best, and the pooled MCC over inner animals of each one in the order given."""

    best: Setting
    scores: tuple[float, ...]


def choose(candidates: Sequence[Setting], seen: Windows, predict: Predict[Setting]) -> Choice[Setting]:
    """Return the candidate with the largest MCC, predictions pooled over inner folds of `seen`'s animals.

    seen: the windows of an outer fold's training animals and no others; whoever calls this hands over no
    held-out window, so that none can be read. Of equals the first is taken. Raises UserError with fewer than
    two animals.
    """
    folds = inner_folds([str(animal) for animal in seen.animals])
    scores = []
    for candidate in candidates:
        total = np.zeros((len(seen.classes), len(seen.classes)), np.int64)
        for fold in folds:
            inner = seen.take(np.isin(seen.animals, fold.train_animals))
            unseen = seen.take(np.isin(seen.animals, fold.test_animals))
            guesses = predict(candidate, inner, unseen)
            np.add.at(total, (unseen.labels, guesses), 1)
        scores.append(float(np.nan_to_num(merit.mcc(total))))
    return Choice(candidates[int(np.argmax(scores))], tuple(scores))
