"""Declaration of a metric: its name, its place in tables, what it is computed from, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.confusion import confusion_matrix

FloatArray = NDArray[np.float64]

HIGHER, LOWER = "higher", "lower"


@dataclass(frozen=True)
class ScoredWindows:
    """Windows with their labels and one model's predictions: all that a metric is computed from.

    labels, predictions: (N,) integers into `classes`, N > 0. animals: (N,) names. logits: (N, K), None where
    predictions alone are known.
    """

    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    animals: NDArray[np.str_]
    classes: tuple[str, ...]
    logits: NDArray[Any] | None = None

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """The confusion matrix (K, K), rows the truth."""
        return confusion_matrix(self.labels, self.predictions, len(self.classes))

    @cached_property
    def probabilities(self) -> FloatArray:
        """The softmax of the logits (N, K). Raises ValueError without logits."""
        if self.logits is None:
            raise ValueError("there are no logits; declare the metric with needs_logits")
        return softmax(self.logits)

    def of_animal(self, animal: str) -> ScoredWindows:
        """Return the windows of one animal."""
        own = self.animals == animal
        logits = None if self.logits is None else self.logits[own]
        return ScoredWindows(self.labels[own], self.predictions[own], self.animals[own], self.classes, logits)


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    name: its key in `metrics.json`. title, short: the heading of its column on the page and in the console.
    better: "higher" or "lower". compute: takes the windows of one seed, folds pooled, and returns a number,
    None where it is undefined. It is also computed for each animal; seeds are averaged.

    needs_logits: it is computed from logits or probabilities. They are kept for float models only, so that
    `mcukd evaluate` computes it, once over all seeds. It may return a JSON object then; `field` names the
    number of it that tables show.
    of_matrices: the same metric of confusion matrices (…, K, K) as (…), NaN where undefined. It gives an
    interval over animals and the difference in comparisons of models.
    undefined: what stands in place of None for all windows together. unit: shown in the heading. digits:
    decimals in the cells. prominent: also in the short table after `mcukd distill`, and on the page with the
    spread over seeds. shows_interval: tables show the interval too.
    """

    name: str
    title: str
    short: str
    better: str
    compute: Callable[[ScoredWindows], Any]
    needs_logits: bool = False
    of_matrices: Callable[[NDArray[Any]], FloatArray] | None = None
    undefined: float | None = None
    field: str | None = None
    unit: str = ""
    digits: int = 3
    prominent: bool = False
    shows_interval: bool = False

    def overall(self, windows: ScoredWindows) -> Any:
        """Return the value for all windows together."""
        value = self.compute(windows)
        return self.undefined if value is None else value

    def number(self, scores: Mapping[str, Any]) -> float | None:
        """Return the number that tables show, of a model's scores as in `metrics.json`; None without one."""
        value = scores.get(self.name)
        return value if value is None or self.field is None else value[self.field]

    def interval(self, scores: Mapping[str, Any]) -> Sequence[float] | None:
        """Return the interval over animals of a model's scores; None without one."""
        found: Sequence[float] | None = (scores.get("intervals") or {}).get(self.name)
        return found


def softmax(logits: NDArray[Any]) -> FloatArray:
    """Return the softmax of logits (N, K) over classes."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
