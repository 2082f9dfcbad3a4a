"""Toy baseline, as a plugin registers it: the class with the nearest mean swing."""

from __future__ import annotations

import numpy as np

from mcukd.data.windows import Windows
from mcukd.evaluation.baselines import BASELINES
from mcukd.evaluation.baselines.baseline import Baseline, FoldTask, Result


def swing(windows: Windows) -> np.ndarray:
    return windows.counts.std(axis=1).mean(axis=1)


def fit(task: FoldTask) -> Result:
    training = swing(task.training)
    means = [training[task.training.labels == k].mean() for k in range(len(task.training.classes))]
    return -np.abs(swing(task.test)[:, None] - means), {"means": means}, {}


BASELINES.register(
    Baseline("swing", "Nearest swing", "nearest swing", fit, lambda steps, channels, classes: (classes, 0))
)
