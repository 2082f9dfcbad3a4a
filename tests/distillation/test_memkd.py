"""MemKD: its memory term, the features it reads of the teacher, and the students it trains."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from builders.training import CompiledOnce, herd, job

from mcukd.distillation.config import DistillConfig
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.memkd import (
    PARTS,
    STATES,
    TEACHER_FEATURES,
    memory_loss,
    relative_changes,
    running_mean,
)
from mcukd.distillation.teacher import Teacher
from mcukd.errors import UserError
from mcukd.models.gru_mlp import build_student
from mcukd.models.resnet import build_resnet
from mcukd.training.losses import LossInputs

RNG = np.random.default_rng(4)
CONFIG = DistillConfig(
    method="memkd", epochs=2, teacher_epochs=1, teacher_width=2, gru_units=4, dense_units=4, mounting="any"
)


def inputs_of(states, features) -> LossInputs:
    """A loss's inputs in which nothing but states (B, T, H) and features (B, P, F) is read."""
    nothing = np.zeros((len(states), 3), np.float32)
    return LossInputs({STATES: states}, {TEACHER_FEATURES: features}, nothing, nothing, 1.0, 0.5)


def normal(*shape: int):
    return RNG.normal(size=shape).astype(np.float32)


def test_the_memory_term_is_zero_where_both_memories_change_alike_and_only_there():
    import tensorflow as tf

    features = tf.constant(normal(5, PARTS, 6))
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0].astype(np.float32)
    # Memories of another scale in other directions change as much. Between the ends of parts states are free.
    states = normal(5, 3 * PARTS, 6)
    states[:, 2::3] = 2.5 * running_mean(features).numpy() @ turn
    assert float(memory_loss(inputs_of(tf.constant(states), features))) < 1e-9
    states[:, -1] *= 2
    assert float(memory_loss(inputs_of(tf.constant(states), features))) > 1e-3


def test_the_memory_term_is_the_smooth_distance_of_the_changes_relative_to_the_earlier_memory():
    import tensorflow as tf

    states, features = normal(4, 50, 3), normal(4, PARTS, 5)  # 50 samples: parts of six, two left over

    def changes(memory):
        return np.array(
            [
                [
                    np.linalg.norm(one[late] - one[early]) / np.linalg.norm(one[early])
                    for early, late in combinations(range(PARTS), 2)
                ]
                for one in memory
            ]
        )

    teacher = np.stack([features[:, : part + 1].mean(axis=1) for part in range(PARTS)], axis=1)
    distance = np.abs(changes(states[:, 5:48:6]) - changes(teacher))
    expected = np.where(distance < 1, distance**2 / 2, distance - 0.5).mean()
    found = float(memory_loss(inputs_of(tf.constant(states), tf.constant(features))))
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_memory_that_stays_or_is_zero_breaks_no_gradient():
    import tensorflow as tf

    memory = tf.Variable(np.zeros((1, PARTS, 3), np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(relative_changes(memory))
    assert np.isfinite(tape.gradient(total, memory).numpy()).all()


def test_the_memory_term_reaches_the_students_recurrent_weights():
    import tensorflow as tf

    student = build_student(32, 3, 3, np.zeros(3), np.ones(3), 4, 4, sequences=True)
    settings = CONFIG.method_settings
    model = METHODS["memkd"].build_training_model(student, None, settings)
    with tf.GradientTape() as tape:
        loss = memory_loss(inputs_of(model(normal(6, 32, 3))[STATES], tf.constant(normal(6, PARTS, 5))))
    gradients = tape.gradient(loss, student.get_layer("gru").trainable_variables)
    assert all(np.abs(gradient.numpy()).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("steps", [32, 50, 5])
def test_the_teachers_features_are_means_over_parts_and_end_in_what_its_classifier_reads(steps):
    model = build_resnet(steps, 3, 4, np.zeros(3), np.ones(3), width=2)
    windows = normal(7, steps, 3)
    index = np.arange(7)
    found = Teacher((model,)).outputs_fn(["logits", TEACHER_FEATURES, "anchor3", "embedding"])(windows, index)
    length, count = max(1, steps // PARTS), min(steps, PARTS)
    expected = found["anchor3"][:, : length * count].reshape(7, count, length, 4).mean(axis=2)
    np.testing.assert_allclose(found[TEACHER_FEATURES], expected, rtol=1e-5, atol=1e-6)
    if steps % PARTS == 0:
        memory = running_mean(found[TEACHER_FEATURES]).numpy()
        np.testing.assert_allclose(memory[:, -1], found["embedding"], rtol=1e-5, atol=1e-6)


def test_the_weight_of_the_memory_term_is_in_range_and_memkd_needs_states():
    assert CONFIG.method_settings.options["memory_weight"] == 1.0
    with pytest.raises(UserError, match="--memory-weight is 101, expected 0 to 100"):
        DistillConfig.of({"method": "memkd", "memory_weight": 101})
    with pytest.raises(UserError, match="gru-mlp"):
        DistillConfig(method="memkd", student="filter-mlp")
    with pytest.raises(UserError, match="works with resnet"):
        DistillConfig(method="memkd", teacher="mobilenet")


@pytest.mark.slow
def test_a_student_of_memkd_is_the_same_each_time_and_depends_on_the_memory_term(tmp_path):
    windows, students = herd(), []
    for number, weight in enumerate((1.0, 1.0, 0.0)):
        task = job(tmp_path / str(number))
        config = CONFIG.with_options(memory_weight=weight)
        CompiledOnce(windows, windows, replace(config, epochs=6)).train_fold(task)
        with np.load(task.path) as fold:
            students.append(fold["student_distilled_logits"])
            kept = {name.partition("__")[2] for name in fold.files if name.startswith("student_distilled__")}
            assert kept == {name.partition("__")[2] for name in fold.files if name.startswith("student__")}
    np.testing.assert_array_equal(students[0], students[1])
    assert not np.array_equal(students[0], students[2])
