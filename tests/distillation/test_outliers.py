"""Students trained against synthetic outliers: they lose the class again, and give no other class for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.training import CONFIG, herd, job

from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.errors import UserError
from mcukd.fold_results import STUDENT, WEIGHT_PREFIXES, FoldResult, logits_name
from mcukd.models.student import stored_weights

OUTLIERS = replace(CONFIG, method="none", mounting="aligned", outliers=0.5, epochs=30)


def test_a_student_loses_the_class_of_outliers_and_keeps_its_own(tmp_path: Path) -> None:
    windows = herd()
    FoldTrainer(windows, windows, OUTLIERS).train_fold(job(tmp_path))
    result = FoldResult(job(tmp_path).path)
    logits = result[logits_name(STUDENT)]
    test = windows.take(np.isin(windows.animals, ["e"]))
    assert logits.shape == (len(test), 3)
    assert (logits.argmax(axis=1) == test.labels).mean() > 0.8
    weights = stored_weights(result, WEIGHT_PREFIXES[STUDENT])
    assert weights.classes == 3
    np.testing.assert_allclose(weights.logits(test.counts), logits, atol=1e-3)


def test_outliers_need_a_student_that_no_teacher_answers_for() -> None:
    with pytest.raises(UserError, match="--outliers 0.5 adds a class that no teacher answers for"):
        DistillConfig(outliers=0.5)


def test_without_outliers_nothing_is_recorded_of_them() -> None:
    assert "outliers" not in DistillConfig(method="none").options()
    assert DistillConfig(method="none", outliers=0.5).options()["outliers"] == 0.5
    assert DistillConfig.of({"method": "none", "outliers": 0.5}).outliers == 0.5
