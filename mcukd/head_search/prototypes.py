"""Classifiers that compare an embedding with a few learned patterns per class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: K-means sees at most this many windows of a class.
_KMEANS_ROWS = 2000


class Prototypes:
    """P patterns per class; the score of a pattern p is s·(2·p·x − |p|²) + c, c being its class's.

    That is −s·|x − p|² but for |x|², which all scores share. With reading "max" a class has the score of its
    nearest pattern. With "sum" the softmax over scores is that of a Hopfield memory which holds the patterns
    as keys and their classes as values (Ramsauer et al. 2020, arXiv 2008.02217).

    Patterns start as k-means centres of each class; `passes` of L-BFGS then move them, s and c to a smaller
    cross-entropy of the training rows (after robust soft learning vector quantisation, Seo and Obermayer
    2003), held back by `pull` times the mean squared way they went. Follows scikit-learn's conventions.
    """

    def __init__(
        self, per_class: int, reading: str = "max", passes: int = 40, pull: float = 1e-3, seed: int = 0
    ) -> None:
        self.per_class, self.reading, self.passes = per_class, reading, passes
        self.pull, self.seed = pull, seed

    def fit(self, x: FloatArray, y: NDArray[np.int64]) -> Prototypes:
        """Learn patterns from embeddings x (N, E) and labels y (N,)."""
        self.classes_ = np.unique(y)
        start = self.start(x, y)
        near = ((x[:, None] - start[np.searchsorted(self.classes_, y)]) ** 2).sum(axis=2).min(axis=1)
        scale = 1 / (2 * max(float(near.mean()) / x.shape[1], 1e-3))
        values = np.concatenate([start.ravel(), [np.log(scale)], np.zeros(len(start))])
        if self.passes:
            from scipy.optimize import minimize

            loss = self.loss(x, np.searchsorted(self.classes_, y), start)
            values = minimize(loss, values, jac=True, method="L-BFGS-B", options={"maxiter": self.passes}).x
        patterns, s, offsets = values[: start.size], np.exp(values[start.size]), values[start.size + 1 :]
        patterns = patterns.reshape(-1, x.shape[1])
        self.kernel_ = 2 * s * patterns.T
        self.bias_ = np.repeat(offsets, self.per_class) - s * (patterns**2).sum(axis=1)
        return self

    def loss(
        self, x: FloatArray, truth: NDArray[np.int64], start: FloatArray
    ) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return the function that learning makes small, with its gradient.

        It takes the patterns, one after another, log s, and c of each class. truth: (N,) places in
        `classes_`. start: the patterns (K, P, E) that `pull` holds to.
        """
        rows = np.arange(len(x))

        def value_and_gradient(values: FloatArray) -> tuple[float, FloatArray]:
            patterns = values[: start.size].reshape(-1, x.shape[1])
            s, offsets = np.exp(values[start.size]), values[start.size + 1 :]
            raw = 2 * x @ patterns.T - (patterns**2).sum(axis=1)
            logits, share = self._read((s * raw).reshape(len(x), *start.shape[:2]) + offsets[:, None])
            chances = _softmax(logits)
            moved = patterns - start.reshape(patterns.shape)
            value = -np.log(np.maximum(chances[rows, truth], 1e-12)).mean() + self.pull * (moved**2).mean()
            chances[rows, truth] -= 1
            by_logit = chances / len(x)
            by_score = (by_logit[:, :, None] * share).reshape(len(x), -1)
            by_pattern = s * (2 * by_score.T @ x - 2 * patterns * by_score.sum(axis=0)[:, None])
            by_pattern += 2 * self.pull * moved / moved.size
            by_scale = s * np.sum(by_score * raw)
            return float(value), np.concatenate([by_pattern.ravel(), [by_scale], by_logit.sum(axis=0)])

        return value_and_gradient

    def start(self, x: FloatArray, y: NDArray[np.int64]) -> FloatArray:
        """Return the patterns to begin with, (K, P, E): k-means centres of each class."""
        from sklearn.cluster import KMeans

        rng = np.random.default_rng(self.seed)
        found = []
        for label in self.classes_:
            own = x[y == label]
            if len(own) > _KMEANS_ROWS:
                own = own[rng.choice(len(own), _KMEANS_ROWS, replace=False)]
            centres = min(self.per_class, len(np.unique(own, axis=0)))
            means = KMeans(centres, n_init=1, random_state=self.seed).fit(own).cluster_centers_
            # A class with fewer different rows than patterns has some of them twice.
            found.append(means[np.arange(self.per_class) % centres])
        return np.asarray(found, np.float64)

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Return the chances (N, K) of the classes in `classes_`."""
        scores = (x @ self.kernel_ + self.bias_).reshape(len(x), len(self.classes_), -1)
        return _softmax(self._read(scores)[0])

    def _read(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logits (N, K) of scores (N, K, P), and how each score moves its logit (N, K, P)."""
        largest = scores.max(axis=2, keepdims=True)
        if self.reading == "max":
            first = scores.argmax(axis=2)[:, :, None] == np.arange(scores.shape[2])
            return largest[:, :, 0], first.astype(np.float64)
        exponentials = np.exp(scores - largest)
        total = exponentials.sum(axis=2, keepdims=True)
        return (largest + np.log(total))[:, :, 0], exponentials / total


class Centroids(Prototypes):
    """scikit-learn's nearest centroid, with chances: one pattern per class, which stays where it is."""

    def __init__(self, shrink: float = 0.0, seed: int = 0) -> None:
        super().__init__(1, passes=0, seed=seed)
        self.shrink = shrink

    def start(self, x: FloatArray, y: NDArray[np.int64]) -> FloatArray:
        """Return the classes' means (K, 1, E), shrunk towards the mean of all."""
        from sklearn.neighbors import NearestCentroid

        spread = any(x[y == label].std(axis=0).any() for label in self.classes_)
        nearest: Any = NearestCentroid(shrink_threshold=self.shrink if self.shrink and spread else None)
        return np.asarray(nearest.fit(x, y).centroids_, np.float64)[:, None]


def _softmax(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
