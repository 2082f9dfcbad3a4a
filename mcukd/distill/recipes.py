"""How teacher and student are trained. Chosen once, by the experiment of docs/distillation.md."""

from __future__ import annotations

from typing import Any, Optional

from mcukd.distill.augment import Augmentation, Turn
from mcukd.distill.config import DistillConfig
from mcukd.distill.kinds import STUDENTS, Pace
from mcukd.distill.trainer import Recipe

#: Part of the identity of every cached result: raise it when the training of teachers changes in a way
#: options do not show. Where only that of students changes, raise their method's (`Method.version`).
TEACHERS_VERSION = 3

_TURNS: dict[Optional[str], Turn] = {"aligned": "none", "turned": "vertical", "any": "any"}

#: What `--augment` adds: about as much as `mcukd robustness` disturbs, see docs/robustness.md.
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
    """Return how training windows are changed: turned as sensors are found on the animals, and tilted.

    What `config.augment` asks for comes on top. extra_vectors: `Windows.extra_vectors`, where they are shown.
    """
    added = {field: value for name in config.augments for field, value in _AGAINST[name].items()}
    return Augmentation(
        turn=_TURNS[config.mounting],
        tilt=10.0,
        roll_axis=config.neck_axis,
        extra_vectors=extra_vectors,
        **added,
    )


def teacher_recipe(config: DistillConfig) -> Recipe:
    """Return how the teacher is trained."""
    return Recipe(
        config.teacher_epochs, learning_rate=2e-3, weight_decay=0.01, augmentation=augmentation(config)
    )


def student_pace(config: DistillConfig, steps: int) -> Pace:
    """Return the students' pace for windows of `steps` samples: the usual, or what was asked for."""
    usual = STUDENTS[config.student].usual_pace(steps)
    return usual._replace(
        epochs=config.epochs or usual.epochs, learning_rate=config.learning_rate or usual.learning_rate
    )


def student_recipe(config: DistillConfig, steps: int) -> Recipe:
    """Return how the students learn windows of `steps` samples, the plain one and the distilled one alike."""
    pace = student_pace(config, steps)
    return Recipe(pace.epochs, pace.learning_rate, weight_decay=0.01, augmentation=augmentation(config))
