"""Baselines: hand features, the filter-MLP's values, choices on inner animals, and leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import write_card
from builders.students import random_windows
from builders.training import CompiledOnce
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mcukd.data.folds import Fold
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.nested_selection import select
from mcukd.distillation.workers import FoldTraining
from mcukd.errors import UserError
from mcukd.evaluation.baseline_jobs import BaselineJob
from mcukd.evaluation.baselines.filter_mlp import NAME as FILTER_MLP
from mcukd.models import filter_weights
from mcukd.models.filter_mlp import build_filter_mlp, filter_mlp_weights
from mcukd.models.filter_weights import FilterMlpWeights
from mcukd.training.augmentation import Augmentation, Augmenter
from mcukd.training.hand_features import FEATURES, hand_features, turned_copies

CONFIG = DistillConfig(epochs=3, mounting="aligned", jobs=1)
FOREST = "random_forest"


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mcukd.distillation.forest.TREES", 10)
        yield


def herd(per_animal: int = 24, animals: str = "ABCD", seed: int = 0) -> Windows:
    """Two behaviours told apart by how much the sensor swings."""
    windows = random_windows(per_animal * len(animals), steps=30, seed=seed, classes=2)
    labels = np.arange(len(windows)) % 2
    counts = np.where(labels[:, None, None] == 1, windows.counts, windows.counts.mean(axis=1, keepdims=True))
    return replace(
        windows,
        counts=counts.astype(np.int16),
        labels=labels.astype(np.int64),
        animals=np.repeat(list(animals), per_animal),
    )


def weights(channels: int = 3, classes: int = 4, seed: int = 0) -> FilterMlpWeights:
    rng = np.random.default_rng(seed)
    shapes = {
        "mean": (channels,), "std": (channels,), "pole": (channels,),
        "fir1": (8, channels), "fir1_bias": (channels,), "fir2": (8, channels), "fir2_bias": (channels,),
        "dense_kernel": (3 * channels, 7), "dense_bias": (7,),
        "output_kernel": (7, classes), "output_bias": (classes,),
    }  # fmt: skip
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["std"] = np.float32(500) + 100 * arrays["std"] ** 2
    arrays["pole"] = 1 / (1 + np.exp(-arrays["pole"]))
    return FilterMlpWeights.from_arrays(arrays)


def by_loops(w: FilterMlpWeights, window: np.ndarray) -> np.ndarray:
    """The filter-MLP on one window (T, C), sample by sample and tap by tap."""
    x = [[(float(v) - float(m)) / float(s) for v, m, s in zip(row, w.mean, w.std)] for row in window]
    steps, channels = window.shape
    means, passed, filtered = [], [], []
    for c in range(channels):
        means.append(sum(x[t][c] for t in range(steps)) / steps)
        y, total = 0.0, 0.0
        for t in range(1, steps):
            y = float(w.pole[c]) * y + x[t][c] - x[t - 1][c]
            total += abs(y)
        passed.append(total / (steps - 1))
        inner = []
        for t in range(7, steps):
            value = float(w.fir1_bias[c])
            for k in range(8):
                value += float(w.fir1[k, c]) * x[t - 7 + k][c]
            inner.append(np.tanh(value))
        total, count = 0.0, 0
        for t in range(7, len(inner)):
            value = float(w.fir2_bias[c])
            for k in range(8):
                value += float(w.fir2[k, c]) * inner[t - 7 + k]
            total, count = total + abs(value), count + 1
        filtered.append(total / count)
    features = np.array(means + passed + filtered)
    hidden = np.maximum(features @ w.dense_kernel + w.dense_bias, 0)
    return np.asarray(hidden @ w.output_kernel + w.output_bias)


@pytest.mark.parametrize(("channels", "steps"), [(3, 15), (3, 50), (1, 33)])
def test_the_filter_mlp_computes_what_plain_loops_compute(channels: int, steps: int) -> None:
    w = weights(channels)
    counts = np.random.default_rng(1).integers(-3000, 3000, (5, steps, channels)).astype(np.int16)
    expected = np.stack([by_loops(w, window) for window in counts])
    np.testing.assert_allclose(w.logits(counts), expected, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def keras_model() -> Any:
    model = build_filter_mlp(50, 3, 6, np.array([5.0, -3.0, 2.0]), np.full(3, 900.0**2))
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=one.shape) for one in model.get_weights()])
    return model


def test_keras_and_the_arrays_taken_from_it_agree(keras_model: Any) -> None:
    """The unrolled recurrence of the layer equals the recurrence, and every weight lands where it belongs."""
    counts = np.random.default_rng(2).integers(-3000, 3000, (9, 50, 3)).astype(np.int16)
    found = filter_mlp_weights(keras_model).logits(counts)
    np.testing.assert_allclose(
        np.asarray(keras_model(counts.astype(np.float32))), found, rtol=2e-4, atol=2e-4
    )


def test_the_filter_mlp_of_six_classes_has_the_published_175_parameters(keras_model: Any) -> None:
    assert filter_weights.filter_mlp_parameters(3, 6) == 175
    assert sum(one.size for one in keras_model.get_weights()) == 175
    assert filter_mlp_weights(keras_model).parameters == 175
    assert filter_weights.filter_mlp_macs_per_window(50, 3, 6) == 3 * (49 + 8 * 43 + 8 * 36) + 9 * 7 + 7 * 6


def test_a_saved_filter_mlp_is_refused_where_a_gru_is_needed(keras_model: Any, tmp_path: Any) -> None:
    from mcukd.models.student import load_student

    path = tmp_path / "student.keras"
    keras_model.save(path)
    with pytest.raises(UserError, match="a filter-mlp student, and this is for gru-mlp students only"):
        load_student(path)


def test_a_pole_that_underflows_in_a_block_does_not_spoil_the_gradient() -> None:
    """A pole near nought to the 16th power is nought in float32; training then went to NaN."""
    import tensorflow as tf

    from mcukd.models.filter_layer import FilterFeatures

    layer = FilterFeatures()
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 50, 3)).astype(np.float32))
    layer(x)
    for logit in (-60.0, 0.0, 60.0):
        layer.pole_logit.assign(np.full(3, logit, np.float32))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x))
        for gradient in tape.gradient(total, layer.trainable_variables):
            assert np.isfinite(np.asarray(gradient)).all()


def test_weights_survive_being_written(tmp_path: Any) -> None:
    w = weights()
    np.savez(tmp_path / "w.npz", **w.arrays("x__"))
    with np.load(tmp_path / "w.npz") as stored:
        again = FilterMlpWeights.from_arrays(stored, "x__")
    counts = random_windows(3, steps=20).counts
    np.testing.assert_array_equal(w.logits(counts), again.logits(counts))
    assert (w.channels, w.classes) == (3, 4)


def test_windows_too_short_for_two_filters_are_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        build_filter_mlp(14, 3, 2, np.zeros(3), np.ones(3))


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.int16, (3, 40, 3), elements=st.integers(-32768, 32767)))
def test_hand_features_are_finite_whatever_the_counts(counts: np.ndarray) -> None:
    found = hand_features(counts, 10.0, 512.0)
    assert found.shape == (3, len(FEATURES)) and np.isfinite(found).all()


def test_hand_features_of_a_known_window() -> None:
    t = np.arange(100) / 50
    g = np.stack([0.2 * np.sin(2 * np.pi * 3 * t), np.zeros(100), -np.ones(100)], axis=1)
    found = dict(zip(FEATURES, hand_features(np.round(g * 10_000).astype(np.int16)[None], 50, 10_000)[0]))
    assert found["mean_z"] == pytest.approx(-1) and found["sd_x"] == pytest.approx(0.2 / 2**0.5, rel=1e-3)
    assert found["dominant_hz"] == pytest.approx(3) and found["power_2_4_hz"] > 0.95
    assert found["odba"] == pytest.approx(found["vedba"]) == pytest.approx(0.4 / np.pi, rel=0.01)
    assert found["sd_y"] == found["correlation_xy"] == found["skewness_y"] == 0
    assert found["horizontal_sd"] == pytest.approx(0.2 / 2**0.5, rel=1e-3) and found["vertical_sd"] < 1e-3


def test_a_turn_about_the_vertical_leaves_what_is_said_not_to_turn() -> None:
    counts = random_windows(20, steps=60).counts.astype(np.float32)
    turned = Augmenter(counts, Augmentation(turn="any"))(counts, np.random.default_rng(0))
    before, after = (hand_features(one, 50.0, 4096.0) for one in (counts, turned))
    for name in (
        "vedba",
        "magnitude_mean",
        "vertical_sd",
        "horizontal_sd",
        "dominant_hz",
        "spectral_entropy",
    ):
        k = FEATURES.index(name)
        np.testing.assert_allclose(after[:, k], before[:, k], rtol=1e-3, atol=1e-4)


def test_copies_begin_with_the_windows_themselves() -> None:
    counts = random_windows(4, steps=20).counts
    copies = turned_copies(counts, lambda windows, rng: windows + 1, 3, seed=0)
    assert copies.shape == (12, 20, 3)
    np.testing.assert_array_equal(copies[:4], counts)
    np.testing.assert_array_equal(copies[8:], counts + 1)


def trained(windows: Windows, model: str, nested: bool, path: Any) -> dict[str, np.ndarray]:
    """Train a baseline with animal D held out, and return all that was kept of it but its test answers."""
    job = FoldJob("D-s0", 0, ("A", "B", "C"), ("D",), path / f"{model}-{nested}.npz", "key")
    BaselineJob(model, job, nested).run(CompiledOnce(windows, windows, CONFIG), lambda units: None)
    assert BaselineJob(model, job, nested).is_done()
    with np.load(job.path) as stored:
        return {name: stored[name] for name in stored if name not in ("labels", "logits")}


def answers(windows: Windows, model: str, nested: bool, path: Any, probe: np.ndarray) -> np.ndarray:
    """Train with D held out and answer windows `probe` put in D's place."""
    counts = windows.counts.copy()
    counts[windows.animals == "D"] = probe
    job = FoldJob("D-s0", 0, ("A", "B", "C"), ("D",), path / "probe.npz", "key")
    trainer = CompiledOnce(windows, replace(windows, counts=counts), CONFIG)
    BaselineJob(model, job, nested).run(trainer, lambda units: None)
    with np.load(job.path) as stored:
        return np.asarray(stored["logits"])


def spoilt(windows: Windows) -> Windows:
    """The same herd with nonsense for animal D: other samples, other labels."""
    counts, labels = windows.counts.copy(), windows.labels.copy()
    held_out = windows.animals == "D"
    counts[held_out] = np.random.default_rng(9).integers(-32768, 32768, counts[held_out].shape)
    labels[held_out] = 1 - labels[held_out]
    return replace(windows, counts=counts, labels=labels)


@pytest.mark.parametrize(
    ("model", "nested"), [("majority", False), (FOREST, False), (FOREST, True), (FILTER_MLP, False)]
)
def test_the_held_out_animal_is_never_read(model: str, nested: bool, tmp_path: Any) -> None:
    """Spoiling the held-out animal's samples and labels must change neither the settings nor one answer."""
    probe = herd(seed=5).counts[:24]
    clean = answers(herd(), model, nested, tmp_path, probe)
    np.testing.assert_array_equal(clean, answers(spoilt(herd()), model, nested, tmp_path, probe))
    first, second = (trained(one, model, nested, tmp_path) for one in (herd(), spoilt(herd())))
    assert str(first["settings"]) == str(second["settings"])


def test_a_planted_leak_is_noticed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above is worth something: hand the held-out animal to the training and it fails."""

    def leaking(self: FoldJob, training: Windows) -> Windows:
        return training

    # The held-out animal's own windows under wrong names: only who has seen them can be misled.
    windows = herd()
    held_out = windows.animals == "D"
    misnamed = replace(windows, labels=np.where(held_out, 1 - windows.labels, windows.labels))
    probe = windows.counts[held_out]
    honest = answers(misnamed, FOREST, False, tmp_path, probe)
    monkeypatch.setattr(FoldJob, "training_of", leaking)
    misled = answers(misnamed, FOREST, False, tmp_path, probe)
    assert not np.array_equal(honest, misled)


def test_a_choice_sees_only_inner_animals_and_takes_the_best() -> None:
    windows, asked = herd(), []

    def predict(candidate: float, inner: Windows, validation: Windows) -> np.ndarray:
        asked.append((set(inner.animals), set(validation.animals)))
        right = np.random.default_rng(0).random(len(validation)) < candidate
        return np.where(right, validation.labels, 1 - validation.labels)

    seen = windows.take(windows.animals != "D")
    choice = select([0.6, 0.95, 0.8], seen, predict)
    assert choice.best == 0.95 and len(choice.scores) == 3 and choice.scores[1] == max(choice.scores)
    for inner, validation in asked:
        assert not inner & validation and inner | validation == {"A", "B", "C"}


def test_a_planted_leak_into_the_inner_folds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`choose` is given the training animals' windows alone: a fold that names another finds none of it."""
    seen = herd().take(herd().animals != "D")
    asked: list[set[str]] = []

    def predict(candidate: int, inner: Windows, validation: Windows) -> np.ndarray:
        asked.append(set(inner.animals) | set(validation.animals))
        return validation.labels

    leak = [Fold("inner1", ("A", "D"), ("B",)), Fold("inner2", ("B",), ("A", "D"))]
    monkeypatch.setattr("mcukd.distillation.nested_selection.inner_folds", lambda animals: leak)
    select([1], seen, predict)
    assert all("D" not in animals for animals in asked)


def test_the_majority_predicts_the_most_common_training_class(tmp_path: Any) -> None:
    windows = herd()
    labels = windows.labels.copy()
    labels[:30] = 1
    found = answers(replace(windows, labels=labels), "majority", False, tmp_path, herd(seed=5).counts[:24])
    assert (found.argmax(axis=1) == 1).all()
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)


def test_a_filter_mlp_is_trained_as_a_student_with_chosen_epochs(tmp_path: Any) -> None:
    """The whole job with the other structure; the arrays kept are of the student whose logits are kept."""
    config = replace(CONFIG, student="filter-mlp", choose_epochs=True, teacher_epochs=1, teacher_width=2)
    trainer = CompiledOnce(herd(), herd(), config)
    job = FoldJob("D-s0", 0, ("A", "B", "C"), ("D",), tmp_path / "D-s0.npz", "key")
    training = FoldTraining(job)
    assert training.work(herd(), config) > training.work(herd(), replace(config, choose_epochs=False))
    training.run(trainer, lambda units: None)
    with np.load(job.path) as stored:
        assert int(stored["epochs"]) in (2, 3, 6)
        kept = FilterMlpWeights.from_arrays(stored, "student_distilled__")
        counts = herd().counts[herd().animals == "D"]
        np.testing.assert_allclose(kept.logits(counts), stored["student_distilled_logits"], atol=1e-3)
        assert stored["student_logits"].shape == stored["teacher_logits"].shape == (24, 2)


def test_options_that_came_later_leave_earlier_studies_current() -> None:
    """Recorded options without `student` and `choose_epochs` mean their defaults, and are written so."""
    assert not {"student", "choose_epochs"} & set(DistillConfig().options())
    chosen = DistillConfig(student="filter-mlp", choose_epochs=True).options()
    assert chosen["student"] == "filter-mlp" and chosen["choose_epochs"] is True
    assert DistillConfig.of(chosen) == DistillConfig(student="filter-mlp", choose_epochs=True)
    with pytest.raises(UserError, match="did you mean 'filter-mlp'"):
        DistillConfig(student="filtermlp")


def test_a_baseline_of_a_plugin_is_trained_scored_and_compared_like_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for animal in "ABC":
        for label, size in (("graze", 0.5), ("rest", 0.02)):
            samples = [0.1, -0.2, -0.95] + size * rng.normal(size=(120, 3))
            path = tmp_path / label / f"{animal}1.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    card = write_card(tmp_path)
    words = [
        "evaluate",
        "--data",
        str(card.path),
        "--data-root",
        str(tmp_path),
        "--run",
        "run",
        "--seeds",
        "1",
    ]
    code = f"from mcukd.cli.app import app; app({[*words, '--models', 'swing,majority']!r})"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "MCUKD_PLUGINS": "toy_baseline", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr

    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]["swing"]
    assert found["mcc"] == 1 and found["parameters"] == 2 and found["calibration"]
    assert len(list((tmp_path / "run" / "evaluation" / "baselines" / "swing").glob("*.npz"))) == 3
    refused = subprocess.run(
        [sys.executable, "-c", f"from mcukd.cli.app import app; app({[*words, '--models', 'swung']!r})"],
        cwd=tmp_path, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert refused.returncode != 0
