"""A mobilenet student along its road: kept in a fold's file, turned into TFLite int8, scored, refused."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import numpy as np
import pytest
from mobilenet_factory import random_counts, random_mobilenet

from mcukd.errors import UserError
from mcukd.models.gru_mlp import build_student, load_student
from mcukd.models.hopfield import without_intuition
from mcukd.models.mobilenet import build_mobilenet, mobilenet_macs_per_window, mobilenet_parameters
from mcukd.models.network import NetworkWeights
from mcukd.models.student import load_any_student, shipped_weights, stored_weights, structure_of, weights_of

T, K = 50, 5


@pytest.fixture(scope="module")
def student():
    return random_mobilenet(T, K, slim=True, head="memory")


@pytest.fixture(scope="module")
def counts():
    return random_counts(48, T)


def kept(path: Path, weights, prefix: str):
    """Weights as a fold's file gives them back, with those of another student beside them."""
    other = random_mobilenet(T, K, slim=True, head="linear", seed=9)
    arrays = {**weights.arrays(prefix), **weights_of(other).arrays("student__")}
    np.savez(path, test_index=np.arange(3), **arrays)
    with np.load(path, allow_pickle=False) as stored:
        return stored_weights(stored, prefix), shipped_weights(stored)


def answers(model, counts):
    return np.asarray(model(counts.astype(np.float32), training=False))


def test_weights_come_back_from_a_folds_file_as_the_same_model(student, counts, tmp_path):
    weights = weights_of(student)
    assert isinstance(weights, NetworkWeights)
    back, shipped = kept(tmp_path / "fold.npz", weights, "student_distilled__")
    assert isinstance(back, NetworkWeights) and isinstance(shipped, NetworkWeights)
    assert back.layers.keys() == weights.layers.keys() == shipped.layers.keys()
    rebuilt = back.model()
    assert [w.shape for w in rebuilt.get_weights()] == [w.shape for w in student.get_weights()]
    for ours, theirs in zip(rebuilt.get_weights(), student.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(answers(rebuilt, counts), answers(student, counts))
    assert (back.window, back.channels, back.classes, back.slim) == (T, 3, K, True)


@pytest.mark.parametrize("form", ["memory", "memory alone", "linear", "teacher"])
def test_every_form_is_rebuilt_and_counted(form, counts):
    head = "linear" if form == "linear" else "memory"
    slim = form != "teacher"
    model = random_mobilenet(T, K, slim=slim, head=head, seed=3)
    if form == "memory alone":
        model = without_intuition(model)
    weights = NetworkWeights.of(model)
    np.testing.assert_array_equal(answers(weights.model(), counts), answers(model, counts))
    linear_path = (64 + 1) * K + 2 if form == "memory alone" else 0
    expected = mobilenet_parameters(3, K, slim=slim, head=head) - linear_path
    assert weights.parameters == expected == model.count_params() - _statistics(model)
    macs = mobilenet_macs_per_window(T, 3, K, slim=slim, head=head)
    assert weights.macs_per_window(T) == macs - (64 * K if form == "memory alone" else 0)


def _statistics(model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.non_trainable_variables)


def test_students_of_many_folds_share_one_traced_model_and_keep_their_own_answers(student, counts):
    """Trap: the second student answers with the first's weights, or with its standardisation."""
    first = weights_of(student)
    other = random_mobilenet(T, K, slim=True, head="memory", seed=5)
    second = weights_of(other)
    second = NetworkWeights(T, second.mean + 50, second.variance * 2, second.layers)
    for weights in (first, second, first):
        expected = answers(weights.model(), counts)
        np.testing.assert_allclose(weights.logits(counts), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(first.logits(counts) - second.logits(counts)).max() > 0.1
    assert first.logits(counts[:0]).shape == (0, K)


def test_weights_of_another_version_are_refused(student):
    weights = weights_of(student)
    layers = {name: array for name, array in weights.layers.items() if name != "b4_expand/kernel"}
    with pytest.raises(UserError, match="b4_expand/kernel.*mcukd distill"):
        NetworkWeights(T, weights.mean, weights.variance, layers).model()


def test_files_of_all_structures_load(student, counts, tmp_path):
    path = tmp_path / "student.keras"
    student.save(path)
    loaded = load_any_student(path)
    assert structure_of(loaded) == "mobilenet"
    np.testing.assert_array_equal(answers(loaded, counts), answers(student, counts))
    with pytest.raises(UserError, match="a mobilenet student, and this is for gru-mlp"):
        load_student(path)
    build_student(T, 3, K, np.zeros(3), np.ones(3)).save(path)
    assert structure_of(load_student(path)) == "gru-mlp"
    build_mobilenet(T, 3, K, np.zeros(3), np.ones(3), slim=False).save(path)
    with pytest.raises(UserError, match="teacher"):
        load_any_student(path)
