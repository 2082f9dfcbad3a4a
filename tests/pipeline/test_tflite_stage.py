"""TFLite files of the quantize stage: which are written, scored, recorded and asked for again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.students import random_student
from typer.testing import CliRunner

from mcukd.cli import app as app_module
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.errors import UserError
from mcukd.metrics.metrics_file import update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.gru_mlp import build_student
from mcukd.models.tflite_widths import (
    TFLITE_WIDTHS,
    asked_tflite,
    parse_tflite,
    recorded_tflite,
    tflite_value,
)
from mcukd.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of one held-out animal as `distill` leaves it, with a random student for a trained one."""
    root = tmp_path_factory.mktemp("herd")
    write_moving_herd(root)
    card = load_card(str(root / "card.toml"))
    windows, study = load_windows(card, root), Study.create(root / "runs" / "gru", str(card.path), 0)
    weights = random_student(classes=2)
    outputs = [study.file("student.keras"), study.file("evaluation", "A-s0.npz")]
    build_student(windows.counts.shape[1], 3, 2, weights.mean, weights.std).save(outputs[0])
    study.file("evaluation").mkdir()
    index = np.flatnonzero(windows.animals == "A")
    logits = weights.logits(windows.counts[index])
    np.savez(
        outputs[1],
        test_index=index,
        train_animals=["B", "C"],
        test_animals=["A"],
        labels=windows.labels[index],
        student_distilled_logits=logits,
        **weights.arrays("student_distilled__"),
    )
    tested = windows.take(index)
    floats = combine_seeds([score(tested.labels, logits.argmax(axis=1), tested.animals, windows.classes)])
    update_metrics(
        study.file("metrics.json"),
        data=card.name,
        split="holdout=A",
        seeds=[0],
        models={"student_distilled": {**floats, "parameters": weights.parameters}},
    )
    study.finish("distill", inputs={}, options={"split": "holdout=A"}, outputs=outputs)
    return study


def quantized(study: Study, *options: str) -> dict:
    arguments = ["quantize", "--run", str(study.path), "--data-root", str(study.path.parents[1]), "--json"]
    result = CliRunner().invoke(app_module.app, [*arguments, *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_files_asked_for_are_written_scored_recorded_and_shown(study: Study) -> None:
    facts = quantized(study, "--tflite", "both")
    assert facts["ran"] and set(facts["metrics"]) == {"fixed_point_8", "tflite_int8", "tflite_int16x8"}
    written = Study.open(study.path).manifest["stages"]["quantize"]["outputs"]
    assert {"student_int8.tflite", "student_int16x8.tflite"} <= set(written)
    models = json.loads(study.file("metrics.json").read_text())["models"]
    assert models["tflite_int16x8"]["seeds"] == [0] and "BUILTIN_REF" in models["tflite_int16x8"]["kernels"]
    assert not quantized(study, "--tflite", "both")["ran"]
    # With the usual file a study is what it was before there was a choice; a bare option asks for it.
    assert quantized(study)["ran"]
    assert Study.open(study.path).options("quantize")["tflite"] is True
    assert not quantized(study, "--tflite")["ran"] and not quantized(study, "--tflite", "--bits", "8")["ran"]
    assert CliRunner().invoke(app_module.app, ["report", "--run", str(study.path)]).exit_code == 0
    page = study.file("report.html").read_text()
    assert "TFLite int8" in page and "TFLite int16x8" in page
    assert set(quantized(study, "--no-tflite")["metrics"]) == {"fixed_point_8"}


def test_another_kind_of_file_is_refused_in_one_sentence(study: Study) -> None:
    result = CliRunner().invoke(app_module.app, ["quantize", "--run", str(study.path), "--tflite", "int4"])
    assert isinstance(result.exception, UserError)
    said = str(result.exception)
    assert "int4" in said and "int8, int16x8, both" in said and "--no-tflite" in said


@pytest.mark.parametrize(
    ("value", "recorded"), [("int8", True), ("int16x8", ["int16x8"]), ("both", ["int8", "int16x8"])]
)
def test_what_was_asked_for_is_read_back_from_what_was_recorded(value: str, recorded: object) -> None:
    asked = parse_tflite(value)
    assert recorded_tflite(asked) == recorded and recorded_tflite(()) is False
    assert asked_tflite(recorded) == asked and tflite_value(asked) == value
    assert asked_tflite(False) == ()
    assert [one.file for one in TFLITE_WIDTHS.values()] == ["student_int8.tflite", "student_int16x8.tflite"]
