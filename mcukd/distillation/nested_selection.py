"""Selection of settings by cross-validation over inner animals, so that held-out animals decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc

Setting = TypeVar("Setting")

#: Trains with a setting on the first windows and returns the predicted classes (N,) of the second.
Predict = Callable[[Setting, Windows, Windows], NDArray[np.int64]]


@dataclass(frozen=True)
class Selection(Generic[Setting]):
    """The best setting, and each setting's MCC pooled over inner animals, in the order given."""

    best: Setting
    scores: tuple[float, ...]


def selection_fits(candidates: int, animals: Sequence[str]) -> int:
    """Return how often `select` trains: for each candidate once a fold. animals: of its windows."""
    return candidates * len(inner_folds(list(animals))) if candidates else 0


def select(candidates: Sequence[Setting], windows: Windows, predict: Predict[Setting]) -> Selection[Setting]:
    """Return the candidate with the largest MCC, predictions pooled over inner folds of the animals.

    windows: the training windows of an outer fold only; no held-out window is passed in, so none can be read.
    Of equal candidates the first is taken. Raises UserError with fewer than two animals.
    """
    folds = inner_folds([str(animal) for animal in windows.animals])
    scores = []
    for candidate in candidates:
        confusion = np.zeros((len(windows.classes),) * 2, np.int64)
        for fold in folds:
            train_windows = windows.take(np.isin(windows.animals, fold.train_animals))
            validation_windows = windows.take(np.isin(windows.animals, fold.test_animals))
            predictions = predict(candidate, train_windows, validation_windows)
            confusion += confusion_matrix(validation_windows.labels, predictions, len(confusion))
        scores.append(pooled_mcc(confusion))
    return Selection(candidates[int(np.argmax(scores))], tuple(scores))
