"""Trials of classifiers on a frozen embedding, each scored on animals it was not fitted to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.head_search.classifiers import ClassifierFamily, Trained, fit
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.models.weights import Head

FloatArray = NDArray[np.float64]

COMBINATION = "combination"
#: The head that the network was trained with, among the candidates.
OWN = "own"


@dataclass(frozen=True)
class Trial:
    """One classifier that was tried. score: pooled MCC over inner animals. seconds: its wall time."""

    number: int
    family: str
    settings: dict[str, Any]
    score: float
    deploys: bool
    seconds: float = field(compare=False)


class InnerFold(NamedTuple):
    """An inner fold: embeddings (N, E), and the indices of its training and of its test rows."""

    x: FloatArray
    train: NDArray[np.int64]
    test: NDArray[np.int64]


class TrialScorer:
    """Scores classifiers on the test animals of inner folds, and keeps the best probabilities of each family.

    labels: (N,) of the rows of all folds. trials: those made so far. best: the best trial of each family with
    its class probabilities (N, K).
    """

    def __init__(
        self, folds: Sequence[InnerFold], labels: NDArray[np.int64], classes: int, seed: int
    ) -> None:
        self.folds, self.labels, self.classes, self.seed = folds, labels, classes, seed
        self.trials: list[Trial] = []
        self.best: dict[str, tuple[Trial, FloatArray]] = {}

    def try_family(self, family: ClassifierFamily, settings: dict[str, Any]) -> Trial:
        """Fit a classifier to the training animals of each fold and score it on the test animals."""
        start = time.perf_counter()
        probabilities = np.zeros((len(self.labels), self.classes))
        for x, train, test in self.folds:
            fitted = fit(family, settings, x[train], self.labels[train], self.classes, self.seed)
            probabilities[test] = fitted.predict_proba(x[test])
        trial = self._record(family.name, settings, probabilities, family.deploys, start)
        if family.name not in self.best or trial.score > self.best[family.name][0].score:
            self.best[family.name] = trial, probabilities
        return trial

    def try_own(self, heads: Sequence[Head]) -> None:
        """Score the network of each fold with its own head on the test animals."""
        start = time.perf_counter()
        probabilities = np.zeros((len(self.labels), self.classes))
        for (x, _, test), head in zip(self.folds, heads):
            probabilities[test] = Trained(head).predict_proba(x[test])
        self.best[OWN] = self._record(OWN, {}, probabilities, True, start), probabilities

    def try_combination(self, weights: Mapping[str, float]) -> Trial:
        """Score the weighted mean of the probabilities of the best classifiers of some families."""
        start = time.perf_counter()
        probabilities = np.asarray(sum(weight * self.best[name][1] for name, weight in weights.items()))
        return self._record(COMBINATION, weights, probabilities, False, start)

    def _record(
        self, family: str, settings: Mapping[str, Any], probabilities: FloatArray, deploys: bool, start: float
    ) -> Trial:
        score = pooled_mcc(confusion_matrix(self.labels, probabilities.argmax(axis=1), self.classes))
        seconds = time.perf_counter() - start
        trial = Trial(len(self.trials), family, dict(settings), score, deploys, seconds)
        self.trials.append(trial)
        return trial
