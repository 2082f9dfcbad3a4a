"""The majority-class baseline: shares of the classes in the training windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.evaluation.baselines.baseline import Baseline


def majority_logits(training: Windows, test: Windows) -> NDArray[np.float64]:
    """Return for every test window the logarithm of the classes' shares in `training`: (N, K)."""
    shares = np.bincount(training.labels, minlength=len(training.classes)) / len(training)
    return np.tile(np.log(np.maximum(shares, 1e-9)), (len(test), 1))


MAJORITY = Baseline(
    "majority",
    "Majority class",
    "majority class",
    lambda task: (majority_logits(task.training, task.test), {}, {}),
    lambda steps, channels, classes: (0, 0),
)
