"""The filter-MLP baseline: a student of this family, trained on hard labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import augmentation
from mcukd.evaluation.baselines.baseline import Baseline, FoldTask, Result, predicted
from mcukd.models.filter_mlp import filter_mlp_weights
from mcukd.models.filter_weights import TAPS, filter_mlp_macs_per_window, filter_mlp_parameters
from mcukd.training.normalization import common_scale
from mcukd.training.prediction import logits
from mcukd.training.trainer import Targets, TrainingConfig

NAME = "filter_mlp"
#: Learning rate, and those tried.
RATE, RATES = 3e-2, (1e-2, 3e-2)


def _epochs(config: DistillConfig) -> int:
    return config.epochs or STUDENTS["filter-mlp"].defaults.epochs


def _fit(task: FoldTask) -> Result:
    network, config = task.trainer.trainer(NAME), task.config

    def train(rate: float, windows: Windows) -> tuple[Any, float]:
        scale = common_scale(windows.counts)
        hyperparameters = TrainingConfig(_epochs(config), rate, 0.0, augmentation(config))
        normalized = windows.counts.astype(np.float32) / scale
        targets = Targets(windows.labels)
        return network.fit(normalized, targets, hyperparameters, task.seed, task.on_progress), scale

    def predict(rate: float, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        model, scale = train(rate, train_windows)
        return predicted(logits(model, validation_windows.counts.astype(np.float32) / scale))

    rate, facts = task.chosen(RATES, RATE, predict)
    model, scale = train(rate, task.training)
    outputs = logits(model, task.test.counts.astype(np.float32) / scale)
    weights = filter_mlp_weights(task.trainer.on_counts(NAME, model, scale))
    facts = {**facts, "learning_rate": rate, "epochs": _epochs(config)}
    return outputs, facts, weights.arrays(f"{NAME}__")


FILTER_MLP = Baseline(
    NAME,
    "Filter-MLP",
    "filter-MLP",
    _fit,
    lambda steps, channels, classes: (
        filter_mlp_parameters(channels, classes),
        filter_mlp_macs_per_window(steps, channels, classes),
    ),
    options=frozenset({"mounting", "augment", "neck_axis", "epochs"}),
    epochs=_epochs,
    least_window=2 * TAPS - 1,
    trials=len(RATES),
)
