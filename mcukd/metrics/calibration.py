"""Calibration: whether a model's confidence agrees with its accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.metric import LOWER, Metric

BINS = 15


def calibration(probabilities: NDArray[Any], labels: NDArray[Any], bins: int = BINS) -> dict[str, Any]:
    """Return how well confidence (the largest probability) agrees with accuracy.

    probabilities: (N, K). labels: (N,). `ece`: expected calibration error (Naeini, Cooper, Hauskrecht 2015),
    mean over windows of |confidence − accuracy| of their bin, in `bins` bins of equal width. `confidence` and
    `accuracy`: means over all windows; the first above the second is over-confidence. `brier`: mean squared
    distance of probabilities from the one-hot truth. `bins`: for each that holds windows its mean
    confidence, accuracy and number of windows.
    """
    confidences = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    place = np.minimum((confidences * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    confidence = np.bincount(place, confidences, bins)[held] / count[held]
    accuracy = np.bincount(place, right, bins)[held] / count[held]
    truth = np.eye(probabilities.shape[1])[labels]
    return {
        "ece": float(np.sum(np.abs(confidence - accuracy) * count[held]) / len(confidences)),
        "confidence": float(confidences.mean()),
        "accuracy": float(right.mean()),
        "brier": float(np.mean(np.sum((probabilities - truth) ** 2, axis=1))),
        "bins": [
            {"confidence": float(c), "accuracy": float(a), "windows": int(n)}
            for c, a, n in zip(confidence, accuracy, count[held])
        ],
    }


CALIBRATION = Metric(
    "calibration",
    "ECE",
    "ECE",
    LOWER,
    lambda windows: calibration(windows.probabilities, windows.labels),
    needs_logits=True,
    field="ece",
)
