"""Students whose state is carried: what their training reads, what is predicted, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.training import ANIMALS, CompiledOnce, herd, job

from mcukd.data.past import Past
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.models.carried import carried_logits
from mcukd.models.weights import GruMlpWeights

CONFIG = DistillConfig(
    method="none", epochs=4, gru_units=4, dense_units=4, mounting="any", stream=True, jobs=1
)


def recorded() -> Windows:
    """The herd of five animals, the windows of each without a gap between them."""
    windows = herd()
    steps = windows.counts.shape[1]
    begins = np.arange(len(windows)) * steps
    origins = np.searchsorted(ANIMALS, windows.animals) * (len(windows) // len(ANIMALS)) * steps
    return replace(windows, past=Past(windows.counts.reshape(-1, 3), begins, origins))


def trained(folder: Path, windows: Windows, config: DistillConfig = CONFIG) -> dict[str, Any]:
    fold = job(folder)
    CompiledOnce(windows, windows, config).train_fold(fold)
    with np.load(fold.path) as stored:
        return {name: stored[name] for name in stored.files}


def test_predictions_are_those_of_stepping_through_the_recording(tmp_path: Path) -> None:
    windows = recorded()
    arrays = trained(tmp_path, windows)
    student = GruMlpWeights.from_arrays(arrays, "student__")
    held_out = windows.take(windows.animals == "e")
    state, expected = np.zeros((1, 4)), []
    for window in held_out.counts:
        for sample in window:
            state = student.step((sample[None] - student.mean) / student.std, state)
        expected.append(student.head.logits(state)[0])
    np.testing.assert_allclose(arrays["student_logits"], expected, atol=1e-6)
    np.testing.assert_allclose(carried_logits(student, held_out), expected, atol=1e-12)
    # So small a student, hardly trained, remembers little of the window before.
    assert np.abs(student.logits(held_out.counts) - expected).max() > 1e-6


def test_nothing_of_a_held_out_animal_is_in_a_training_context(tmp_path: Path) -> None:
    windows = recorded()
    assert windows.past is not None
    learned = trained(tmp_path / "one", windows)
    samples = windows.past.samples.copy()
    samples[windows.past.begins[windows.animals == "e"][0] :] = 12345
    other = replace(windows, past=replace(windows.past, samples=samples))
    again = trained(tmp_path / "two", other)
    for name in learned:
        if name.startswith("student__"):
            np.testing.assert_array_equal(again[name], learned[name], err_msg=name)
    assert np.any(again["student_logits"] != learned["student_logits"])
    # Of a training animal a context does change what is learned.
    samples = windows.past.samples.copy()
    samples[: windows.past.begins[windows.animals == "b"][0]] = 12345
    changed = trained(tmp_path / "three", replace(windows, past=replace(windows.past, samples=samples)))
    assert np.any(changed["student__recurrent"] != learned["student__recurrent"])


def test_a_distilled_student_learns_in_context_from_a_teacher_of_windows(tmp_path: Path) -> None:
    config = replace(CONFIG, method="soft-labels", teacher_epochs=1, teacher_width=2)
    windows = recorded()
    carried = trained(tmp_path / "carried", windows, config)
    plain = trained(tmp_path / "plain", windows, replace(config, stream=False))
    np.testing.assert_array_equal(carried["teacher_logits"], plain["teacher_logits"])
    assert np.any(carried["student_distilled__recurrent"] != plain["student_distilled__recurrent"])
    assert np.any(carried["student_distilled__recurrent"] != carried["student__recurrent"])


def test_studies_made_before_keep_their_options() -> None:
    assert "stream" not in DistillConfig().options()
    assert CONFIG.options()["stream"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student": "filter-mlp"}, "--stream carries a student's state .* gru-mlp .* is filter-mlp; leave"),
        ({"student": "mobilenet"}, "is mobilenet; leave one out"),
        ({"method": "smldist"}, "--method smldist compares layers within a window"),
        ({"method": "memkd"}, "--method memkd compares layers within a window"),
        ({"search": True}, "--stream goes without --search"),
        ({"choose_epochs": True}, "--stream goes without --choose-epochs"),
        ({"unlabelled": "winter"}, "--stream goes without --unlabelled"),
        ({"split": "random"}, "--split random has windows of each on both sides; give a split by animal"),
        ({"augment": "noise,rate"}, "--augment rate stretches a window .* leave rate out"),
        ({"augment": "all"}, "leave rate out"),
    ],
)
def test_what_cannot_work_with_a_carried_state_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DistillConfig(stream=True, **options)


@pytest.mark.parametrize("method", ["none", "soft-labels", "online", "function-matching"])
def test_methods_that_compare_answers_work_with_it(method: str) -> None:
    assert DistillConfig(stream=True, method=method, augment="noise,rotation").stream
