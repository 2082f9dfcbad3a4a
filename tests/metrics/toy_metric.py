"""Two toy metrics, as a plugin registers them: one of classes, one of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.confusion import recall
from mcukd.metrics.metric import HIGHER, LOWER, Metric, ScoredWindows
from mcukd.metrics.registry import METRICS


def balanced_accuracy(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean recall of the classes that occur, of matrices (…, K, K)."""
    return np.asarray(np.nanmean(recall(matrices), axis=-1))


def log_loss(windows: ScoredWindows) -> float:
    """Return the mean of −log₂ of the true class's probability, in bits."""
    right = windows.probabilities[np.arange(len(windows.labels)), windows.labels]
    return float(-np.log2(np.maximum(right, 1e-9)).mean())


METRICS.register(
    Metric(
        "balanced_accuracy",
        "Balanced accuracy",
        "bal.",
        HIGHER,
        lambda windows: float(balanced_accuracy(windows.confusion)),
        of_matrices=balanced_accuracy,
        shows_interval=True,
    )
)
METRICS.register(
    Metric("log_loss", "Log loss", "log", LOWER, log_loss, needs_logits=True, unit="bits", digits=2)
)
