"""Sentences about scores: when each is said."""

from __future__ import annotations

from typing import Any

import pytest

from mcukd.report.findings import poor_teacher_sentence, same_answer_sentence, sentences

ALONE, MORE = (
    "labels of all training animals",
    "labels of 3 training animals; recordings without labels: rest",
)


def metrics(teacher: float, plain: float, learned_from: str) -> dict[str, Any]:
    scores = {"teacher": teacher, "student": plain, "student_distilled": 0.5}
    models = {name: {"mcc": mcc, "learned_from": ALONE} for name, mcc in scores.items()}
    models["student_distilled"]["learned_from"] = learned_from
    return {"models": models}


@pytest.mark.parametrize(
    ("teacher", "plain", "learned_from", "said"),
    [(0.4, 0.6, MORE, True), (0.6, 0.4, MORE, False), (0.4, 0.6, ALONE, False)],
)
def test_a_poor_teacher_of_unlabelled_recordings_is_named(teacher, plain, learned_from, said) -> None:
    found = poor_teacher_sentence(metrics(teacher, plain, learned_from))
    assert (found is not None) == said
    if found is not None:
        assert "0.400 is below the plain student's 0.600" in found and "--teacher-epochs" in found
        assert sentences(metrics(teacher, plain, learned_from))[0] == found


def test_studies_without_a_teacher_or_made_earlier_say_nothing_of_it() -> None:
    earlier = metrics(0.4, 0.6, MORE)
    for one in earlier["models"].values():
        del one["learned_from"]
    assert poor_teacher_sentence(earlier) is None
    assert poor_teacher_sentence({"models": {"student": {"mcc": 0.4}}}) is None


def test_a_network_that_answers_one_class_to_every_window_is_named() -> None:
    found = metrics(0.8, 0.0, ALONE)
    for name, confusion in (("teacher", [[9, 1], [2, 8]]), ("student", [[10, 0], [10, 0]])):
        found["models"][name] |= {"confusion": confusion, "per_class": {"grazing": {}, "resting": {}}}
    said = same_answer_sentence(found)
    assert said is not None and said.startswith("The plain student answers grazing to every window")
    assert "--learning-rate" in said and sentences(found)[0] == said
    found["models"]["student"]["confusion"] = [[9, 1], [10, 0]]
    assert same_answer_sentence(found) is None


def test_a_network_that_did_not_learn_with_one_of_several_seeds_is_named() -> None:
    """Pooled over seeds, its answers are of several classes."""
    found = {**metrics(0.8, 0.4, ALONE), "seeds": [0, 4, 7]}
    student = {"confusion": [[20, 10], [12, 18]], "per_class": {"grazing": {}, "resting": {}}}
    found["models"]["student"] |= {**student, "one_answer_by_seed": [False, True, False]}
    said = same_answer_sentence(found)
    assert said is not None
    assert said.startswith("The plain student with seed 4 gives all windows of an animal one answer: nothing")
    found["models"]["student"]["one_answer_by_seed"] = [True] * 3
    assert str(same_answer_sentence(found)).startswith("The plain student gives all windows of an animal one")


def test_a_baseline_that_answers_one_class_by_its_nature_is_not_named() -> None:
    majority = {"mcc": 0.0, "confusion": [[10, 0], [10, 0]], "per_class": {"a": {}, "b": {}}}
    assert same_answer_sentence({"models": {"majority": majority}}) is None
