"""Metrics of one confusion matrix in exact integers: MCC, accuracy, macro-F1 and Cohen's kappa.

`mcukd.metrics.confusion` has the same formulas for many matrices in float64, which the bootstrap needs.
"""

from __future__ import annotations

import statistics

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics import confusion
from mcukd.metrics.metric import HIGHER, Metric

IntArray = NDArray[np.int64]


def mcc(matrix: IntArray) -> float | None:
    """Multiclass MCC (Gorodkin's R_K, 2004) of a confusion matrix; None where the truth holds one class."""
    # Python integers: products of counts outgrow int64 for data sets of some 50,000 windows.
    total, hits = int(matrix.sum()), int(np.trace(matrix))
    true = [int(n) for n in matrix.sum(axis=1)]
    predicted = [int(n) for n in matrix.sum(axis=0)]
    spread_true = total**2 - sum(n**2 for n in true)
    spread_predicted = total**2 - sum(n**2 for n in predicted)
    if spread_true == 0:
        return None
    if spread_predicted == 0:
        return 0.0
    covariance = hits * total - sum(t * p for t, p in zip(true, predicted))
    return float(max(-1.0, min(1.0, covariance / spread_true**0.5 / spread_predicted**0.5)))


def accuracy(matrix: IntArray) -> float:
    """Share of windows on the diagonal."""
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(matrix: IntArray) -> float:
    """Mean F1 over the classes that occur in truth or prediction."""
    return statistics.fmean(one for one in (f1(matrix, k) for k in range(len(matrix))) if one is not None)


def f1(matrix: IntArray, k: int) -> float | None:
    """F1 of class k; None where it occurs neither in truth nor in prediction."""
    involved = int(matrix[k].sum() + matrix[:, k].sum())
    return 2 * int(matrix[k, k]) / involved if involved else None


def kappa(matrix: IntArray) -> float | None:
    """Cohen's kappa (1960); None where truth and prediction hold the same single class."""
    value = float(confusion.kappa(matrix))
    return None if np.isnan(value) else value


MCC = Metric(
    "mcc",
    "MCC",
    "MCC",
    HIGHER,
    lambda windows: mcc(windows.confusion),
    of_matrices=confusion.mcc,
    undefined=0.0,
    prominent=True,
    shows_interval=True,
)
ACCURACY = Metric(
    "accuracy",
    "Accuracy",
    "acc.",
    HIGHER,
    lambda windows: accuracy(windows.confusion),
    of_matrices=confusion.accuracy,
    prominent=True,
)
MACRO_F1 = Metric(
    "macro_f1",
    "Macro-F1",
    "F1",
    HIGHER,
    lambda windows: macro_f1(windows.confusion),
    of_matrices=confusion.macro_f1,
    prominent=True,
)
KAPPA = Metric(
    "kappa",
    "Kappa",
    "kappa",
    HIGHER,
    lambda windows: kappa(windows.confusion),
    of_matrices=confusion.kappa,
)
