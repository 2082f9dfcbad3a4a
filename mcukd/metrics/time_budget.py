"""Time budgets of animals, as predicted and as corrected for the classifier's known errors.

The corrected budget is the confusion-matrix method of aquatic and remote-sensing surveys (Solow, Davis and Hu
2001; in statistics, misclassification-corrected prevalence): where P[i, j] is the probability that behaviour
i is called j, an animal's predicted shares q are Pᵀ p of its true shares p, so p = (Pᵀ)⁻¹ q. Shares that come
out negative are set to nought and the rest is scaled to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.budgets import MINUTES_PER_HOUR, over_targets
from mcukd.metrics.bootstrap import drawn_weights, interval, seed_mean
from mcukd.metrics.confusion import MINUTES_PER_DAY, excess_minutes

FloatArray = NDArray[np.float64]

#: With fewer inner animals than this nothing can show that the correction helps.
INNER_ANIMALS = 4


def corrected_shares(predicted: NDArray[Any], confusion: NDArray[Any]) -> FloatArray:
    """Return an animal's corrected time budget (K,), which sums to one.

    predicted: (K,) windows, or shares, by predicted class. confusion: (K, K) windows of other animals, rows
    the truth. A class those animals never showed is taken to be recognised always, since nothing is known
    of its errors; where two classes are called alike (P is singular) the least-squares shares are taken.
    """
    confusion = np.asarray(confusion, np.float64)
    shares = np.asarray(predicted, np.float64) / np.sum(predicted)
    support = confusion.sum(axis=1, keepdims=True)
    probabilities = np.where(support > 0, confusion / np.maximum(support, 1), np.eye(len(confusion)))
    solution = np.linalg.lstsq(probabilities.T, shares, rcond=1e-6)[0]
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


def agreement_over_animals(by_animal: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return how far predicted and true time budgets of held-out animals agree, by class, in JSON types.

    by_animal: (S, A, K, K). One true and one predicted value in minutes per hour of each animal, the mean
    over the seeds that have it; `mcukd.metrics.agreement.budgets.over_targets` says what is computed.
    """
    by_animal = np.asarray(by_animal, np.float64)
    total = by_animal.sum(axis=(-2, -1))[..., None]
    shares = by_animal / np.where(total > 0, total, np.nan)[..., None]
    true, predicted = (seed_mean(shares.sum(axis), axis=0) for axis in (-1, -2))
    held = ~np.isnan(true).any(axis=1)
    true, predicted = MINUTES_PER_HOUR * true[held], MINUTES_PER_HOUR * predicted[held]
    return {name: over_targets(true[:, k], predicted[:, k]) for k, name in enumerate(classes)}


def misplaced_minutes(excess: NDArray[Any]) -> FloatArray:
    """Return the minutes of a day assigned to a wrong behaviour (…), given excess minutes (…, K).

    Each of them is one too many for one behaviour and one too few for another: half the sum of magnitudes.
    """
    return np.asarray(np.abs(excess).sum(axis=-1) / 2)


def correction_gains(by_animal: NDArray[Any]) -> FloatArray:
    """Return by how many misplaced minutes a day the correction improves each animal's budget: (A,).

    by_animal: (S, A, K, K). The correction comes from the others of these animals, for each seed; the mean is
    taken over the seeds. Negative where it makes the budget worse, NaN for animals without windows.
    """
    raw = misplaced_minutes(excess_minutes(by_animal))
    corrected = misplaced_minutes(np.stack([corrected_excess_minutes(one) for one in by_animal]))
    return seed_mean(raw - corrected, axis=0)


def gain_is_shown(gains: NDArray[Any]) -> bool:
    """Tell whether the 95 % interval over animals of the mean gain (A,) is above zero."""
    gains = np.asarray(gains, np.float64)
    gains = gains[~np.isnan(gains)]
    if len(gains) < INNER_ANIMALS:
        return False
    found = interval(drawn_weights(len(gains)) @ gains / len(gains), len(gains))
    return found is not None and found[0] > 0


def correction_advice(by_animal: NDArray[Any], animals: Sequence[str]) -> dict[str, Any]:
    """Return whether time budgets should be corrected, decided for each animal from the others only.

    by_animal: (S, A, K, K), each matrix of predictions by a model that never saw the animal. For each
    held-out animal the *inner* animals, all others, decide: each is left out in turn, corrected by the rest
    of them, and its error compared with and without. Neither truth nor predictions of an animal enter its own
    decision. `helps`: True where the inner animals show a gain (`gain_is_shown`) for every held-out animal,
    None with too few of them to show any, else False. `shown_for`: the held-out animals for which they do.
    `misplaced_min_per_day`: mean over held-out animals, `raw`, `corrected` (all of them) and `followed`,
    where each is corrected only if its inner animals say so.
    """
    by_animal = np.asarray(by_animal, np.float64)
    held = [number for number in range(by_animal.shape[1]) if by_animal[:, number].sum()]
    decided = {}
    for number in held:
        inner = np.delete(by_animal, number, axis=1)
        decided[number] = gain_is_shown(correction_gains(inner))
    raw = seed_mean(misplaced_minutes(excess_minutes(by_animal)), axis=0)
    corrected = raw - correction_gains(by_animal)
    followed = [corrected[number] if decided[number] else raw[number] for number in held]
    enough = len(held) > INNER_ANIMALS
    return {
        "helps": all(decided.values()) if enough else None,
        "animals": len(held),
        "shown_for": [str(animals[number]) for number in held if decided[number]],
        "misplaced_min_per_day": {
            "raw": _mean(raw[held]),
            "corrected": _mean(corrected[held]),
            "followed": _mean(np.array(followed)),
        },
    }


def correction_sentence(advice: dict[str, Any]) -> str:
    """Return the advice of `correction_advice` as one sentence for people."""
    minutes, animals = advice["misplaced_min_per_day"], advice["animals"]
    if advice["helps"] is None:
        return (
            f"Do not correct time budgets by the confusion matrix here: {animals} "
            f"animal{'' if animals == 1 else 's'} cannot show that it helps, {INNER_ANIMALS + 1} are needed."
        )
    without, corrected = f"{minutes['raw']:.0f}", f"{minutes['corrected']:.0f}"
    if advice["helps"]:
        return (
            f"Correct time budgets by the confusion matrix: for each of the {animals} animals the others "
            f"show that it helps ({corrected} instead of {without} minutes of the day on the wrong "
            "behaviour)."
        )
    shown = len(advice["shown_for"]) or "none"
    return (
        f"Do not correct time budgets by the confusion matrix here: for {shown} of the {animals} animals do "
        f"the others show that it helps ({corrected} minutes of the day on the wrong behaviour with it, "
        f"{without} without)."
    )


def _mean(values: FloatArray) -> Any:
    return float(values.mean()) if len(values) and not np.isnan(values).any() else None
