"""Students that learn from recordings without labels: what a fold may use, answers, rounds and budgets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.training import ANIMALS, CompiledOnce, herd, job
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.folds import make_folds
from mcukd.data.label_budget import labelled_animals, with_label_budget
from mcukd.data.labelled import described
from mcukd.data.windows import NO_LABEL
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.unlabelled import MOST_PRESENTED, chosen_answers, evenly_drawn, unlabelled_windows
from mcukd.distillation.workers import FoldTraining
from mcukd.errors import UserError

CONFIG = DistillConfig(
    epochs=2, teacher_epochs=1, teacher_width=2, gru_units=4, dense_units=4, mounting="any"
)
FEW = replace(CONFIG, labelled="a,b", unlabelled="rest")


def few_labels(tmp_path):
    """A fold that holds out e, and uses the labels of a and b alone."""
    whole = job(tmp_path)
    return replace(whole, train_animals=("a", "b"), unlabelled_animals=("c", "d"))


def arrays(path):
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def test_a_student_learns_from_unlabelled_windows_and_their_labels_are_never_used(tmp_path):
    windows, config = herd(), replace(FEW, rounds=2)
    shown = []
    task = few_labels(tmp_path / "one")
    CompiledOnce(windows, windows, config).train_fold(task, shown.append)
    learned = arrays(task.path)
    assert sum(shown) == FoldTraining(task).work(windows, config)
    # Every label of animals without labels is another now: nothing that was trained may change.
    labels = np.where(np.isin(windows.animals, ("a", "b")), windows.labels, (windows.labels + 1) % 3)
    again = few_labels(tmp_path / "two")
    CompiledOnce(replace(windows, labels=labels), windows, config).train_fold(again)
    for name, array in arrays(again.path).items():
        np.testing.assert_array_equal(array, learned[name], err_msg=name)
    # The unlabelled windows do change the distilled student, and no other model.
    alone = few_labels(tmp_path / "three")
    CompiledOnce(windows, windows, replace(config, unlabelled="", rounds=1)).train_fold(alone)
    without = arrays(alone.path)
    np.testing.assert_array_equal(without["teacher_logits"], learned["teacher_logits"])
    np.testing.assert_array_equal(without["student_logits"], learned["student_logits"])
    assert (without["student_distilled_logits"] != learned["student_distilled_logits"]).any()


def test_a_teacher_that_answers_during_training_answers_on_unlabelled_windows(tmp_path):
    windows, task = herd(), few_labels(tmp_path)
    CompiledOnce(windows, windows, replace(FEW, method="online", correct_teacher=True)).train_fold(task)
    assert np.isfinite(arrays(task.path)["student_distilled_logits"]).all()


def test_the_teacher_answers_once_on_labelled_and_unlabelled_windows_together(tmp_path, monkeypatch):
    windows, asked = herd(), []
    answer = Teacher.soft_labels

    def counted(self, inputs, *arguments):
        asked.append(len(inputs))
        return answer(self, inputs, *arguments)

    monkeypatch.setattr(Teacher, "soft_labels", counted)
    CompiledOnce(windows, windows, FEW).train_fold(few_labels(tmp_path))
    assert asked == [160]


def test_held_out_animals_are_used_only_where_it_is_said(tmp_path):
    windows, task = herd(), few_labels(tmp_path)
    own = unlabelled_windows(task, windows, None, FEW)
    assert own is not None and set(own.animals) == {"c", "d"} and set(own.labels) == {NO_LABEL}
    after = unlabelled_windows(task, windows, None, replace(FEW, transductive=True))
    assert after is not None and set(after.animals) == {"c", "d", "e"}
    elsewhere = replace(windows.take(windows.animals == "e").without_labels())
    others = replace(elsewhere, animals=np.repeat(["e", "z"], [10, 30]))
    config = replace(FEW, unlabelled="month")
    found = unlabelled_windows(task, windows, others, config)
    assert found is not None and set(found.animals) == {"z"}
    spelled = replace(others, animals=np.where(others.animals == "e", "E ", "z"))
    found = unlabelled_windows(task, windows, spelled, config)
    assert found is not None and set(found.animals) == {"z"}
    found = unlabelled_windows(task, windows, others, replace(config, transductive=True))
    assert found is not None and set(found.animals) == {"e", "z"}
    assert unlabelled_windows(task, windows, others.take(others.animals == "e"), config) is None


def test_no_more_windows_are_used_than_the_ratio_says(tmp_path):
    windows = herd()
    found = unlabelled_windows(few_labels(tmp_path), windows, None, replace(FEW, unlabelled_ratio=0.5))
    assert (
        found is not None
        and len(found) == 40
        and np.bincount(np.unique(found.animals, return_inverse=True)[1]).tolist() == [20, 20]
    )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 9))
def test_windows_are_drawn_as_evenly_as_groups_allow(groups, count, seed):
    groups, count = np.array(groups).astype(str), min(count, len(groups))
    index = evenly_drawn(groups, count, seed)
    assert len(np.unique(index)) == count
    sizes = {group: np.sum(groups == group) for group in np.unique(groups)}
    drawn = {group: np.sum(groups[index] == group) for group in sizes}
    most = max(drawn.values())
    assert all(drawn[group] >= min(sizes[group], most - 1) for group in sizes)


@pytest.mark.parametrize("choice", ["all", "confident", "balanced"])
def test_answers_are_chosen(choice):
    answers = np.zeros((300, 3), np.float32)
    answers[:200, 0], answers[200:, 1] = 8, np.linspace(0, 8, 100)
    index = chosen_answers(answers, choice, 5)
    assert len(index) == 300 and (np.diff(index) >= 0).all()
    if choice == "all":
        assert index.tolist() == list(range(300))
    elif choice == "confident":
        assert np.sum((index >= 200) & (index < 225)) < np.sum(index >= 275)
    else:
        assert abs(np.sum(answers[index].argmax(axis=1) == 1) - 150) < 40


def test_a_longer_training_set_is_presented_a_bounded_number_of_times(tmp_path):
    windows, config = herd(), FEW
    trainer = CompiledOnce(windows, windows, config)
    task = few_labels(tmp_path)
    data = TrainingSet.normalized(task.training_of(windows), config)
    teacher = trainer.train_teacher(data, FitContext(0))
    from mcukd.distillation.training_configs import student_training_config
    from mcukd.distillation.unlabelled import DistillationSet

    more = windows.without_labels().with_more(windows.without_labels())
    training = replace(student_training_config(config, 32), epochs=10.0)
    made = DistillationSet.with_unlabelled(data, more, teacher, training, "all", 0)
    assert len(made.data) == len(data) + 400 and made.labelled == len(data)
    assert made.config.epochs * len(made.data) == pytest.approx(MOST_PRESENTED * 10 * len(data))
    np.testing.assert_array_equal(made.data.windows.labels[: len(data)], data.windows.labels)
    np.testing.assert_array_equal(
        made.data.windows.labels[len(data) :], made.soft[len(data) :].argmax(axis=1)
    )
    part = made.subset(np.arange(len(data)) < 10)
    assert len(part.data) == 410 and part.labelled == 10


def test_all_models_of_an_ensemble_answer_on_windows_that_none_was_trained_on():
    import keras

    def constant(value):
        inputs = keras.Input((4, 3))
        pooled = keras.layers.GlobalAveragePooling1D()(inputs)
        layer = keras.layers.Dense(
            2, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(value)
        )
        return keras.Model(inputs, layer(pooled))

    teacher = Teacher((constant(1.0), constant(3.0)), np.array([0, 1])).with_new_windows(2)
    outputs = teacher.outputs_fn(["logits"])(np.zeros((4, 4, 3), np.float32), np.arange(4))["logits"]
    assert outputs[:, 0].tolist() == [1, 3, 2, 2]
    outputs = teacher.with_model(constant(8.0)).logits(np.zeros((1, 4, 3), np.float32))
    assert outputs[0].tolist() == [4, 4]


def test_a_budget_keeps_animals_that_show_every_class():
    windows = herd()
    # Only e shows the class z.
    windows = replace(windows, labels=np.where(windows.animals == "e", windows.labels, windows.labels % 2))
    whole = tuple(ANIMALS)
    for name in ("f1", "f2", "f3"):
        own = labelled_animals(whole, windows, "animals=2", name)
        assert len(own) == 2 and "e" in own and own == labelled_animals(whole, windows, "animals=2", name)
    folds = make_folds(herd(), "loao")
    budget = with_label_budget(folds, herd(), "animals=2")
    assert [fold.test_animals for fold in budget] == [fold.test_animals for fold in folds]
    for fold, before in zip(budget, folds):
        assert len(fold.train_animals) == 2
        assert sorted(fold.train_animals + fold.unlabelled_animals) == sorted(before.train_animals)
    assert with_label_budget(folds, windows, "") == folds


def test_draws_of_labelled_animals_differ_and_each_is_always_the_same():
    animals = [f"a{number}" for number in range(10)]
    windows = herd()
    windows = replace(windows, animals=np.resize(animals, len(windows.animals)))
    labels = ["animals=3", *(f"animals=3 draw={number}" for number in range(1, 7))]
    first, *drawn = [labelled_animals(animals, windows, one, "part1") for one in labels]
    assert first == drawn[0] and len(set(drawn)) >= 5
    assert drawn == [labelled_animals(animals, windows, one, "part1") for one in labels[1:]]
    assert [described(one) for one in ("", *labels[1:3], "a1,a2")] == [
        *("all training animals", "3 training animals of each fold"),
        *("3 training animals of each fold (draw 2)", "a1,a2"),
    ]


@pytest.mark.parametrize(
    ("labelled", "says"),
    [
        ("animals=5", "trains on 4 animals; give animals=1 to animals=4"),
        ("animals=0", "give animals=1"),
        ("animals=x", "give animals=1"),
        ("animals=2 draw=0", "give animals=1"),
        ("animals=2 draw=x", "with ' draw=2' for another draw"),
        ("3", "names animal '3', which the data does not have; give animals=K"),
        ("a,bb", "names animal 'bb'"),
        ("a", "no labelled animal that fold a trains on shows x, y, z"),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused(labelled, says):
    folds = make_folds(herd(), "loao")
    with pytest.raises(UserError, match=says):
        with_label_budget(folds, herd(), labelled)


def test_a_budget_too_small_for_every_class_is_refused():
    windows = herd()
    alone = windows.labels.copy()
    for label, animal in enumerate("abc"):
        alone[windows.animals == animal] = label
    alone[np.isin(windows.animals, ("d", "e"))] = 0
    with pytest.raises(UserError, match="no 2 of the 5 animals .* show every class"):
        labelled_animals(ANIMALS, replace(windows, labels=alone), "animals=2", "all animals")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"transductive": True}, "--transductive says how .* give --unlabelled"),
        ({"rounds": 2}, "--rounds says how"),
        ({"unlabelled": " ,"}, "--unlabelled is ' ,', which names nothing"),
        ({"unlabelled": "rest"}, "say with --labelled whose are"),
        ({"unlabelled": "month", "method": "none"}, "--method none has none"),
        ({"unlabelled": "month", "split": "random"}, "--split random"),
        ({"labelled": "a", "split": "random"}, "--labelled keeps the labels of some .* --split random"),
        ({"unlabelled": "month", "method": "smldist", "rounds": 2}, "reads layers"),
        ({"unlabelled": "month", "rounds": 9}, "--rounds is 9"),
        ({"unlabelled": "month", "unlabelled_choice": "sure"}, "--unlabelled-choice is 'sure'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, says):
    with pytest.raises(UserError, match=says):
        replace(CONFIG, **options)


def test_options_of_earlier_studies_stay_the_same():
    stored = CONFIG.options()
    assert not {"labelled", "unlabelled", "transductive", "unlabelled_ratio", "rounds"} & set(stored)
    assert DistillConfig.of(FEW.options()) == FEW
