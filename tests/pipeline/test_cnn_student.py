"""Pipeline with a CNN student: distill, quantize, generate, validate, report."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.random_studies import moving_herd, random_study
from builders.training import CONFIG
from typer.testing import CliRunner, Result

from mcukd.boards.launch import tools_missing
from mcukd.boards.model import load_board
from mcukd.cli import app as app_module
from mcukd.distillation.architectures import STUDENTS
from mcukd.errors import UserError
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.model import load_model
from mcukd.models.cnn import build_cnn
from mcukd.pipeline.distill import distill
from mcukd.study import Study

STEPS = STUDENTS["cnn"].least_steps + 6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of random students, quantized to 8 bits."""
    root = tmp_path_factory.mktemp("herd")
    model = build_cnn(STEPS, 3, 2, np.zeros(3), np.full(3, 70.0**2), 4, 6)
    made = random_study(root, moving_herd(root, STEPS), "cnn", model)
    assert quantized(made, "--bits", "8").exit_code == 0
    return made


def command(study: Study, *arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, [arguments[0], "--run", str(study.path), *arguments[1:]])


def root_of(study: Study) -> str:
    return str(study.path.parents[1])


def quantized(study: Study, *options: str) -> Result:
    return command(study, "quantize", "--data-root", root_of(study), *options)


def test_quantize_makes_its_integer_model(study: Study) -> None:
    model = load_model(study.path)
    assert isinstance(model, CnnModel) and model.window == STEPS and model.layers[0].filters == 4
    models = json.loads(study.file("metrics.json").read_text())["models"]
    integer, floats = models["fixed_point_8"], models["student_distilled"]
    assert abs(integer["mcc"] - floats["mcc"]) < 0.05
    assert integer["parameters"] == floats["parameters"]
    result = quantized(study, "--bits", "8", "--json")
    assert any("TFLite" in remark for remark in json.loads(result.stdout)["remarks"])


@pytest.mark.parametrize("options", [("--bits", "8", "--qat"), ("--bits", "auto")])
def test_what_is_for_grus_is_refused_in_one_sentence(study: Study, options: tuple[str, ...]) -> None:
    result = quantized(study, *options)
    assert isinstance(result.exception, UserError)
    assert "is for gru-mlp students" in str(result.exception)


def test_a_gate_table_is_refused_as_it_has_none(study: Study) -> None:
    result = quantized(study, "--bits", "8", "--gates", "direct")
    assert isinstance(result.exception, UserError)
    assert "--gates direct: a cnn student reads no gate table" in str(result.exception)


def test_ranges_are_refused_as_they_follow_a_gru(study: Study) -> None:
    result = command(study, "ranges", "--data-root", root_of(study))
    assert isinstance(result.exception, UserError) and "cnn" in str(result.exception)


def proved(study: Study, *board: str) -> None:
    result = command(study, "validate", *board, "--windows", "30", "--json", "--data-root", root_of(study))
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"] and facts["windows"] == 30
    assert facts["emulated"] and facts["model_sha256"] == load_model(study.path).sha256


@pytest.mark.skipif(
    bool(tools_missing(load_board("native"))) or shutil.which("cc") is None, reason="needs a host C compiler"
)
def test_the_native_board_is_proved_and_the_report_shows_it(study: Study) -> None:
    proved(study, "--board", "native")
    result = command(study, "report")
    assert result.exit_code == 0, result.output
    page = study.file("report.html").read_text()
    assert "conv1_out" in page and "Fixed point, 8 bits" in page and "native" in page


@pytest.mark.slow
def test_a_trained_student_goes_through_the_pipeline(tmp_path: Path) -> None:
    card = moving_herd(tmp_path, STEPS, length=2000)
    trained = Study.create(tmp_path / "runs" / "trained", str(card.path), 0)
    config = replace(CONFIG, student="cnn", cnn_filters=4, split="holdout=A", epochs=40, teacher_epochs=2)
    metrics = distill(trained, card, tmp_path, config)
    assert metrics["models"]["student_distilled"]["mcc"] > 0.8
    assert quantized(trained, "--bits", "8").exit_code == 0
    proved(trained, "--board", "native")


@pytest.mark.emulator
@pytest.mark.parametrize("board", ["collar", "eartag"])
def test_both_boards_are_proved_in_emulation(study: Study, board: str) -> None:
    proved(study, "--board", board, "--emulate")


@pytest.mark.emulator
def test_bench_measures_it(study: Study) -> None:
    where = ("--core", "m4f", "--windows", "4", "--data-root", root_of(study), "--json")
    row = json.loads(command(study, "bench", *where).stdout)
    assert row["mismatches"] == 0 and row["kernel"] == "portable C" and row["hidden"] is None
    assert row["state_bytes"] == 2 * load_model(study.path).state_halfwords
