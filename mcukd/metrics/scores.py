"""Figures of merit from labels and predictions, and the file that keeps them (`metrics.json`).

Predictions of all LOAO folds are pooled before anything is computed, so that every animal counts by
its windows and rare behaviours are not averaged away fold by fold.

What cannot be computed is None (JSON null), never NaN and never a flattering or damning number:
recall of a behaviour that never occurs, precision of one that is never predicted, the MCC of an animal
seen in one behaviour only. Where the truth varies and the prediction does not, MCC is 0: no information.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcukd.errors import UserError
from mcukd.files import write_json
from mcukd.metrics.bootstrap import intervals
from mcukd.metrics.confusion import MINUTES_PER_DAY, kappa
from mcukd.metrics.time_budget import corrected_budget, correction_advice

#: What `metrics.json` always holds. Other keys are findings about the same data, split and seeds.
HEADER = ("data", "split", "seeds")

IntArray = NDArray[np.int64]


def score(
    labels: ArrayLike, predictions: ArrayLike, animals: ArrayLike, classes: Sequence[str]
) -> dict[str, Any]:
    """Compare predictions with the truth.

    labels, predictions: (N,) integers into `classes` (K names). animals: (N,) who each window is of.
    Returns a JSON-safe dict: `mcc` (0 where the truth holds a single behaviour), `accuracy`, `macro_f1`
    (mean over the behaviours that occur in truth or prediction), `kappa` (Cohen's; None where truth and
    prediction hold the same single behaviour), `per_class` {name: precision, recall, f1, mcc (one against
    the rest), support}, `per_animal` {id: mcc, accuracy, macro_f1, kappa, windows, confusion},
    `confusion` (K×K, rows are the truth), `time_budget_error_min_per_day` and
    `time_budget_bias_min_per_day` {name: minutes}: for each animal (predicted share − true share) · 1440;
    the error is the mean over animals of its absolute value, the bias its mean with sign.
    Raises ValueError where the arrays differ in length, are empty or hold no class numbers.
    """
    truth, guess = np.asarray(labels), np.asarray(predictions)
    owner = np.asarray(animals).astype(str)
    if truth.ndim != 1 or truth.shape != guess.shape or truth.shape != owner.shape or not truth.size:
        raise ValueError(
            f"labels {truth.shape}, predictions {guess.shape} and animals {owner.shape} must be "
            "equally long and not empty"
        )
    for name, values in (("labels", truth), ("predictions", guess)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= len(classes):
            raise ValueError(f"{name} must be integers from 0 to {len(classes) - 1}")

    matrix = confusion_matrix(truth, guess, len(classes))
    matrices = {
        animal: confusion_matrix(truth[owner == animal], guess[owner == animal], len(classes))
        for animal in sorted(set(owner.tolist()))
    }
    minutes = np.array([_excess_share(m) for m in matrices.values()]) * MINUTES_PER_DAY
    return {
        "mcc": _mcc(matrix) or 0.0,
        "accuracy": _accuracy(matrix),
        "macro_f1": _macro_f1(matrix),
        "kappa": _kappa(matrix),
        "per_class": {name: _one_class(matrix, k) for k, name in enumerate(classes)},
        "per_animal": {
            animal: {
                "mcc": _mcc(m),
                "accuracy": _accuracy(m),
                "macro_f1": _macro_f1(m),
                "kappa": _kappa(m),
                "windows": int(m.sum()),
                "confusion": m.tolist(),
            }
            for animal, m in matrices.items()
        },
        "confusion": matrix.tolist(),
        "time_budget_error_min_per_day": dict(zip(classes, np.abs(minutes).mean(axis=0).tolist())),
        "time_budget_bias_min_per_day": dict(zip(classes, minutes.mean(axis=0).tolist())),
    }


def confusion_matrix(labels: NDArray[Any], predictions: NDArray[Any], classes: int) -> IntArray:
    """Count windows by (true class, predicted class); returns (K, K) int64."""
    pairs = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def combine_seeds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the scores of one model trained with several seeds.

    Every number becomes its mean over the seeds in which it is defined; confusion matrices are added up.
    For `mcc`, `accuracy`, `macro_f1` and `kappa` the values (`…_by_seed`) and the sample standard deviation
    (`…_sd`, None with a single seed) are kept. From the animals' confusion matrices, which are not kept, come
    `intervals` (bootstrap over animals, `mcukd.metrics.bootstrap`), the time budget's error and bias after
    correction, and `time_budget_correction`, whether to use it (`mcukd.metrics.time_budget`). Raises
    ValueError without scores.
    """
    if not scores:
        raise ValueError("no scores to combine")
    by_animal = _by_animal(scores)
    scores = [_without_matrices(score) for score in scores]
    combined = {key: _mean([score[key] for score in scores]) for key in scores[0] if key != "confusion"}
    if "confusion" in scores[0]:
        combined["confusion"] = np.sum([score["confusion"] for score in scores], axis=0).tolist()
    for key in ("mcc", "accuracy", "macro_f1", "kappa"):
        if key in scores[0]:
            values = [None if score[key] is None else float(score[key]) for score in scores]
            defined = [value for value in values if value is not None]
            combined[f"{key}_by_seed"] = values
            combined[f"{key}_sd"] = statistics.stdev(defined) if len(defined) > 1 else None
    if by_animal is not None:
        classes = list(scores[0]["per_class"])
        combined["intervals"] = intervals(by_animal, classes)
        combined.update(corrected_budget(by_animal, classes))
        animals = list(dict.fromkeys(animal for score in scores for animal in score["per_animal"]))
        combined["time_budget_correction"] = correction_advice(by_animal, animals)
    return combined


def update_metrics(
    path: Path, *, data: Any, split: str, seeds: Sequence[int], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Put the scores of `models` into `metrics.json` at `path`, in one step, and return its content.

    Scores of other models stay, unless they were made from other data, another split or other seeds:
    those would not be comparable and are dropped. So are findings that were drawn from models that have
    changed since (`add_findings`). Raises UserError where the file is no metrics file.
    """
    header = json.loads(json.dumps(dict(zip(HEADER, (data, split, list(seeds))))))
    kept: dict[str, Any] = {}
    findings: dict[str, Any] = {}
    given = json.loads(json.dumps({name: dict(values) for name, values in models.items()}, allow_nan=False))
    if path.exists():
        content = load_metrics(path)
        if all(content[key] == value for key, value in header.items()):
            kept = content["models"]
            if all(name not in kept or _same_scores(kept[name], values) for name, values in given.items()):
                findings = {key: content[key] for key in content if key not in (*HEADER, "models")}
                given = {name: {**kept.get(name, {}), **values} for name, values in given.items()}
    content = {**header, "models": {**kept, **given}, **findings}
    write_json(path, content)
    return content


def add_findings(path: Path, models: Mapping[str, Mapping[str, Any]], **findings: Any) -> dict[str, Any]:
    """Add keys to models of `metrics.json`, and findings beside them, and return the whole content.

    Findings that are None are taken out. Raises UserError where the file is no metrics file.
    """
    content = load_metrics(path)
    for name, values in models.items():
        content["models"][name].update(values)
    content.update(findings)
    content = {key: value for key, value in content.items() if value is not None}
    write_json(path, content)
    return content


def load_metrics(path: Path) -> dict[str, Any]:
    """Read `metrics.json`. Raises UserError where it is missing or not what `update_metrics` writes."""
    remedy = "run 'mcukd distill' to make it anew"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for key, kind in (("data", object), ("split", str), ("seeds", list), ("models", dict)):
            if not isinstance(content[key], kind):
                raise TypeError(f"'{key}' is a {type(content[key]).__name__}, expected a {kind.__name__}")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}.") from error
    except KeyError as error:
        raise UserError(f"{path}: not a metrics file, key {error} is missing; {remedy}.") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a metrics file ({error}); {remedy}.") from error
    return dict(content)


def _accuracy(matrix: IntArray) -> float:
    return float(np.trace(matrix) / matrix.sum())


def _mcc(matrix: IntArray) -> Optional[float]:
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


def _kappa(matrix: IntArray) -> Optional[float]:
    value = float(kappa(matrix))
    return None if np.isnan(value) else value


def _by_animal(scores: Sequence[Mapping[str, Any]]) -> Optional[NDArray[np.int64]]:
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


def _same_scores(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    return earlier.get("mcc_by_seed") == later.get("mcc_by_seed") and earlier.get("confusion") == later.get(
        "confusion"
    )


def _one_class(matrix: IntArray, k: int) -> dict[str, Any]:
    hits = int(matrix[k, k])
    support, predicted = int(matrix[k].sum()), int(matrix[:, k].sum())
    rest = int(matrix.sum()) - support - predicted + hits
    binary = np.array([[rest, predicted - hits], [support - hits, hits]], np.int64)
    return {
        "precision": hits / predicted if predicted else None,
        "recall": hits / support if support else None,
        "f1": _f1(matrix, k),
        "mcc": _mcc(binary),
        "support": support,
    }


def _f1(matrix: IntArray, k: int) -> Optional[float]:
    involved = int(matrix[k].sum() + matrix[:, k].sum())
    return 2 * int(matrix[k, k]) / involved if involved else None


def _macro_f1(matrix: IntArray) -> float:
    values = [f1 for f1 in (_f1(matrix, k) for k in range(len(matrix))) if f1 is not None]
    return statistics.fmean(values)


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
