"""Scores of a model from labels and predictions: every metric, by class and by animal, over all seeds.

Predictions of all LOAO folds are pooled before anything is computed, so that every animal counts by
its windows and rare behaviours are not averaged away fold by fold.

Values that are undefined are None (JSON null), never NaN and never a number that looks good or bad: recall of
a behaviour that never occurs, precision of one that is never predicted, the MCC of an animal seen in one
behaviour only. Where labels vary and predictions do not, MCC is 0: no information.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcukd.metrics.bootstrap import intervals
from mcukd.metrics.confusion import MINUTES_PER_DAY, one_answer
from mcukd.metrics.metric import ScoredWindows
from mcukd.metrics.pooled import f1, mcc
from mcukd.metrics.registry import of_predictions
from mcukd.metrics.time_budget import agreement_over_animals, corrected_budget, correction_advice

IntArray = NDArray[np.int64]


def score(
    labels: ArrayLike, predictions: ArrayLike, animals: ArrayLike, classes: Sequence[str]
) -> dict[str, Any]:
    """Compare predictions with the truth.

    labels, predictions: (N,) integers into `classes` (K names). animals: (N,) the animal of each window.
    Returns a JSON-safe dict: every metric of `mcukd.metrics.registry` that needs no logits by name (`mcc`,
    `accuracy`, `macro_f1`, `kappa`), `per_class` {name: precision, recall, f1, mcc (one against the rest),
    support}, `per_animal` {id: every metric, windows, confusion}, `confusion` (K×K, rows are the truth), and
    `time_budget_error_min_per_day` and `time_budget_bias_min_per_day` {name: minutes}: for each animal
    (predicted share − true share) · 1440; the error is the mean over animals of its absolute value, the bias
    its mean with sign.
    Raises ValueError where the arrays differ in length, are empty or hold no class numbers.
    """
    truth, predicted = np.asarray(labels), np.asarray(predictions)
    owner = np.asarray(animals).astype(str)
    if truth.ndim != 1 or truth.shape != predicted.shape or truth.shape != owner.shape or not truth.size:
        raise ValueError(
            f"labels {truth.shape}, predictions {predicted.shape} and animals {owner.shape} must be "
            "equally long and not empty"
        )
    for name, values in (("labels", truth), ("predictions", predicted)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= len(classes):
            raise ValueError(f"{name} must be integers from 0 to {len(classes) - 1}")

    windows = ScoredWindows(truth, predicted, owner, tuple(classes))
    by_animal = {animal: windows.of_animal(animal) for animal in sorted(set(owner.tolist()))}
    metrics, matrix = of_predictions(), windows.confusion
    minutes = np.array([_excess_share(one.confusion) for one in by_animal.values()]) * MINUTES_PER_DAY
    return {
        **{metric.name: metric.overall(windows) for metric in metrics},
        "per_class": {name: _one_class(matrix, k) for k, name in enumerate(classes)},
        "per_animal": {
            animal: {
                **{metric.name: metric.compute(one) for metric in metrics},
                "windows": int(one.confusion.sum()),
                "confusion": one.confusion.tolist(),
            }
            for animal, one in by_animal.items()
        },
        "confusion": matrix.tolist(),
        "time_budget_error_min_per_day": dict(zip(classes, np.abs(minutes).mean(axis=0).tolist())),
        "time_budget_bias_min_per_day": dict(zip(classes, minutes.mean(axis=0).tolist())),
    }


def combine_seeds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the scores of one model trained with several seeds.

    Every number becomes its mean over the seeds in which it is defined; confusion matrices are added up.
    For every metric the values (`…_by_seed`) and the sample standard deviation (`…_sd`, None with a single
    seed) are kept. From the animals' confusion matrices, which are not kept, come
    `intervals` (bootstrap over animals, `mcukd.metrics.bootstrap`), the time budget's error and bias after
    correction, `time_budget_correction`, whether to use it, and `time_budget_agreement`, bias, limits and
    concordance over animals in min/h (`mcukd.metrics.time_budget`). `one_answer_by_seed` is there where a
    model learned nothing with a seed (`mcukd.metrics.confusion.one_answer`).
    Raises ValueError without scores.
    """
    if not scores:
        raise ValueError("no scores to combine")
    by_animal = _by_animal(scores)
    scores = [_without_matrices(score) for score in scores]
    combined = {key: _mean([score[key] for score in scores]) for key in scores[0] if key != "confusion"}
    if "confusion" in scores[0]:
        combined["confusion"] = np.sum([score["confusion"] for score in scores], axis=0).tolist()
    for key in (metric.name for metric in of_predictions()):
        if key in scores[0]:
            values = [None if score[key] is None else float(score[key]) for score in scores]
            defined = [value for value in values if value is not None]
            combined[f"{key}_by_seed"] = values
            combined[f"{key}_sd"] = statistics.stdev(defined) if len(defined) > 1 else None
    if by_animal is not None:
        classes = list(scores[0]["per_class"])
        if (nothing := one_answer(by_animal)).any():
            combined["one_answer_by_seed"] = nothing.tolist()
        combined["intervals"] = intervals(by_animal, classes)
        combined.update(corrected_budget(by_animal, classes))
        animals = list(dict.fromkeys(animal for score in scores for animal in score["per_animal"]))
        combined["time_budget_correction"] = correction_advice(by_animal, animals)
        combined["time_budget_agreement"] = agreement_over_animals(by_animal, classes)
    return combined


def _by_animal(scores: Sequence[Mapping[str, Any]]) -> NDArray[np.int64] | None:
    """Return the confusion matrices (S, A, K, K) of scores; of noughts where a seed lacks an animal.

    None where the scores do not hold them.
    """
    animals = dict.fromkeys(animal for score in scores for animal in score.get("per_animal", {}))
    try:
        size = len(scores[0]["confusion"])
        nothing = {"confusion": np.zeros((size, size), np.int64)}
        stacked = [
            [score["per_animal"].get(animal, nothing)["confusion"] for animal in animals] for score in scores
        ]
    except KeyError:
        return None
    return np.array(stacked, np.int64) if animals else None


def _without_matrices(score: Mapping[str, Any]) -> dict[str, Any]:
    """Return a score without the animals' confusion matrices, which would swell `metrics.json`."""
    animals = {
        animal: {key: value for key, value in one.items() if key != "confusion"}
        for animal, one in score.get("per_animal", {}).items()
    }
    return {**score, "per_animal": animals} if "per_animal" in score else dict(score)


def _one_class(matrix: IntArray, k: int) -> dict[str, Any]:
    hits = int(matrix[k, k])
    support, predicted = int(matrix[k].sum()), int(matrix[:, k].sum())
    rest = int(matrix.sum()) - support - predicted + hits
    binary = np.array([[rest, predicted - hits], [support - hits, hits]], np.int64)
    return {
        "precision": hits / predicted if predicted else None,
        "recall": hits / support if support else None,
        "f1": f1(matrix, k),
        "mcc": mcc(binary),
        "support": support,
    }


def _excess_share(matrix: IntArray) -> NDArray[np.float64]:
    """Predicted share minus true share of each class (K,) in one animal's windows."""
    return np.asarray((matrix.sum(axis=0) - matrix.sum(axis=1)) / matrix.sum())


def _mean(values: Sequence[Any]) -> Any:
    """Average numbers leaf by leaf over the seeds that have the leaf; None where none has it."""
    if isinstance(values[0], Mapping):
        # Seeds that hold out different animals share no more than some keys of `per_animal`.
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _mean([value[key] for value in values if key in value]) for key in keys}
    if isinstance(values[0], (list, tuple)):
        return [_mean(items) for items in zip(*values)]
    if isinstance(values[0], str) or all(value == values[0] for value in values):
        return values[0]
    defined = [value for value in values if value is not None]
    return statistics.fmean(defined)
