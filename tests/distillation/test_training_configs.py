"""Epochs of teachers, by the number of windows, and of distilled students."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.training import CompiledOnce, herd, job

from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import LEAST_TEACHER_STEPS, TEACHER_EPOCHS, teacher_training_config
from mcukd.sweep.options import plain_config, reduced
from mcukd.training.steps import BATCH
from mcukd.training.trainer import total_steps


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


def test_more_epochs_of_the_distilled_student_change_no_other_model(tmp_path: Path) -> None:
    config = DistillConfig(
        epochs=2, teacher_epochs=1, teacher_width=2, gru_units=4, dense_units=4, mounting="any"
    )
    windows, learned = herd(), []
    for factor in (1.0, 64.0):
        task = job(tmp_path / str(factor))
        CompiledOnce(windows, windows, replace(config, epoch_factor=factor)).train_fold(task)
        with np.load(task.path) as stored:
            learned.append({name: stored[name] for name in stored.files if name.endswith("logits")})
    once, often = learned
    np.testing.assert_array_equal(once["teacher_logits"], often["teacher_logits"])
    np.testing.assert_array_equal(once["student_logits"], often["student_logits"])
    assert (once["student_distilled_logits"] != often["student_distilled_logits"]).any()


def test_a_sweep_trains_teachers_and_plain_students_once_for_all_epoch_factors() -> None:
    one, other = (DistillConfig(teacher="mixed-ensemble", epoch_factor=factor) for factor in (1.0, 2.0))
    assert one.options() == {name: v for name, v in other.options().items() if name != "epoch_factor"}
    assert plain_config(one) == plain_config(other)
    assert reduced("teacher", one) == reduced("teacher", other)
    assert reduced("student", one) != reduced("student", other)
