"""File of an evaluation fold: read back as written, lazily, under stored names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.students import random_student

from mcukd.errors import UserError
from mcukd.fold_results import (
    DEPLOYABLE,
    DISTILLED,
    STUDENT,
    TEACHER,
    TRAINED,
    WEIGHT_PREFIXES,
    FoldResult,
    fold_results,
    is_made_with,
    logits_name,
    remove_other_results,
    results_folder,
    write_fold_result,
)
from mcukd.models.student import shipped_weights, stored_weights


def write(path: Path, **arrays: object) -> FoldResult:
    write_fold_result(
        path,
        key="as it was",
        test_index=np.arange(3, 7),
        labels=np.array([0, 1, 1, 0]),
        train_animals=("A", "B"),
        test_animals=("C",),
        arrays=arrays,
    )
    return FoldResult(path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    logits = np.arange(8, dtype=np.float32).reshape(4, 2)
    result = write(tmp_path / "C-s7.npz", teacher_logits=logits, search=np.array('{"trials": 4}'))

    assert (result.name, result.fold, result.seed) == ("C-s7", "C", 7)
    assert (result.train_animals, result.test_animals) == (("A", "B"), ("C",))
    np.testing.assert_array_equal(result.test_index, [3, 4, 5, 6])
    np.testing.assert_array_equal(result.labels, [0, 1, 1, 0])
    np.testing.assert_array_equal(result.logits(TEACHER), logits)
    assert result.has_logits(TEACHER) and not result.has_logits(STUDENT)
    assert result.facts("search") == {"trials": 4}
    assert is_made_with(result.path, "as it was") and not is_made_with(result.path, "otherwise")
    assert list(result)[:5] == ["key", "test_index", "labels", "train_animals", "test_animals"]
    with pytest.raises(KeyError):
        result["student_logits"]


def test_names_of_arrays_are_those_of_studies_made_before() -> None:
    assert [logits_name(model) for model in TRAINED] == [
        "teacher_logits",
        "student_logits",
        "student_distilled_logits",
        "student_searched_logits",
        "student_searched_deployable_logits",
    ]
    assert logits_name("random_forest") == "logits"
    assert WEIGHT_PREFIXES == {
        "student": "student__",
        "student_distilled": "student_distilled__",
        "student_searched_deployable": "student_deployed__",
    }


def test_the_best_student_is_the_one_meant_for_the_device(tmp_path: Path) -> None:
    students = {model: random_student(seed=number) for number, model in enumerate(WEIGHT_PREFIXES)}
    arrays: dict[str, object] = {}
    for model in (STUDENT, DISTILLED, DEPLOYABLE):
        arrays.update(students[model].arrays(WEIGHT_PREFIXES[model]))
        result = write(tmp_path / "A-s0.npz", **arrays)
        assert result.best_student == model
        for taken in (shipped_weights(result), stored_weights(result, WEIGHT_PREFIXES[model])):
            np.testing.assert_array_equal(taken.recurrent, students[model].recurrent)


def test_folds_are_found_where_their_model_puts_them(tmp_path: Path) -> None:
    for name in ("B-s1", "A-s10", "A-s2", "notes"):
        write(results_folder(tmp_path) / f"{name}.npz")
    write(results_folder(tmp_path, "majority") / "A-s0.npz")

    assert [result.name for result in fold_results(tmp_path)] == ["A-s10", "A-s2", "B-s1"]
    assert [result.path for result in fold_results(tmp_path, "majority")] == [
        tmp_path / "evaluation" / "baselines" / "majority" / "A-s0.npz"
    ]
    remove_other_results(results_folder(tmp_path), [results_folder(tmp_path) / "A-s2.npz"])
    assert [result.name for result in fold_results(tmp_path)] == ["A-s2"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "A-s0.npz"
    for content in (b"", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        assert not is_made_with(path, "as it was")
        with pytest.raises(UserError, match=r"A-s0\.npz: missing or damaged"):
            FoldResult(path).logits(TEACHER)
    result = write(tmp_path / "C-s0.npz")
    whole = result.path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    for place, value in ((6, 210), (8, 1)):  # version needed to extract; flag of encryption
        damaged = bytearray(whole)
        damaged[directory + place] = value
        result.path.write_bytes(damaged)
        assert not is_made_with(result.path, "as it was")
        with pytest.raises(UserError, match=r"C-s0\.npz: missing or damaged"):
            FoldResult(result.path)["key"]
    with pytest.raises(UserError, match="missing or damaged"):
        FoldResult(tmp_path / "B-s0.npz").logits(TEACHER)


@pytest.mark.parametrize("name", ["labels", "test_index"])
def test_a_file_without_an_array_that_all_have_is_one_sentence(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "A-s0.npz", other=np.zeros(1))
    with pytest.raises(UserError, match=f"A-s0.npz: no array '{name}' in it"):
        getattr(FoldResult(tmp_path / "A-s0.npz"), name)
