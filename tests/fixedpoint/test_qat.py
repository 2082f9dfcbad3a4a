"""Quantization-aware training: fake quantizers equal the device's weights, before and after training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.data import write_card
from builders.students import random_student, random_windows
from builders.training import run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.load import load_windows
from mcukd.data.windows import Windows
from mcukd.distillation import qat
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.fixedpoint import mixed
from mcukd.fixedpoint.gru.model import GATES
from mcukd.fixedpoint.gru.packing import Packing
from mcukd.fixedpoint.gru.qat import device_values
from mcukd.fixedpoint.gru.quantize import weight_lengths
from mcukd.fixedpoint.gru.rounding import round_recurrent
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run
from mcukd.fixedpoint.rounding import Moments
from mcukd.harness.recorded import RECORDED_FILE, has_recorded
from mcukd.models.weights import GruMlpWeights, Head
from mcukd.pipeline import quantize_search
from mcukd.pipeline.distill import distill
from mcukd.pipeline.quantize import quantize_study
from mcukd.study import Study

STEPS = 12


def integer_model(bits: int, **shape: int) -> tuple[Any, IntegerModel]:
    student = random_student(3, **shape)
    return student, quantize(student, random_windows(40, STEPS), QuantizeConfig(bits), STEPS)


@pytest.mark.parametrize("bits", [4, 5, 6, 7, 8, 12])
def test_device_values_compute_what_the_integers_compute(bits: int) -> None:
    student, model = integer_model(bits)
    counts = random_windows(60, STEPS, seed=9).counts
    values = device_values(model, student)
    logits = run(model, counts).logits * 2.0 ** -model.length("logits")
    # What is left are the floors of the state, the gate table and 16-bit activations.
    assert np.abs(values.logits(counts) - logits).max() < 0.02
    rounded = np.abs(student.logits(counts) - logits).max()
    assert bits > 5 or rounded > 0.05  # the bound above could tell the float student from this one


@settings(max_examples=8, deadline=None)
@given(
    bits=st.integers(4, 8),
    hidden=st.integers(1, 5),
    seed=st.integers(0, 1000),
    size=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_fake_recurrent_weights_are_those_that_rows_share_words_for(
    bits: int, hidden: int, seed: int, size: float
) -> None:
    from mcukd.fixedpoint.gru.fake_layer import fake_recurrent

    rng, packing = np.random.default_rng(seed), Packing(bits)
    weights = rng.normal(0, size, (hidden, 3 * hidden)).astype(np.float32)
    lengths = dict(zip(GATES, map(int, rng.integers(1, 5, 3))))
    rows = {g: part.T.astype(np.float64) for g, part in zip(GATES, np.split(weights, 3, axis=1))}
    # Inputs that do not move leave nothing to make up for: each weight is rounded on its own.
    still = Moments(np.zeros(hidden), np.zeros((hidden, hidden)))
    stored = {gate: length + packing.slack for gate, length in lengths.items()}
    wanted = round_recurrent(rows, stored, packing, still)
    scale = np.array([2.0 ** lengths[gate] for gate in GATES], np.float32)
    found = np.asarray(fake_recurrent(weights, scale, packing))
    for gate, part in zip(GATES, np.split(found, 3, axis=1)):
        np.testing.assert_allclose(np.ldexp(part.T, stored[gate]), wanted[gate], atol=1e-2)


def test_gradients_pass_fake_quantizers_as_if_they_were_not_there() -> None:
    import tensorflow as tf

    from mcukd.fixedpoint.gru.fake_layer import fake, fake_recurrent

    weights = tf.Variable(np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(2 * fake(weights, 8.0, 4)) + tf.reduce_sum(
            fake_recurrent(weights, np.full(3, 4.0, np.float32), Packing(4))
        )
    np.testing.assert_allclose(tape.gradient(total, weights), 3.0)


@pytest.mark.parametrize("bits", [4, 5, 8])
def test_weights_on_the_grid_stay_where_they_are_when_quantized_again(bits: int) -> None:
    """The error-compensated rounding of `quantize` must not undo what training learnt."""
    student, model = integer_model(bits, hidden=7)
    again = quantize(
        device_values(model, student),
        random_windows(40, STEPS),
        QuantizeConfig(bits),
        STEPS,
        weight_lengths(model),
    )
    for gate in GATES:
        np.testing.assert_array_equal(again.arrays[f"recurrent_{gate}"], model.arrays[f"recurrent_{gate}"])
    for name in ("dense", "output"):
        np.testing.assert_array_equal(again.arrays[name], model.arrays[name])


def test_the_layer_computes_what_numpy_computes_with_the_same_weights() -> None:
    import keras

    from mcukd.fixedpoint.gru.fake_layer import FakeQuantizedStudent

    student, model = integer_model(4, hidden=5)
    start, lengths = device_values(model, student), weight_lengths(model)
    counts = random_windows(20, STEPS, seed=5).counts
    inputs = keras.Input((STEPS, 3))
    layer = FakeQuantizedStudent(start, QuantizeConfig(4), lengths, model.length("dense_out"), name="student")
    net = keras.Model(inputs, layer(inputs))
    windows = ((counts - start.mean) / start.std).astype(np.float32)
    np.testing.assert_allclose(np.asarray(net(windows)), start.logits(counts), atol=2e-4)
    # From weights off the grid the layer computes with those on it.
    moved = replace(start, recurrent=start.recurrent + np.float32(1e-4), kernel=start.kernel * 1.0003)
    net.get_layer("student").recurrent.assign(moved.recurrent)
    net.get_layer("student").kernel.assign(moved.kernel)
    np.testing.assert_allclose(np.asarray(net(windows)), start.logits(counts), atol=2e-4)


def test_the_layer_refuses_heads_without_a_dense_layer() -> None:
    from mcukd.fixedpoint.gru.fake_layer import FakeQuantizedStudent

    student = random_student()
    linear = student.with_head(Head.direct(student.dense_kernel, student.dense_bias))
    with pytest.raises(UserError, match=r"--qat.*linear head; quantize it without"):
        FakeQuantizedStudent(linear, QuantizeConfig(4), {}, 15)


# The stage end to end: a small study, trained in this process.


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished study of three animals that graze, walk or rest; also its card and data root."""
    root = tmp_path_factory.mktemp("herd")
    rng = np.random.default_rng(0)
    for animal in "ABC":
        for label, swing in (("graze", 0.35), ("rest", 0.0), ("lie", 0.1)):
            samples = [0.1, -0.2, -0.95] + swing * np.sin(np.arange(400)[:, None] * [0.9, 1.1, 0.7])
            samples = samples + 0.1 * rng.normal(size=(400, 3))
            path = root / label / f"{animal}1.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    card = write_card(root)
    study = Study.create(root / "runs" / "small", str(card.path), 0)
    config = DistillConfig(
        seeds=(3,), epochs=30, teacher_epochs=2, teacher_width=2, gru_units=4, dense_units=4
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mcukd.pipeline.distill.run_jobs", run_here)
        distill(study, card, root, config)
    return study, card, root


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, set[str]]]:
    """Trains in this process; lists each training's student and the animals it saw."""
    trained: list[tuple[str, set[str]]] = []
    train_qat = qat.train_qat

    def noted(student: Any, seen: Windows, *rest: Any) -> Any:
        trained.append((student.kernel.tobytes().hex()[:16], set(map(str, seen.animals))))
        return train_qat(student, seen, *rest)

    monkeypatch.setattr("mcukd.pipeline.qat.run_jobs", run_here)
    monkeypatch.setattr(qat, "train_qat", noted)
    return trained


def test_stage_trains_on_ships_and_scores_the_trained_students(made: Any, here: Any) -> None:
    study, card, root = made
    facts = quantize_study(study, QuantizeConfig(4), root, tflite=(), qat=True)
    metrics = facts.metrics["fixed_point_4_qat"]
    assert facts.ran and metrics["teacher_difference"] == 0.0  # trained once more, to the same bits
    assert [animals for _, animals in here] == [set("ABC"), set("BC"), set("AC"), set("AB")]
    assert json.loads(study.file("metrics.json").read_text())["models"]["fixed_point_4_qat"] == metrics
    assert study.options("quantize")["qat"]["epochs"] == qat.EPOCHS
    study.require("quantize")

    training = load_windows(card, root, training=True)
    folder = study.file("quantization", "qat-r4k4h4a16-interpolated")
    assert sorted(file.stem for file in folder.glob("*")) == ["A-s3", "B-s3", "C-s3", "shipped"]
    with np.load(folder / "shipped.npz") as stored:
        learnt = GruMlpWeights.from_arrays(stored, "weights__")
    # What is shipped computes what was learnt.
    logits = run(facts.model, training.counts).logits * 2.0 ** -facts.model.length("logits")
    assert np.abs(logits - learnt.logits(training.counts)).max() < 0.05

    # Nothing is done twice; a lost student alone is trained again, to the same bits.
    before, digest = len(here), facts.model.sha256
    study.file(RECORDED_FILE).unlink()
    assert not quantize_study(study, QuantizeConfig(4), root, tflite=(), qat=True).ran
    assert has_recorded(Study.open(study.path)), "which boards are proven on"
    (folder / "shipped.npz").unlink()
    study.forget("quantize")
    again = quantize_study(study, QuantizeConfig(4), root, tflite=(), qat=True)
    assert len(here) == before + 1 and again.model.sha256 == digest


def test_training_on_lowers_the_loss_of_a_narrow_model(made: Any, here: Any) -> None:
    study, card, root = made
    training = load_windows(card, root, training=True)
    soft_labels = np.load(study.file("soft_labels.npz"))["logits"]

    def likelihood(logits: Any) -> Any:
        shifted = logits - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def loss(facts: Any) -> float:
        logits = run(facts.model, training.counts).logits * 2.0 ** -facts.model.length("logits")
        hard = -likelihood(logits)[np.arange(len(training)), training.labels].mean()
        soft = -(np.exp(likelihood(soft_labels)) * likelihood(logits)).sum(axis=1).mean()
        return float((hard + soft) / 2)

    plain = loss(quantize_study(study, QuantizeConfig(4), root, tflite=()))
    trained = loss(quantize_study(study, QuantizeConfig(4), root, tflite=(), qat=True))
    assert trained < plain


def test_a_search_judges_each_fold_on_its_own_training_animals(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _, root = made
    validation: list[set[str]] = []

    def noted(weights: Any, seen: Windows, windows: Windows, *rest: Any, **more: Any) -> Any:
        validation.append(set(map(str, windows.animals)))
        assert set(map(str, seen.animals)) == validation[-1]
        return mixed.search(weights, seen, windows, *rest, **more)

    monkeypatch.setattr(quantize_search, "search", noted)
    objective = mixed.Objective(budget_flash=1800)
    facts = quantize_study(study, QuantizeConfig(), root, tflite=(), objective=objective)
    assert validation == [set("ABC"), set("BC"), set("AC"), set("AB")]
    assert facts.model.weight_bytes + facts.model.table_bytes <= 1800
    assert facts.model.formats["kernel_z"].bits == 16
    record = json.loads(study.file("pareto.json").read_text())
    assert record["chosen"]["bits"] == facts.model.bits and set(record["folds"]) == {"A-s3", "B-s3", "C-s3"}
    assert set(facts.metrics) == {"fixed_point_auto"}
    assert {"pareto.json", "pareto.png"} <= set(study.manifest["stages"]["quantize"]["outputs"])
    assert not quantize_study(study, QuantizeConfig(), root, tflite=(), objective=objective).ran
    with pytest.raises(UserError, match="smallest model takes"):
        quantize_study(study, QuantizeConfig(), root, tflite=(), objective=mixed.Objective(budget_flash=100))
    # With a label budget the widths of the shipped student, too, are chosen without the other labels.
    few = Study.open(shutil.copytree(study.path, study.path.with_name("few")))
    few.manifest["stages"]["distill"]["options"]["labelled"] = "A,B"
    validation.clear()
    quantize_study(few, QuantizeConfig(), root, tflite=(), objective=mixed.Objective(budget_flash=1801))
    assert validation[0] == set("AB")


def test_wide_weights_have_nothing_to_learn(made: Any) -> None:
    study, _, root = made
    with pytest.raises(UserError, match="--qat with --bits 12"):
        quantize_study(study, QuantizeConfig(12), root, tflite=(), qat=True)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "none"},
        pytest.param({"method": "online", "teacher": "ensemble"}, marks=pytest.mark.slow),
        pytest.param({"method": "function-matching"}, marks=pytest.mark.slow),
    ],
)
def test_students_of_every_method_learn_on(
    made: Any, here: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, options: dict[str, Any]
) -> None:
    _, card, root = made
    monkeypatch.setattr("mcukd.pipeline.distill.run_jobs", run_here)
    config = DistillConfig(
        split="holdout=A",
        seeds=(3,),
        epochs=2,
        teacher_epochs=1,
        teacher_width=2,
        gru_units=4,
        dense_units=4,
        **options,
    )
    study = Study.create(tmp_path / "study", str(card.path), 0)
    distill(study, card, root, config)
    facts = quantize_study(study, QuantizeConfig(4), root, tflite=(), qat=True)
    # A teacher that had to be trained again is the one that trained the student.
    assert facts.metrics["fixed_point_4_qat"]["teacher_difference"] == 0.0
    assert len(here) == 2


def test_qat_is_refused_where_the_teacher_has_extra_channels() -> None:
    options = DistillConfig(method="tsak", teacher_sensors="all")
    with pytest.raises(UserError, match="--qat needs a teacher with.*--teacher-sensors accelerometer"):
        qat.check_qat(QuantizeConfig(4), None, options)
