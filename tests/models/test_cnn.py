"""The CNN student: the Keras model, its weights as arrays with batch normalization folded, and its sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.distillation.architectures import STUDENTS, Shape
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.models.cnn import build_cnn, cnn_weights
from mcukd.models.cnn_weights import CnnWeights, Convolution, convolutions, output_counts, patches
from mcukd.models.student import family_of, load_any_student, load_student, stored_weights, weights_of


def random_keras(steps: int, filters: int = 6) -> Any:
    """A model none of whose weights, moments of batch normalization included, is what it starts with."""
    model = build_cnn(steps, 3, 4, np.array([5.0, -3.0, 2.0]), np.full(3, 900.0**2), filters, 5)
    rng = np.random.default_rng(steps)
    arrays = model.get_weights()
    vectors = [rng.uniform(0.5, 1.5, a.shape) for a in arrays]
    model.set_weights([v if v.ndim == 1 else rng.normal(0, 0.3, v.shape) for v in vectors])
    return model


@pytest.mark.parametrize("steps", [24, 37, 50, 99, 100, 256])
def test_numpy_computes_what_keras_computes(steps: int) -> None:
    model = random_keras(steps)
    counts = np.random.default_rng(1).integers(-3000, 3000, (7, steps, 3)).astype(np.int16)
    expected = model.predict(counts.astype(np.float32), verbose=0)
    found = cnn_weights(model).logits(counts)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_sizes_are_counted_as_they_are_on_the_device() -> None:
    weights = cnn_weights(random_keras(256))
    shape, config = Shape(256, 3, 4), DistillConfig(student="cnn", cnn_filters=6, dense_units=5)
    architecture = STUDENTS["cnn"]
    assert architecture.parameters(shape, config) == weights.parameters
    assert architecture.macs(shape, config) == weights.macs_per_window(256)
    assert weights.parameters == (24 * 6 + 6) + (30 * 6 + 6) + (18 * 9 + 9) + (9 * 5 + 5) + (5 * 4 + 4)
    assert output_counts(256, weights.layers) == [63, 30, 14]
    assert weights.macs_per_window(256) == 63 * 144 + 30 * 180 + 14 * 162 + 45 + 20


def test_sizes_of_keras_and_of_the_formula_agree_on_the_outputs_in_time() -> None:
    for steps in (24, 50, 99, 100, 130):
        model = random_keras(steps)
        sizes = convolutions(steps, 6)
        shapes = [model.get_layer(f"conv{n}").output.shape[1] for n in (1, 2, 3)]
        assert output_counts(steps, sizes) == shapes


def test_the_least_window_is_the_shortest_with_an_output() -> None:
    least = STUDENTS["cnn"].least_steps
    assert output_counts(least, convolutions(least, 4))[-1] == 1
    with pytest.raises(ValueError, match="too short"):
        build_cnn(least - 1, 3, 2, np.zeros(3), np.ones(3))
    assert output_counts(5, convolutions(50, 4)) == [0, 0, 0]


def test_patches_hold_the_oldest_input_first() -> None:
    x = np.arange(12).reshape(1, 6, 2)
    assert patches(x, Convolution(3, 2, 1)).tolist() == [[[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9]]]


def test_weights_and_models_go_through_files(tmp_path: Path) -> None:
    model = random_keras(50)
    weights = weights_of(model)
    assert family_of(model) == "cnn" and isinstance(weights, CnnWeights)
    np.savez(tmp_path / "fold.npz", **weights.arrays("student__"))
    with np.load(tmp_path / "fold.npz") as stored:
        found = stored_weights(stored, "student__")
    assert isinstance(found, CnnWeights) and found.layers == weights.layers
    assert all(np.array_equal(a, b) for a, b in zip(found.arrays().values(), weights.arrays().values()))
    model.save(tmp_path / "student.keras")
    again = weights_of(load_any_student(tmp_path / "student.keras"))
    assert np.array_equal(again.arrays()["conv3_kernel"], weights.conv3_kernel)
    with pytest.raises(UserError, match="a cnn student, and this is for gru-mlp students only"):
        load_student(tmp_path / "student.keras")


def test_no_windows_have_no_logits() -> None:
    assert cnn_weights(random_keras(50)).logits(np.zeros((0, 50, 3), np.int16)).shape == (0, 4)
