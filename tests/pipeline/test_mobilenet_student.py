"""Pipeline with a mobilenet student: a fold's file, TFLite int8, scores, and refused stages."""

from __future__ import annotations

import json
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.mobilenet import random_counts, random_mobilenet
from typer.testing import CliRunner

from mcukd.cli import app as app_module
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.errors import UserError
from mcukd.metrics.metrics_file import update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.gru_mlp import build_student
from mcukd.models.hopfield import without_intuition
from mcukd.models.mobilenet import build_mobilenet, mobilenet_macs_per_window, mobilenet_parameters
from mcukd.models.mobilenet_weights import MobilenetWeights
from mcukd.models.student import (
    TFLITE,
    family_of,
    load_any_student,
    load_student,
    shipped_weights,
    stored_weights,
    weights_of,
)
from mcukd.study import Study

T, K = 50, 5
SLOW = pytest.mark.slow


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
    assert isinstance(weights, MobilenetWeights)
    back, shipped = kept(tmp_path / "fold.npz", weights, "student_distilled__")
    assert isinstance(back, MobilenetWeights) and isinstance(shipped, MobilenetWeights)
    assert back.layers.keys() == weights.layers.keys() == shipped.layers.keys()
    rebuilt = back.model()
    assert [w.shape for w in rebuilt.get_weights()] == [w.shape for w in student.get_weights()]
    for ours, theirs in zip(rebuilt.get_weights(), student.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(answers(rebuilt, counts), answers(student, counts))
    assert (back.window, back.channels, back.classes, back.slim) == (T, 3, K, True)


@pytest.mark.parametrize(
    "form", ["memory alone", pytest.param("linear", marks=SLOW), pytest.param("teacher", marks=SLOW)]
)
def test_every_form_is_rebuilt_and_counted(form, counts):
    head, slim = "linear" if form == "linear" else "memory", form != "teacher"
    model = random_mobilenet(T, K, slim=slim, head=head, seed=3)
    if form == "memory alone":
        model = without_intuition(model)
    weights = MobilenetWeights.of(model)
    np.testing.assert_array_equal(answers(weights.model(), counts), answers(model, counts))
    linear_path = (64 + 1) * K + 2 if form == "memory alone" else 0
    expected = mobilenet_parameters(3, K, slim=slim, head=head) - linear_path
    assert weights.parameters == expected == model.count_params() - _statistics(model)
    macs = mobilenet_macs_per_window(T, 3, K, slim=slim, head=head)
    assert weights.macs_per_window(T) == macs - (64 * K if form == "memory alone" else 0)


def _statistics(model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.non_trainable_variables)


def test_students_of_many_folds_share_one_traced_model_and_keep_their_own_predictions(student, counts):
    """Trap: the second student answers with the first's weights, or with its standardisation."""
    first = weights_of(student)
    layers = {name: array * np.float32(0.9) for name, array in first.layers.items()}
    second = MobilenetWeights(T, first.mean + 50, first.variance * 2, layers)
    for weights, model in ((first, student), (second, second.model()), (first, student)):
        np.testing.assert_allclose(weights.logits(counts), answers(model, counts), rtol=1e-4, atol=1e-4)
    assert np.abs(first.logits(counts) - second.logits(counts)).max() > 0.1
    assert first.logits(counts[:0]).shape == (0, K)


def test_weights_of_another_version_are_refused(student):
    weights = weights_of(student)
    layers = {name: array for name, array in weights.layers.items() if name != "b4_expand/kernel"}
    with pytest.raises(UserError, match="b4_expand/kernel.*mcukd distill"):
        MobilenetWeights(T, weights.mean, weights.variance, layers).model()


def test_files_of_all_structures_load(student, counts, tmp_path):
    path = tmp_path / "student.keras"
    student.save(path)
    loaded = load_any_student(path)
    assert family_of(loaded) == "mobilenet"
    np.testing.assert_array_equal(answers(loaded, counts), answers(student, counts))
    with pytest.raises(UserError, match="a mobilenet student, and this is for gru-mlp"):
        load_student(path)
    build_student(T, 3, K, np.zeros(3), np.ones(3)).save(path)
    assert family_of(load_student(path)) == "gru-mlp"
    build_mobilenet(T, 3, K, np.zeros(3), np.ones(3), slim=False).save(path)
    with pytest.raises(UserError, match="teacher"):
        load_any_student(path)


def random_study(root: Path) -> Study:
    """A study as `distill --student mobilenet` leaves it, with random students in place of trained ones."""
    write_moving_herd(root)
    card = load_card(str(root / "card.toml"))
    windows, study = load_windows(card, root), Study.create(root / "runs" / "net", str(card.path), 0)
    steps, outputs, predicted, order = windows.counts.shape[1], [study.file("student.keras")], [], []
    random_mobilenet(steps, 2, slim=True, head="memory").save(outputs[0])
    study.file("evaluation").mkdir()
    # The last fold has the second seed, of which the files tell and not the options.
    for animal, seed in (("A", 0), ("B", 1)):
        weights = weights_of(random_mobilenet(steps, 2, slim=True, head="memory", seed=seed + 1))
        index = np.flatnonzero(windows.animals == animal)
        outputs.append(study.file("evaluation", f"{animal}-s{seed}.npz"))
        kept = weights.arrays("student_distilled__")
        logits = weights.logits(windows.counts[index])
        np.savez(
            outputs[-1],
            test_index=index,
            train_animals=[other for other in "ABC" if other != animal],
            test_animals=[animal],
            labels=windows.labels[index],
            student_distilled_logits=logits,
            **kept,
        )
        predicted.append(logits.argmax(axis=1))
        order.append(index)
    tested = windows.take(np.concatenate(order))
    scores = score(tested.labels, np.concatenate(predicted), tested.animals, windows.classes)
    floats = {**combine_seeds([scores]), "parameters": weights.parameters}
    metrics = study.file("metrics.json")
    update_metrics(metrics, data=card.name, split="loao", seeds=[0], models={"student_distilled": floats})
    study.finish("distill", inputs={}, options={"student": "mobilenet", "split": "loao"}, outputs=outputs)
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return random_study(tmp_path_factory.mktemp("herd"))


def command(study: Study, *arguments: str):
    return CliRunner().invoke(app_module.app, [arguments[0], "--run", str(study.path), *arguments[1:]])


def quantized(study: Study, *options: str):
    return command(study, "quantize", "--data-root", str(study.path.parents[1]), *options)


REFUSED = (
    ("quantize", "--qat"),
    ("quantize", "--bits", "auto"),
    ("quantize", "--bits", "4"),
    ("quantize", "--gates", "direct"),
    ("quantize", "--activation-bits", "12"),
    ("quantize", "--no-tflite"),
    ("quantize", "--tflite", "int16x8"),
    ("generate",),
    ("build",),
    ("flash",),
    ("flash", "--dry-run"),
    ("validate", "--board", "collar", "--emulate"),
    ("ranges",),
    ("bench",),
    ("classify", "collar.npy", "--out", "results"),
)


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_a_mobilenet_does_not_have_is_refused_in_one_sentence(study, arguments):
    """Also before the study is quantized, so that nobody quantizes it in vain."""
    before = sorted(study.path.rglob("*"))
    result = command(study, *arguments)
    assert isinstance(result.exception, UserError), result.output
    said = str(result.exception)
    assert "mobilenet" in said and "gru-mlp" in said and said.count(". ") == 0
    assert sorted(study.path.rglob("*")) == before


def test_quantize_writes_the_file_and_scores_every_folds_student_as_int8(study):
    from mcukd.tflite.window import evaluate_windows

    result = quantized(study, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["ran"] and facts["tflite"]["window"] == 10
    assert facts["tflite"]["output"]["name"] == "probabilities"
    assert any("TFLite runtime" in remark and "no firmware" in remark for remark in facts["remarks"])
    card = load_card(study.card)
    windows = load_windows(card, study.path.parents[1])
    shipped = load_any_student(study.file("student.keras"))
    found = evaluate_windows(study.file(TFLITE), windows.counts).argmax(axis=1)
    assert np.mean(found == answers(shipped, windows.counts).argmax(axis=1)) > 0.7
    scores = json.loads(study.file("metrics.json").read_text())["models"]["tflite_int8"]
    tested = np.isin(windows.animals, ["A", "B"])
    assert np.sum(scores["confusion"]) == tested.sum() and set(scores["per_animal"]) == {"A", "B"}
    assert scores["seeds"] == [0, 1] and 0.7 < scores["float_agreement"] <= 1
    assert "BUILTIN_REF" in scores["kernels"] and scores["parameters"] > 70_000
    assert not json.loads(quantized(study, "--json").stdout)["ran"]
    said = quantized(study)
    assert "already quantized" in said.output and "CONV_2D" in said.output


def test_evaluate_and_report_work_without_an_integer_model_of_ours(study):
    if not study.file(TFLITE).exists():  # where another test has not quantized it already
        assert quantized(study).exit_code == 0
    evaluated = command(study, "evaluate", "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert command(study, "report").exit_code == 0
    page = study.file("report.html").read_text()
    assert "through a TFLite runtime" in page and "mcukd quantize" not in page.split("Provenance")[0]


def test_the_model_of_an_earlier_student_is_not_mixed_with_this_one(study, tmp_path):
    copy = tmp_path / "net"
    shutil.copytree(study.path, copy)
    (copy / "fixedpoint.json").write_text("{}")
    with pytest.raises(UserError, match=r"fixedpoint\.json.*a student that this study had before"):
        raise quantized(Study.open(copy)).exception or AssertionError("not refused")


@pytest.mark.slow
def test_a_trained_student_goes_through_the_pipeline(tmp_path):
    """distill → quantize → evaluate → robustness → report, by the command line alone."""
    write_moving_herd(tmp_path)
    card, run = str(tmp_path / "card.toml"), tmp_path / "runs" / "net"
    short = [f"--{name}=1" for name in ("seeds", "epochs", "teacher-epochs", "jobs")]
    short += ["--student", "mobilenet", "--no-baselines"]
    options = ["--data", card, "--data-root", str(tmp_path), "--split", "holdout=A", "--run", str(run)]
    distilled = CliRunner().invoke(app_module.app, ["distill", *options, "--method", "none", *short])
    assert distilled.exit_code == 0, distilled.output
    study = Study.open(run)
    with np.load(study.file("evaluation", "holdout-s0.npz")) as stored:
        windows = load_windows(load_card(card), tmp_path).take(stored["test_index"])
        # The arrays are of the very student whose logits stand beside them, and take raw counts.
        weights = stored_weights(stored, "student__")
        np.testing.assert_allclose(weights.logits(windows.counts), stored["student_logits"], atol=1e-3)
    for arguments in (
        ("quantize",),
        ("evaluate",),
        ("robustness", "--disturbances", "noise"),
        ("report",),
    ):
        result = command(study, *arguments)
        assert result.exit_code == 0, result.output
    models = json.loads(study.file("metrics.json").read_text())["models"]
    assert {"student", "tflite_int8"} <= set(models)
    undisturbed = json.loads(study.file("robustness.json").read_text())["undisturbed"]
    assert undisturbed["tflite_int8"]["mcc"] == pytest.approx(models["tflite_int8"]["mcc"])
