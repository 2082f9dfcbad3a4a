"""Settling time: after how many samples the class that a recurrent student gives no longer changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.models.weights import GruMlpWeights


def settling_samples(student: GruMlpWeights, counts: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return for each window the number of samples after which its class no longer changes: (N,), 1 to T.

    counts: (N, T, C). The head is read after every sample; T means that the last sample still changed it.
    """
    classes = stepwise_classes(student, counts)
    steps = classes.shape[1]
    differs = classes != classes[:, -1:]
    # The last step that differs from the final class, counted from the end; none: the class never changed.
    last = np.where(differs.any(axis=1), steps - np.argmax(differs[:, ::-1], axis=1), 0)
    return np.asarray(last + 1, np.int64)


def stepwise_classes(student: GruMlpWeights, counts: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the class after each sample of windows (N, T, C): (N, T)."""
    state = np.zeros((len(counts), student.hidden))
    x = (counts.astype(np.float64) - student.mean) / student.std
    classes, head = np.empty(counts.shape[:2], np.int64), student.head
    for t in range(counts.shape[1]):
        state = student.step(x[:, t], state)
        classes[:, t] = np.argmax(head.logits(state), axis=1)
    return classes


def warm_up(settling_times: Sequence[NDArray[np.int64]], window: int) -> dict[str, Any]:
    """Summarise settling times of windows of `window` samples, as JSON: median, 95th percentile, worst."""
    samples = np.concatenate(list(settling_times))
    return {
        "median_samples": float(np.median(samples)),
        "p95_samples": float(np.quantile(samples, 0.95, method="higher")),
        "worst_samples": int(samples.max()),
        "window_samples": window,
        "windows": len(samples),
    }
