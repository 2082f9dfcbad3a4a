"""SMLDist's teacher and student: sizes, anchors, names, files."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from builders.mobilenet import random_counts, random_mobilenet

from mcukd.errors import UserError
from mcukd.models.mobilenet import (
    EMBEDDING,
    STUDENT,
    TEACHER,
    anchor_names,
    build_mobilenet,
    load_mobilenet,
    mobilenet_macs_per_window,
    mobilenet_parameters,
)
from mcukd.models.resnet import resnet_macs_per_window, resnet_parameters

MEAN, VARIANCE = np.array([120.0, -300.0, 2500.0]), np.array([4e5, 9e5, 1.6e6])


@pytest.fixture(scope="module")
def teacher():
    return build_mobilenet(50, 3, 5, MEAN, VARIANCE, slim=False)


@pytest.fixture(scope="module")
def student():
    return build_mobilenet(50, 3, 5, MEAN, VARIANCE, slim=True, head="memory")


def _trained(model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def _macs(model, until: str = "logits") -> int:
    """Multiply-accumulates by walking over the layers: every weight of a kernel meets every output step."""
    total = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv1D", "DepthwiseConv1D", "Dense"):
            steps = layer.output.shape[1] if layer.output.shape[2:] else 1
            total += int(np.prod(layer.kernel.shape)) * steps
        if kind == "HopfieldMemory":
            total += int(np.prod(layer.keys.shape)) + int(np.prod(layer.values.shape))
        if layer.name == until:
            break
    return total


def test_fifteen_bottlenecks_and_ten():
    assert (len(TEACHER), len(STUDENT)) == (15, 10)


def test_sizes_agree_with_the_models(teacher, student):
    assert _trained(teacher) == mobilenet_parameters(3, 5, slim=False) == 137_745
    assert _trained(student) == mobilenet_parameters(3, 5, slim=True, head="memory") == 74_808
    assert _macs(teacher) == mobilenet_macs_per_window(50, 3, 5, slim=False) == 1_152_944
    assert _macs(student) == mobilenet_macs_per_window(50, 3, 5, slim=True, head="memory") == 625_064


def test_first_stage_has_the_size_counted_by_hand(teacher):
    """Stem 5·3·16; three bottlenecks 16→48→16, k = 3, the first from 50 steps to 25."""
    import keras

    stage = keras.Model(teacher.input, teacher.get_layer("anchor1").output)
    bottleneck = 16 * 48 + 3 * 48 + 48 * 16 + 2 * (48 + 48 + 16)
    assert _trained(stage) == (5 * 3 * 16 + 2 * 16) + 3 * bottleneck == 5984
    expand, rest = 16 * 48, 3 * 48 + 48 * 16
    by_hand = 5 * 3 * 16 * 50 + (expand * 50 + rest * 25) + 2 * (expand + rest) * 25
    assert _macs(teacher, "anchor1") == by_hand == 157_200


def test_other_windows_channels_and_classes():
    model = build_mobilenet(33, 6, 4, np.zeros(6), np.ones(6), slim=True)
    assert model(np.ones((2, 33, 6), np.float32)).shape == (2, 4)
    assert _trained(model) == mobilenet_parameters(6, 4, slim=True)
    assert _macs(model) == mobilenet_macs_per_window(33, 6, 4, slim=True)


@pytest.mark.parametrize("window", [50, 128, 256])
def test_student_costs_forty_to_fifty_percent_less_than_its_teacher(window):
    for size in (
        lambda slim: mobilenet_macs_per_window(window, 3, 5, slim=slim),
        lambda slim: mobilenet_parameters(3, 5, slim=slim),
    ):
        assert 0.4 < 1 - size(True) / size(False) < 0.5
    # The teacher is of the order of the narrow ResNet.
    assert mobilenet_macs_per_window(window, 3, 5, slim=False) < resnet_macs_per_window(window, 3, 5, 16)
    assert mobilenet_parameters(3, 5, slim=False) < 5 * resnet_parameters(3, 5, 16)


def test_anchors_of_teacher_and_student_have_the_same_shapes(teacher, student):
    assert anchor_names(teacher) == anchor_names(student) == ["anchor1", "anchor2", "anchor3", "anchor4"]
    for name in (*anchor_names(teacher), "embedding"):
        assert teacher.get_layer(name).output.shape == student.get_layer(name).output.shape
    assert teacher.get_layer("anchor4").output.shape == (None, 7, 48)
    assert teacher.get_layer("embedding").output.shape == (None, EMBEDDING)


def test_an_anchor_cuts_the_net_in_two(teacher):
    """What follows an anchor reads nothing from before it: stages can be trained one after another."""
    import keras

    counts = np.random.default_rng(0).normal(MEAN, np.sqrt(VARIANCE), (4, 50, 3)).astype(np.float32)
    whole = teacher(counts).numpy()
    x: object = counts
    ends = [
        teacher.input,
        *(teacher.get_layer(name).output for name in anchor_names(teacher)),
        teacher.output,
    ]
    for start, end in zip(ends, ends[1:]):
        x = keras.Model(start, end)(x)
    np.testing.assert_allclose(np.asarray(x), whole, atol=1e-5)


def test_first_layer_standardises_and_last_gives_logits(teacher, student):
    for model in (teacher, student):
        assert [layer.name for layer in model.layers[:2]] == ["counts", "standardisation"]
        assert model.layers[-1].name == "logits"
    momenta = {layer.momentum for layer in teacher.layers if type(layer).__name__ == "BatchNormalization"}
    assert momenta == {0.9}


def test_hard_swish_and_excitation_where_marked(teacher):
    names = {layer.name for layer in teacher.layers}
    for number, bottleneck in enumerate(TEACHER, 1):
        assert (f"b{number}_expand_swish" in names) == bottleneck.swish
        assert (f"b{number}_weigh" in names) == bottleneck.excite
    swish = teacher.get_layer("stem_swish")
    x = np.linspace(-5, 5, 41, dtype=np.float32)
    np.testing.assert_allclose(swish(x).numpy(), x * np.clip(x + 3, 0, 6) / 6, atol=1e-6)


def test_a_saved_model_computes_the_same(tmp_path):
    model = random_mobilenet(20, slim=True, head="memory")
    counts = random_counts(12, 20).astype(np.float32)
    model.save(tmp_path / "student.keras")
    loaded = load_mobilenet(tmp_path / "student.keras")
    np.testing.assert_array_equal(loaded(counts).numpy(), model(counts).numpy())
    assert np.ptp(model(counts).numpy(), axis=0).max() > 0.1


def test_errors_say_what_is_wrong(tmp_path):
    from mcukd.models.gru_mlp import build_student

    with pytest.raises(UserError, match="no head 'dense'"):
        build_mobilenet(50, 3, 5, MEAN, VARIANCE, slim=True, head="dense")
    path = tmp_path / "student.keras"
    with pytest.raises(UserError, match="no such file"):
        load_mobilenet(path)
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match="not a readable Keras model"):
        load_mobilenet(path)
    build_student(20, 3, 4, MEAN, VARIANCE).save(path)
    with pytest.raises(UserError, match="not a mobilenet"):
        load_mobilenet(path)


def test_depthwise_kernels_start_as_large_as_their_sums_need(teacher):
    """Trap: Keras's default divides by all channels; activations become tiny and BN statistics lag behind."""
    for number, bottleneck in enumerate(TEACHER, 1):
        kernel = teacher.get_layer(f"b{number}_depthwise").kernel.numpy()
        assert 0.7 < kernel.std() * bottleneck.kernel**0.5 < 1.4
