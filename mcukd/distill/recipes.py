"""How teacher and student are trained. Chosen once, by the experiment of docs/distillation.md."""

from __future__ import annotations

from typing import Optional

from mcukd.distill.augment import Augmentation, Turn
from mcukd.distill.config import DistillConfig
from mcukd.distill.trainer import Recipe

#: Part of the identity of every cached result: raise it when training changes in a way options do not show.
VERSION = 1

#: Augmented copies of each training window that the teacher labels; their mean logits are the soft label.
SOFT_LABEL_COPIES = 4

_TURNS: dict[Optional[str], Turn] = {"aligned": "none", "turned": "vertical", "any": "any"}


def augmentation(config: DistillConfig) -> Augmentation:
    """Return how training windows are changed: turned as sensors are found on the animals, and tilted."""
    return Augmentation(turn=_TURNS[config.mounting], tilt=10.0)


def teacher_recipe(config: DistillConfig) -> Recipe:
    """Return how the teacher is trained."""
    return Recipe(
        config.teacher_epochs, learning_rate=2e-3, weight_decay=0.01, augmentation=augmentation(config)
    )


def student_recipe(config: DistillConfig) -> Recipe:
    """Return how the students are trained, the plain one and the distilled one alike."""
    return Recipe(config.epochs, learning_rate=1e-2, weight_decay=0.01, augmentation=augmentation(config))
