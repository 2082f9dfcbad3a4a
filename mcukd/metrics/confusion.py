"""Confusion matrices, and metrics of many of them at once.

Every metric takes matrices (…, K, K), rows the truth and columns the prediction, and returns (…) or
(…, K) float64; NaN stands for what is undefined. `mcukd.metrics.pooled` computes the same for one matrix in
exact integers; the bootstrap needs thousands, where float64 is exact to 2^53, some 90 million windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MINUTES_PER_DAY = 1440
#: MCC that answers may reach by chance, where each animal gets one answer alone.
_CHANCE = 0.1


def confusion_matrix(labels: NDArray[Any], predictions: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Count windows by true class and predicted class: (K, K). labels, predictions: (N,)."""
    pairs = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def confusion_by_animal(
    labels: NDArray[Any], predictions: NDArray[Any], animals: NDArray[Any], order: Sequence[str], classes: int
) -> NDArray[np.int64]:
    """Count windows by animal, true class and predicted class: (A, K, K), animals in `order`.

    labels, predictions, animals: (N,). Raises ValueError for an animal that is not in `order`.
    """
    place = {animal: number for number, animal in enumerate(order)}
    try:
        owner = np.array([place[str(animal)] for animal in animals], np.int64)
    except KeyError as error:
        raise ValueError(f"animal {error} is not among {list(order)}") from None
    flat = (owner * classes + labels) * classes + predictions
    counts = np.bincount(flat.astype(np.int64), minlength=len(order) * classes * classes)
    return counts.reshape(len(order), classes, classes).astype(np.int64)


def one_answer(matrices: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a model learned nothing: one answer for each animal, right no more often than by chance.

    It may be another one for animals of other folds, which have other networks. matrices: (…, A, K, K) by
    animal. Returns (…).
    """
    shown, answered = ((matrices.sum(axis) > 0).sum(-1) for axis in (-1, -2))
    found = mcc(matrices.sum(-3))
    return np.asarray((shown > 1).any(-1) & (answered <= 1).all(-1) & ~(found > _CHANCE))


def mcc(matrices: NDArray[Any]) -> FloatArray:
    """Multiclass MCC (Gorodkin's R_K, 2004); NaN if all labels are one class, 0 if all predictions are."""
    total, hits, true, predicted = _sums(matrices)
    covariance = hits * total - (true * predicted).sum(-1)
    spread_true = total**2 - (true**2).sum(-1)
    spread_predicted = total**2 - (predicted**2).sum(-1)
    root = np.sqrt(spread_true) * np.sqrt(spread_predicted)
    value = np.divide(covariance, root, out=np.zeros_like(root), where=root > 0)
    return np.where(spread_true > 0, np.clip(value, -1, 1), np.nan)


def pooled_mcc(matrix: NDArray[Any]) -> float:
    """Return the MCC of one confusion matrix (K, K), 0 where it is undefined: for choosing by it."""
    return float(np.nan_to_num(mcc(matrix)))


def accuracy(matrices: NDArray[Any]) -> FloatArray:
    """Share of windows on the diagonal; NaN without windows."""
    total, hits, _, _ = _sums(matrices)
    return _ratio(hits, total)


def kappa(matrices: NDArray[Any]) -> FloatArray:
    """Cohen's kappa (1960): agreement beyond what the margins give by chance; NaN where chance is certain."""
    total, hits, true, predicted = _sums(matrices)
    chance = (true * predicted).sum(-1)
    return _ratio(hits * total - chance, total**2 - chance)


def precision(matrices: NDArray[Any]) -> FloatArray:
    """Share of the windows called k that are k, (…, K); NaN where none is called so."""
    _, _, _, predicted = _sums(matrices)
    return _ratio(_diagonal(matrices), predicted)


def recall(matrices: NDArray[Any]) -> FloatArray:
    """Share of the windows that are k called so, (…, K); NaN where there is none."""
    _, _, true, _ = _sums(matrices)
    return _ratio(_diagonal(matrices), true)


def macro_f1(matrices: NDArray[Any]) -> FloatArray:
    """Mean F1 over the classes that occur in truth or prediction; NaN without windows."""
    _, _, true, predicted = _sums(matrices)
    f1 = _ratio(2 * _diagonal(matrices), true + predicted)
    present = ~np.isnan(f1)
    return _ratio(np.where(present, f1, 0).sum(-1), present.sum(-1).astype(np.float64))


def excess_minutes(matrices: NDArray[Any]) -> FloatArray:
    """Predicted minus true minutes per day of each class, (…, K); NaN without windows."""
    total, _, true, predicted = _sums(matrices)
    return _ratio(predicted - true, np.broadcast_to(total[..., None], true.shape)) * MINUTES_PER_DAY


def _sums(matrices: NDArray[Any]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return total (…), hits (…), true (…, K) and predicted (…, K) counts."""
    values = np.asarray(matrices, np.float64)
    return values.sum((-2, -1)), _diagonal(values).sum(-1), values.sum(-1), values.sum(-2)


def _diagonal(matrices: NDArray[Any]) -> FloatArray:
    return np.diagonal(np.asarray(matrices, np.float64), axis1=-2, axis2=-1)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    nothing = np.full(np.shape(below), np.nan)
    return np.divide(above, below, out=nothing, where=np.asarray(below) > 0)
