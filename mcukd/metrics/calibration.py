"""Calibration: whether a model that is 80 % sure is right four times out of five."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15

FloatArray = NDArray[np.float64]


def probabilities(logits: NDArray[Any]) -> FloatArray:
    """Return the softmax of logits (N, K) over classes."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def calibration(logits: NDArray[Any], labels: NDArray[Any], bins: int = BINS) -> dict[str, Any]:
    """Return how well confidence (the largest probability) agrees with accuracy.

    logits: (N, K). labels: (N,). `ece`: expected calibration error (Naeini, Cooper, Hauskrecht 2015), the
    mean over windows of |confidence − accuracy| of their bin, in `bins` bins of equal width. `confidence`,
    `accuracy`: means over all windows; the first above the second is over-confidence. `brier`: mean squared
    distance of probabilities from the one-hot truth. `bins`: for each that holds windows its mean
    confidence, accuracy and number of windows.
    """
    chances = probabilities(logits)
    sure = chances.max(axis=1)
    right = (chances.argmax(axis=1) == labels).astype(np.float64)
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    confidence = np.bincount(place, sure, bins)[held] / count[held]
    accuracy = np.bincount(place, right, bins)[held] / count[held]
    truth = np.eye(chances.shape[1])[labels]
    return {
        "ece": float(np.sum(np.abs(confidence - accuracy) * count[held]) / len(sure)),
        "confidence": float(sure.mean()),
        "accuracy": float(right.mean()),
        "brier": float(np.mean(np.sum((chances - truth) ** 2, axis=1))),
        "bins": [
            {"confidence": float(c), "accuracy": float(a), "windows": int(n)}
            for c, a, n in zip(confidence, accuracy, count[held])
        ],
    }
