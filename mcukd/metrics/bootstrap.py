"""Bootstrap intervals over animals: how far a figure would move with another herd of the same kind.

Windows of one animal resemble each other, so that resampling windows would feign a precision that is not
there. Whole animals are drawn instead, with replacement (cluster bootstrap): all that is needed of an
animal is its confusion matrix, so a draw is a weighted sum of matrices and thousands take milliseconds.

Percentiles of a bootstrap over few units are too narrow, because a sample's spread underestimates the
herd's by (n − 1)/n and the normal quantile ignores that the spread itself is estimated. The percentiles
are therefore moved outwards as Hesterberg (2015, "What Teachers Should Know About the Bootstrap", the
expanded percentile interval) proposes: α/2 becomes Φ(−√(n/(n−1)) · t(1−α/2; n−1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics import confusion as merit
from mcukd.metrics.registry import METRICS

DRAWS = 2000
LEVEL = 0.95
SEED = 20220904

FloatArray = NDArray[np.float64]
Interval = tuple[float, float] | None


def drawn_weights(units: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """Return how often each of `units` is in each bootstrap sample of `units`: (draws, units)."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.multinomial(units, np.full(units, 1 / units), size=draws), np.int64)


def interval(values: FloatArray, units: int, level: float = LEVEL) -> Interval:
    """Return the expanded percentile interval of bootstrap values (draws,) from a sample of `units`.

    None where fewer than two units were drawn from, or most draws have no value (NaN).
    """
    from scipy.special import ndtr, stdtrit

    values = np.asarray(values, np.float64)
    defined = values[~np.isnan(values)]
    if units < 2 or 2 * len(defined) <= len(values):
        return None
    tail = float(ndtr(-np.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 + level) / 2)))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def intervals(by_animal: NDArray[Any], classes: Sequence[str], draws: int = DRAWS) -> dict[str, Any] | None:
    """Return intervals of every figure of merit, in JSON types; None with fewer than two animals.

    by_animal: confusion matrices (S, A, K, K) of S training seeds and the same A animals. In each draw the
    matrices of the drawn animals are summed for each seed and the figure is the mean over the seeds, as in
    `metrics.json`: the intervals speak of animals, the spread over seeds stands beside them.
    Returns `level`, `animals`, `draws`, one [low, high] or None for each metric that can be computed of
    matrices (`mcc`, `accuracy`, …), and by class `per_class` {name: precision, recall, and `animals`, how
    many of them show it} and `time_budget_error_min_per_day`.
    """
    by_animal = np.asarray(by_animal, np.float64)
    animals = by_animal.shape[1]
    if animals < 2:
        return None
    weights = drawn_weights(animals, draws).astype(np.float64)
    pooled = np.einsum("ba,saij->bsij", weights, by_animal, optimize=True)
    found: dict[str, Any] = {"level": LEVEL, "animals": animals, "draws": draws}
    for metric in METRICS.values():
        if metric.of_matrices is not None:
            found[metric.name] = _listed(interval(seed_mean(metric.of_matrices(pooled)), animals))
    precision, recall = seed_mean(merit.precision(pooled)), seed_mean(merit.recall(pooled))
    showing = np.count_nonzero(by_animal.sum(axis=(0, -1)), axis=0)
    found["per_class"] = {
        name: {
            "animals": int(showing[k]),
            "precision": _listed(interval(precision[:, k], animals)),
            "recall": _listed(interval(recall[:, k], animals)),
        }
        for k, name in enumerate(classes)
    }
    minutes = np.nan_to_num(seed_mean(np.abs(merit.excess_minutes(by_animal)), axis=0))
    errors = weights @ minutes / animals
    found["time_budget_error_min_per_day"] = {
        name: _listed(interval(errors[:, k], animals)) for k, name in enumerate(classes)
    }
    return found


def seed_mean(values: FloatArray, axis: int = 1) -> FloatArray:
    """Return the mean over the seeds that have a value; NaN where none has."""
    present = ~np.isnan(values)
    count = present.sum(axis)
    return np.divide(
        np.where(present, values, 0).sum(axis), count, out=np.full(count.shape, np.nan), where=count > 0
    )


def _listed(found: Interval) -> list[float] | None:
    return None if found is None else list(found)
