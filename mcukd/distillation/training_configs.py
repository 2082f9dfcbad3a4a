"""Hyperparameters of teachers and students, chosen by experiment (docs/reference/distillation.md)."""

from __future__ import annotations

from typing import Any

from mcukd.distillation.architectures import STUDENTS, TrainingDefaults
from mcukd.distillation.config import DistillConfig
from mcukd.training.augmentation import Augmentation, Turn
from mcukd.training.steps import BATCH
from mcukd.training.trainer import TrainingConfig

#: Part of the identity of every cached result: raise it when the training of teachers changes in a way
#: options do not show. Where only that of students changes, raise their method's (`Method.version`).
TEACHERS_VERSION = 3

#: Raise it likewise when the training of students that carry their state changes.
STREAM_VERSION = 2

#: Default epochs of a teacher, and the fewest steps they make: ten epochs of a few hundred windows are too
#: few steps for a residual network (docs/experiments/label-budgets.md).
TEACHER_EPOCHS, LEAST_TEACHER_STEPS = 10, 600

_TURNS: dict[str | None, Turn] = {"aligned": "none", "turned": "vertical", "any": "any"}

#: What `--augment` adds: about as much as `mcukd robustness` perturbs, see docs/reference/robustness.md.
_AGAINST: dict[str, dict[str, Any]] = {
    "rotation": {},
    "flip": {"flip": True},
    "scale": {"scale": 0.05, "scale_axes": 0.05},
    "rate": {"stretch": 0.1},
    "noise": {"noise": 0.05},
    "drop": {"drop": 0.3},
    "clip": {"clip": 1.0},
}


def augmentation(config: DistillConfig, extra_vectors: tuple[int, ...] = ()) -> Augmentation:
    """Return the augmentation of training windows: turns as the mounting allows, a tilt, `config.augment`.

    extra_vectors: `Windows.extra_vectors` of the channels beside the accelerometer's, if the windows have
    any.
    """
    added = {field: value for name in config.augments for field, value in _AGAINST[name].items()}
    return Augmentation(
        turn=_TURNS[config.mounting],
        tilt=10.0,
        roll_axis=config.neck_axis,
        extra_vectors=extra_vectors,
        **added,
    )


def teacher_training_config(
    config: DistillConfig, windows: int, extra_vectors: tuple[int, ...] = ()
) -> TrainingConfig:
    """Return the hyperparameters of the teacher's training on a number of windows.

    Its epochs are those configured, else TEACHER_EPOCHS, or as many as make LEAST_TEACHER_STEPS steps.
    """
    least = LEAST_TEACHER_STEPS * BATCH / max(1, windows)
    return TrainingConfig(
        config.teacher_epochs or max(TEACHER_EPOCHS, least),
        learning_rate=2e-3,
        weight_decay=0.01,
        augmentation=augmentation(config, extra_vectors),
    )


def student_defaults(config: DistillConfig, steps: int) -> TrainingDefaults:
    """Return the students' epochs and rate for windows of `steps` samples: configured, or the defaults."""
    defaults = STUDENTS[config.student].defaults_for(steps)
    return defaults._replace(
        epochs=config.epochs or defaults.epochs,
        learning_rate=config.learning_rate or defaults.learning_rate,
    )


def student_training_config(
    config: DistillConfig, steps: int, extra_vectors: tuple[int, ...] = ()
) -> TrainingConfig:
    """Return the hyperparameters of baseline and distilled students on windows of `steps` samples."""
    defaults = student_defaults(config, steps)
    return TrainingConfig(
        defaults.epochs,
        defaults.learning_rate,
        weight_decay=0.01,
        augmentation=augmentation(config, extra_vectors),
    )
