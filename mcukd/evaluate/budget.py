"""Time budgets, raw and corrected for the errors the classifier is known to make.

The corrected budget is the confusion-matrix method of aquatic and remote-sensing surveys (Solow, Davis and Hu
2001; in statistics, misclassification-corrected prevalence): where P[i, j] is the chance that behaviour i
is called j, an animal's predicted shares q are Pᵀ p of its true shares p, so p = (Pᵀ)⁻¹ q. Shares that come
out negative are set to nought and the rest is scaled to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.evaluate.intervals import seed_mean
from mcukd.evaluate.matrices import MINUTES_PER_DAY

FloatArray = NDArray[np.float64]


def corrected_shares(predicted: NDArray[Any], confusion: NDArray[Any]) -> FloatArray:
    """Return an animal's corrected time budget (K,), which sums to one.

    predicted: (K,) windows, or shares, by predicted class. confusion: (K, K) windows of other animals, rows
    the truth. A class those animals never showed is taken to be recognised always, since nothing is known
    of its errors; where two classes are called alike (P is singular) the least-squares shares are taken.
    """
    confusion = np.asarray(confusion, np.float64)
    shares = np.asarray(predicted, np.float64) / np.sum(predicted)
    support = confusion.sum(axis=1, keepdims=True)
    chances = np.where(support > 0, confusion / np.maximum(support, 1), np.eye(len(confusion)))
    solution = np.linalg.lstsq(chances.T, shares, rcond=1e-6)[0]
    clipped = np.clip(solution, 0, None)
    total = clipped.sum()
    return np.asarray(clipped / total if total > 0 else shares)


def corrected_excess_minutes(by_animal: NDArray[Any]) -> FloatArray:
    """Return corrected minus true minutes per day for each animal and class: (A, K).

    by_animal: (A, K, K) confusion matrices of one seed, each of predictions by a model that never saw the
    animal. An animal's budget is corrected with the summed matrices of the *other* animals: neither its
    truth nor its predictions enter its own correction. NaN for animals without windows, and for all with
    fewer than two animals.
    """
    by_animal = np.asarray(by_animal, np.float64)
    everything = by_animal.sum(axis=0)
    excess = np.full(by_animal.shape[:2], np.nan)
    if len(by_animal) < 2:
        return excess
    for number, own in enumerate(by_animal):
        others = everything - own
        if own.sum() and others.sum():
            true = own.sum(axis=1) / own.sum()
            excess[number] = (corrected_shares(own.sum(axis=0), others) - true) * MINUTES_PER_DAY
    return excess


def corrected_budget(by_animal: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return error and bias of the corrected budgets, mean over animals and seeds, by class name.

    by_animal: (S, A, K, K). None where there are fewer than two animals.
    """
    excess = np.stack([corrected_excess_minutes(matrices) for matrices in by_animal])
    if np.isnan(excess).all():
        return {
            "time_budget_corrected_error_min_per_day": None,
            "time_budget_corrected_bias_min_per_day": None,
        }
    flat = excess.reshape(-1, len(classes))
    error, bias = seed_mean(np.abs(flat), axis=0), seed_mean(flat, axis=0)
    return {
        "time_budget_corrected_error_min_per_day": dict(zip(classes, error.tolist())),
        "time_budget_corrected_bias_min_per_day": dict(zip(classes, bias.tolist())),
    }
