"""Early answers: results before a window is full, where the margin is already beyond a threshold.

A threshold for each part of the window is the least margin at which the answers given there equal those of
the full window at a stated rate; windows that were answered earlier are left out. As in
`mcukd.metrics.refusal`, an animal's windows are answered by thresholds that were chosen on the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.refusal import margin_for_risk


@dataclass(frozen=True)
class EarlyResults:
    """Results of held-out windows after each part of them.

    fractions: (P,) of the window, growing; the last is 1. classes: (P, N) of the largest logit. margins:
    (P, N) in units of the logits. labels: (N,). animals: (N,) str.
    """

    fractions: tuple[float, ...]
    classes: NDArray[np.int64]
    margins: NDArray[np.float64]
    labels: NDArray[np.int64]
    animals: NDArray[Any]

    def take(self, index: NDArray[Any]) -> EarlyResults:
        """Return the windows at `index` (integers or a mask)."""
        return EarlyResults(
            self.fractions,
            self.classes[:, index],
            self.margins[:, index],
            self.labels[index],
            self.animals[index],
        )


def early_margins(results: EarlyResults, rate: float) -> tuple[float, ...]:
    """Return the margin of each part but the last at which its answers equal the full window's at `rate`.

    Infinite where none does, so that nothing is answered there.
    """
    left = np.ones(len(results.labels), bool)
    found = []
    for classes, margins in zip(results.classes[:-1], results.margins[:-1]):
        differs = classes[left] != results.classes[-1][left]
        margin = margin_for_risk(margins[left], differs, 1 - rate) if left.any() else None
        found.append(math.inf if margin is None else margin)
        left &= margins < found[-1]
    return tuple(found)


def answered_at(results: EarlyResults, margins: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the number of the part (N,) after which each window is answered; the last for all others."""
    part = np.full(len(results.labels), len(results.fractions) - 1)
    for number in reversed(range(len(margins))):
        part[results.margins[number] >= margins[number]] = number
    return part


def early_figures(results: EarlyResults, rate: float) -> dict[str, Any]:
    """Return how early windows are answered, and at what cost; each animal's thresholds are the others'.

    answered: share of windows answered after each part. samples: mean share of a window's samples that were
    taken. equal: share of answers that are the full window's. wrong, wrong_full: shares of wrong answers, and
    of wrong ones had all waited. Raises ValueError with fewer than two animals.
    """
    names = np.unique(results.animals)
    if len(names) < 2:
        raise ValueError("thresholds for an animal are chosen on others, and there is one animal alone")
    part = np.zeros(len(results.labels), np.int64)
    for name in names:
        own = results.animals == name
        part[own] = answered_at(results.take(own), early_margins(results.take(~own), rate))
    said = results.classes[part, np.arange(len(part))]
    counts = np.bincount(part, minlength=len(results.fractions))
    return {
        "rate": rate,
        "fractions": list(results.fractions),
        "answered": [round(float(count) / len(part), 6) for count in counts],
        "samples": round(float(np.array(results.fractions)[part].mean()), 6),
        "equal": round(float((said == results.classes[-1]).mean()), 6),
        "wrong": round(float((said != results.labels).mean()), 6),
        "wrong_full": round(float((results.classes[-1] != results.labels).mean()), 6),
        "margins": [None if math.isinf(one) else round(one, 6) for one in early_margins(results, rate)],
    }
