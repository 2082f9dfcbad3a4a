"""Hyperparameters of teachers: epochs by the number of windows."""

from __future__ import annotations

import pytest

from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import LEAST_TEACHER_STEPS, TEACHER_EPOCHS, teacher_training_config
from mcukd.training.trainer import BATCH, total_steps


def test_a_teacher_of_many_windows_has_the_default_epochs() -> None:
    assert teacher_training_config(DistillConfig(mounting="any"), 100_000).epochs == TEACHER_EPOCHS


@pytest.mark.parametrize("windows", [1, 40, 269, 3839])
def test_a_teacher_of_few_windows_makes_the_least_steps(windows: int) -> None:
    epochs = teacher_training_config(DistillConfig(mounting="any"), windows).epochs
    assert epochs > TEACHER_EPOCHS
    assert abs(total_steps(windows, epochs) - LEAST_TEACHER_STEPS) <= 16
    assert epochs * windows / BATCH == pytest.approx(LEAST_TEACHER_STEPS)


def test_configured_epochs_are_kept_however_few_the_windows() -> None:
    assert teacher_training_config(DistillConfig(mounting="any", teacher_epochs=3), 40).epochs == 3
    assert DistillConfig().options().keys().isdisjoint({"teacher_epochs"})
    assert DistillConfig(teacher_epochs=10).options()["teacher_epochs"] == 10
