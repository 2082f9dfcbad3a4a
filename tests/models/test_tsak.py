"""TSAK's teacher: names, stages and sizes, causality, and what it can learn."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.errors import UserError
from mcukd.models.tsak import (
    REPRESENTATIONS,
    SLIM_WIDTH,
    STAGE_ONE,
    build_tsak,
    dilations,
    load_tsak,
    semantic_only,
    stage_layers,
    stage_variables,
    tsak_macs_per_window,
    tsak_parameters,
    with_all_logits,
)

SHAPES = [(50, 9, 3, 32), (12, 3, 6, SLIM_WIDTH), (3, 4, 2, 4)]


def small(window: int = 20, channels: int = 4, classes: int = 3, width: int = 8) -> Any:
    return build_tsak(window, channels, classes, np.zeros(channels), np.ones(channels), width)


@pytest.fixture(scope="module")
def shared() -> Any:
    """A model for tests that only read, with random weights: Keras's first ones hide mistakes."""
    model = small()
    rng = np.random.default_rng(3)
    model.set_weights([np.abs(rng.normal(scale=0.4, size=w.shape)) + 0.05 for w in model.get_weights()])
    return model


def macs_of(layer: Any, window: int) -> int:
    """Multiply-accumulates of one layer from its weights' shapes."""
    kind, shape = type(layer).__name__, layer.output.shape
    if kind == "Conv1D":
        return int(np.prod(layer.kernel.shape)) * shape[1]
    if kind == "Dense":
        return int(np.prod(layer.kernel.shape)) * (shape[1] if len(shape) == 3 else 1)
    if kind == "MultiHeadAttention":
        matrices = [v for v in layer.trainable_variables if v.path.endswith("kernel")]
        assert len(matrices) == 4
        inner = int(np.prod(matrices[0].shape[1:]))
        return sum(int(np.prod(v.shape)) for v in matrices) * window + 2 * inner * window**2
    return 0


@pytest.mark.parametrize(("window", "channels", "classes", "width"), SHAPES)
def test_sizes_are_those_of_the_keras_model(window: int, channels: int, classes: int, width: int) -> None:
    model = small(window, channels, classes, width)
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert trained == tsak_parameters(window, channels, classes, width)
    counted = sum(macs_of(layer, window) for layer in model.layers)
    assert counted == tsak_macs_per_window(window, channels, classes, width)


def test_the_named_layers_are_what_distillation_taps(shared: Any) -> None:
    model = shared
    shapes = {layer.name: tuple(layer.output.shape) for layer in model.layers}
    assert {shapes[name] for name in REPRESENTATIONS} == {(None, 8)} == {shapes["embedding"]}
    assert {shapes[name] for name in STAGE_ONE} == {(None, 3)} == {shapes["logits"]}
    assert model.layers[-1].name == "logits" and model.output_shape == (None, 3)


def test_samples_are_standardised_channel_by_channel(shared: Any) -> None:
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.0, 0, 0, 40]), np.array([4096.0, 4096, 4096, 25])
    raw, ready = build_tsak(20, 4, 3, mean, deviation**2, 8), shared
    raw.set_weights(ready.get_weights())
    x = rng.normal(size=(5, 20, 4)).astype(np.float32)
    seen = (x * deviation + mean).astype(np.float32)
    np.testing.assert_allclose(raw(seen).numpy(), ready(x).numpy(), atol=1e-4)


@pytest.mark.parametrize("window", [2, 3, 50, 128, 256, 1000])
def test_the_last_sample_sees_the_whole_window_and_no_dilation_is_spare(window: int) -> None:
    found = dilations(window)
    assert 1 + 2 * sum(found) >= window
    assert len(found) == 1 or 1 + 2 * sum(found[:-1]) < window


def test_causal_layers_see_no_later_sample_and_the_others_do(shared: Any) -> None:
    import keras

    model = shared
    names = [layer.name for layer in model.layers]
    last = [name for name in names if name.startswith("causal") and name.endswith("_add")][-1]
    taps = {"causal": last, "attention": "forward_add", "combined": "merge_relu"}
    tapped = keras.Model(model.input, {key: model.get_layer(name).output for key, name in taps.items()})
    x = np.random.default_rng(1).normal(size=(2, 20, 4)).astype(np.float32)
    later = x.copy()
    later[:, 12:] += 1
    before, after = tapped(x), tapped(later)
    moved = {key: np.abs(before[key].numpy() - after[key].numpy()).max(axis=(0, 2)) for key in taps}
    assert (moved["causal"][:12] == 0).all() and (moved["causal"][12:] > 0).all()
    # Attention reaches every sample from everywhere.
    assert (moved["attention"] > 0).all() and (moved["combined"][:12] > 0).any()
    earlier = x.copy()
    earlier[:, 0] += 1
    assert np.abs(tapped(earlier)["causal"].numpy() - before["causal"].numpy())[:, -1].max() > 0


def test_stages_share_no_weight_and_leave_none_out(shared: Any) -> None:
    model = shared
    first, second = ({id(v) for v in stage_variables(model, stage)} for stage in (1, 2))
    assert not first & second
    assert first | second == {id(v) for v in model.trainable_variables}
    assert [layer.name for layer in stage_layers(model, 2)] == ["embedding", "logits"]
    assert set(STAGE_ONE) <= {layer.name for layer in stage_layers(model, 1)}
    with pytest.raises(ValueError, match="stages 1 and 2"):
        stage_layers(model, 3)


def test_twins_share_weights_and_say_the_same(shared: Any) -> None:
    model = shared
    everything = with_all_logits(model)
    x = np.random.default_rng(2).normal(size=(4, 20, 4)).astype(np.float32)
    answers = everything(x)
    assert set(answers) == {"logits", *STAGE_ONE}
    np.testing.assert_array_equal(answers["logits"].numpy(), model(x).numpy())
    np.testing.assert_array_equal(semantic_only(everything)(x).numpy(), model(x).numpy())
    assert {id(v) for v in stage_variables(everything, 1)} == {id(v) for v in stage_variables(model, 1)}
    assert {id(v) for v in stage_variables(semantic_only(everything), 1)} == {
        id(v) for v in stage_variables(model, 1)
    }


def test_it_learns_stage_by_stage_and_the_second_leaves_the_first_alone() -> None:
    """Which comes first, the rise or the fall: no mean over time tells, and the second channel is noise."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 512)
    x = rng.normal(scale=0.2, size=(512, 12, 2)).astype(np.float32)
    for window, at, sign in zip(x, rng.integers(0, 6, 512), 2 * labels - 1):
        window[at : at + 3, 0] += sign
        window[at + 3 : at + 6, 0] -= sign
    model = small(12, 2, 2)
    everything = with_all_logits(model)

    def train(stage: int, names: tuple[str, ...], steps: int) -> None:
        variables = stage_variables(model, stage)
        optimizer = keras.optimizers.Adam(0.01)
        optimizer.build(variables)

        @tf.function
        def step(batch: Any, hard: Any) -> None:
            with tf.GradientTape() as tape:
                answers = everything(batch, training=True)
                losses = [tf.nn.softmax_cross_entropy_with_logits(hard, answers[name]) for name in names]
                loss = tf.reduce_mean(tf.add_n(losses))
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

        for _ in range(steps):
            chosen = rng.integers(0, 384, 64)
            step(x[chosen], np.eye(2, dtype=np.float32)[labels[chosen]])

    train(1, STAGE_ONE, 60)
    kept = [v.numpy() for v in stage_variables(model, 1)]
    train(2, ("logits",), 40)
    for variable, before in zip(stage_variables(model, 1), kept):
        np.testing.assert_array_equal(variable.numpy(), before)
    answers = everything(x[384:], training=False)
    right = {name: float(np.mean(answers[name].numpy().argmax(1) == labels[384:])) for name in answers}
    assert right["logits"] > 0.9 and right["combined_logits"] > 0.9


def test_a_saved_teacher_comes_back(tmp_path: Path, shared: Any) -> None:
    model = shared
    model.save(tmp_path / "teacher.keras")
    x = np.random.default_rng(2).normal(size=(4, 20, 4)).astype(np.float32)
    np.testing.assert_array_equal(load_tsak(tmp_path / "teacher.keras")(x).numpy(), model(x).numpy())


def test_wrong_widths_and_files_are_refused(tmp_path: Path) -> None:
    from mcukd.models.gru_mlp import build_student

    for width in (0, 6):
        with pytest.raises(UserError, match="expected a multiple of 4"):
            small(width=width)
    with pytest.raises(UserError, match="no such file"):
        load_tsak(tmp_path / "none.keras")
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(UserError, match="not a readable Keras model"):
        load_tsak(tmp_path / "broken.keras")
    build_student(20, 3, 2, np.zeros(3), np.ones(3), 4, 4).save(tmp_path / "student.keras")
    with pytest.raises(UserError, match="not a teacher of TSAK, the layer 'attention_logits' is missing"):
        load_tsak(tmp_path / "student.keras")
