"""Teacher and student as Keras models: sizes, and the float model in NumPy."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from mcukd.errors import UserError
from mcukd.models.gru_mlp import build_student, student_macs_per_window, student_parameters, student_weights
from mcukd.models.resnet import build_resnet, resnet_macs_per_window, resnet_parameters
from mcukd.models.student import load_student

MEAN, VARIANCE = np.array([120.0, -300.0, 2500.0]), np.array([4e5, 9e5, 1.6e6])


def _trained(model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_full_teacher_has_the_counted_size():
    """520.26 K trained parameters and 132.56 M multiplications for 3 axes, 4 classes, 256 samples."""
    model = build_resnet(256, 3, 4, MEAN, VARIANCE)
    assert _trained(model) == resnet_parameters(3, 4) == 520_260
    assert round(resnet_macs_per_window(256, 3, 4) / 1e6, 2) == 132.56


@pytest.mark.parametrize(("channels", "classes", "width"), [(3, 6, 16), (2, 3, 8), (6, 5, 5)])
def test_teacher_parameters_follow_shape(channels, classes, width):
    model = build_resnet(20, channels, classes, np.zeros(channels), np.ones(channels), width)
    assert _trained(model) == resnet_parameters(channels, classes, width)


def test_teacher_has_three_pointwise_shortcuts_and_no_conv_bias():
    model = build_resnet(20, 3, 4, MEAN, VARIANCE, 8)
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv1D"]
    assert sorted(layer.kernel_size[0] for layer in convolutions) == [1] * 3 + [3] * 3 + [5] * 3 + [8] * 3
    assert not any(layer.use_bias for layer in convolutions)
    assert [layer.filters for layer in convolutions if layer.kernel_size == (1,)] == [8, 16, 16]


def _random_student(rng):
    model = build_student(40, 3, 5, MEAN, VARIANCE, units=7, dense=6)
    # Keras starts biases at zero, which would hide a bias put in the wrong place.
    model.set_weights([rng.normal(scale=0.4, size=w.shape) for w in model.get_weights()])
    return model


def test_teacher_names_its_blocks_and_its_pooled_features():
    model = build_resnet(20, 3, 4, MEAN, VARIANCE, 8)
    shapes = {layer.name: layer.output.shape for layer in model.layers}
    assert [shapes[f"anchor{n}"] for n in (1, 2, 3)] == [(None, 20, 8), (None, 20, 16), (None, 20, 16)]
    assert shapes["embedding"] == (None, 16)
    # The anchor is what the next block reads, after the last ReLU.
    assert type(model.get_layer("anchor3")).__name__ == "ReLU"
    assert model.layers[-1].name == "logits"


def test_the_variant_with_all_states_exchanges_weights_with_the_student():
    import keras

    rng = np.random.default_rng(5)
    student = _random_student(rng)
    variant = build_student(40, 3, 5, MEAN, VARIANCE, units=7, dense=6, sequences=True)
    variant.set_weights(student.get_weights())
    counts = rng.normal(MEAN, np.sqrt(VARIANCE), size=(30, 40, 3)).astype(np.float32)
    np.testing.assert_allclose(variant(counts).numpy(), student(counts).numpy(), atol=1e-5)
    # The layer gives every state: the tenth is the one after ten samples.
    states = keras.Model(variant.input, variant.get_layer("states").output)(counts).numpy()
    weights = student_weights(variant)
    h = np.zeros((30, 7))
    for t in range(10):
        h = weights.step((counts[:, t] - weights.mean) / weights.std, h)
    assert states.shape == (30, 40, 7)
    np.testing.assert_allclose(states[:, 9], h, atol=1e-5)
    variant.set_weights([rng.normal(scale=0.4, size=w.shape) for w in variant.get_weights()])
    student.set_weights(variant.get_weights())
    np.testing.assert_allclose(variant(counts).numpy(), student(counts).numpy(), atol=1e-5)


def test_student_weights_compute_what_keras_computes():
    rng = np.random.default_rng(1)
    model = _random_student(rng)
    counts = rng.normal(MEAN, np.sqrt(VARIANCE), size=(30, 40, 3)).astype(np.int16)
    weights = student_weights(model)
    keras_logits = model(counts.astype(np.float32)).numpy()
    assert np.abs(weights.logits(counts) - keras_logits).max() < 1e-4
    assert np.ptp(keras_logits) > 0.5
    assert (weights.channels, weights.hidden, weights.dense, weights.classes) == (3, 7, 6, 5)


def test_student_sizes_agree_with_its_weights():
    weights = student_weights(build_student(40, 3, 5, MEAN, VARIANCE, units=7, dense=6))
    assert weights.parameters == student_parameters(3, 5, 7, 6)
    assert weights.macs_per_window(40) == student_macs_per_window(40, 3, 5, 7, 6)


def test_student_survives_saving(tmp_path):
    model = _random_student(np.random.default_rng(2))
    model.save(tmp_path / "student.keras")
    before, after = student_weights(model), student_weights(load_student(tmp_path / "student.keras"))
    for name, array in before.arrays().items():
        np.testing.assert_array_equal(array, after.arrays()[name], err_msg=name)


def test_load_student_says_what_is_wrong(tmp_path):
    path = tmp_path / "student.keras"
    with pytest.raises(UserError, match="no such file"):
        load_student(path)
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match="not a readable Keras model"):
        load_student(path)
    build_resnet(20, 3, 4, MEAN, VARIANCE, 2).save(path)
    with pytest.raises(UserError, match="not a student"):
        load_student(path)
