"""Hyperparameters chosen on inner animals: epochs of a network, weight of SMLDist's spectral term.

A choice sees the training windows of a job and no others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.nested_selection import select
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.work import COSTS, EPOCH_FACTORS, frequencies
from mcukd.training.trainer import FloatArray, Targets, TrainingConfig, logits, logits_model

if TYPE_CHECKING:
    from mcukd.distillation.fold_trainer import FoldTrainer
    from mcukd.distillation.teacher import Teacher


def choose_epochs(
    trainer: FoldTrainer, role: str, windows: Windows, config: TrainingConfig, fits: FitContext
) -> TrainingConfig:
    """Return the config of the "teacher" or the "student" with the epochs that do best on inner animals."""
    network, channels = trainer.trainer(role), trainer.channels(role)
    fits = fits.scaled(COSTS[role])
    count = 0

    def predict(
        candidate: TrainingConfig, train_windows: Windows, validation_windows: Windows
    ) -> NDArray[np.int64]:
        nonlocal count
        count += 1
        data = TrainingSet.normalized(train_windows, trainer.config)
        targets = Targets(train_windows.labels, smoothing=trainer.config.smoothing)
        model = network.fit(
            data.inputs,
            targets,
            candidate,
            fits.seed,
            fits.on_progress,
            fits.checkpoint(f"{role}-choice{count}"),
        )
        inputs = data.normalizer.transform(validation_windows)[..., :channels]
        return np.argmax(logits(logits_model(model), inputs), axis=1)

    candidates = [replace(config, epochs=max(1, round(f * config.epochs))) for f in EPOCH_FACTORS]
    return select(candidates, windows, predict).best


def choose_frequency(
    trainer: FoldTrainer,
    teacher: Teacher,
    soft: Optional[FloatArray],
    data: TrainingSet,
    config: TrainingConfig,
    fits: FitContext,
) -> float:
    """Return the weight of SMLDist's spectral term whose students do best on inner animals.

    Students of inner folds are trained on the other animals' windows; their teacher was trained on all of
    the job's, as in a head search. soft: the teacher's logits (N, K) for the training windows, where the
    method uses them.
    """
    count = 0

    def predict(weight: float, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        nonlocal count
        count += 1
        mask = np.isin(data.windows.animals, np.unique(train_windows.animals))
        student = trainer.with_frequency(weight).train_distilled_student(
            teacher.for_subset(mask),
            None if soft is None else soft[mask],
            data.subset(mask),
            config,
            fits,
            f"frequency-choice{count}",
        )
        inputs = data.normalizer.transform(validation_windows)[..., : data.normalizer.channels]
        return np.argmax(logits(student, inputs), axis=1)

    return select(frequencies(trainer.config), data.windows, predict).best
