"""Pipeline with a student of a family without a kernel: distill, quantize, generate, validate, report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.random_studies import moving_herd, random_study
from builders.training import CONFIG
from typer.testing import CliRunner, Result

from mcukd.boards.launch import tools_missing
from mcukd.boards.model import load_board
from mcukd.cli import app as app_module
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.distillation.architectures import STUDENTS
from mcukd.errors import UserError
from mcukd.evaluation.agreement import agreement
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.filter_mlp.model import FilterMlpModel
from mcukd.fixedpoint.model import load_model
from mcukd.models.cnn import build_cnn
from mcukd.models.filter_mlp import build_filter_mlp
from mcukd.pipeline.distill import distill
from mcukd.study import Study


@dataclass(frozen=True)
class Family:
    """One family. steps: of its windows. build: its Keras model. model: type of its integer model.

    tensor, formatted: a tensor that reports show, and one that has a format. difference: largest of the MCC
    from float with eight bits. title: of its model in tables. training, length: options of a study that is
    trained soon, and samples of its recordings.
    """

    steps: int
    build: Callable[[], Any]
    model: type
    tensor: str
    formatted: str
    difference: float
    title: str
    training: dict[str, Any]
    length: int


CNN_STEPS, FILTER_STEPS = STUDENTS["cnn"].least_steps + 6, 20
FAMILIES = {
    "cnn": Family(
        CNN_STEPS,
        lambda: build_cnn(CNN_STEPS, 3, 2, np.zeros(3), np.full(3, 70.0**2), 4, 6),
        CnnModel,
        tensor="conv1_out",
        formatted="conv1",
        difference=0.05,
        title="CNN 4",
        training={"cnn_filters": 4, "split": "holdout=A", "epochs": 40, "teacher_epochs": 2},
        length=2000,
    ),
    "filter-mlp": Family(
        FILTER_STEPS,
        lambda: build_filter_mlp(FILTER_STEPS, 3, 2, np.zeros(3), np.full(3, 70.0**2)),
        FilterMlpModel,
        tensor="fir1_pre",
        formatted="fir1",
        difference=0.1,
        title="filter-MLP",
        training={"epochs": 60, "teacher_epochs": 4},
        length=400,
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def study(family: str, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of random students, quantized to 8 bits."""
    root, own = tmp_path_factory.mktemp("herd"), FAMILIES[family]
    made = random_study(root, moving_herd(root, own.steps), family, own.build())
    assert quantized(made, "--bits", "8").exit_code == 0
    return made


def command(study: Study, *arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, [arguments[0], "--run", str(study.path), *arguments[1:]])


def root_of(study: Study) -> str:
    return str(study.path.parents[1])


def quantized(study: Study, *options: str) -> Result:
    return command(study, "quantize", "--data-root", root_of(study), *options)


def test_quantize_makes_the_integer_model_of_its_family(study: Study, family: str) -> None:
    own = FAMILIES[family]
    # The widths of another run, so that this one makes the model anew.
    assert quantized(study, "--bits", "16").exit_code == 0
    result = quantized(study, "--bits", "8", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["ran"] and facts["bits"] == 8 and own.formatted in facts["formats"]
    assert any("TFLite" in remark for remark in facts["remarks"])
    model = load_model(study.path)
    assert isinstance(model, own.model) and model.window == own.steps
    assert model.sha256 == facts["model_sha256"] and model.title == own.title
    models = json.loads(study.file("metrics.json").read_text())["models"]
    integer, floats = models["fixed_point_8"], models["student_distilled"]
    assert abs(integer["mcc"] - floats["mcc"]) < own.difference
    assert integer["parameters"] == floats["parameters"]
    again = json.loads(quantized(study, "--bits", "8", "--json").stdout)
    assert not again["ran"] and any("TFLite" in remark for remark in again["remarks"])


@pytest.mark.parametrize("options", [("--bits", "8", "--qat"), ("--bits", "auto")])
def test_what_is_for_grus_is_refused_in_one_sentence(study: Study, options: tuple[str, ...]) -> None:
    result = quantized(study, *options)
    assert isinstance(result.exception, UserError)
    assert "is for gru-mlp students" in str(result.exception)


def test_ranges_are_refused_as_they_follow_a_gru(study: Study, family: str) -> None:
    result = command(study, "ranges", "--data-root", root_of(study))
    assert isinstance(result.exception, UserError) and family in str(result.exception)


def test_a_gate_table_is_taken_by_filters_and_refused_where_none_is_read(study: Study, family: str) -> None:
    result = quantized(study, "--bits", "8", "--gates", "direct")
    if family == "cnn":
        assert isinstance(result.exception, UserError)
        assert "--gates direct: a cnn student reads no gate table" in str(result.exception)
    else:
        assert result.exit_code == 0 and load_model(study.path).gates == "direct"


def test_every_width_is_near_the_float_student(study: Study) -> None:
    for bits in (16, 4, 8):
        assert quantized(study, "--bits", str(bits)).exit_code == 0
        found = agreement(Study.open(study.path), load_windows(load_card(study.card), Path(root_of(study))))
        assert found is not None and "problem" not in found
        assert found["float_equals_integer"] >= (0.9 if bits == 4 else 1.0) * found["windows"], bits


def proved(study: Study, *board: str) -> None:
    assert quantized(study, "--bits", "8").exit_code == 0
    result = command(study, "validate", *board, "--windows", "30", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"] and facts["windows"] == 30
    assert facts["emulated"] and facts["model_sha256"] == load_model(study.path).sha256


@pytest.mark.skipif(
    bool(tools_missing(load_board("native"))) or shutil.which("cc") is None, reason="needs a host C compiler"
)
def test_the_native_board_is_proved_and_the_report_shows_it(study: Study, family: str) -> None:
    proved(study, "--board", "native")
    result = command(study, "report")
    assert result.exit_code == 0, result.output
    page = study.file("report.html").read_text()
    assert FAMILIES[family].tensor in page and "Fixed point, 8 bits" in page and "native" in page


@pytest.mark.slow
def test_a_trained_student_goes_through_the_pipeline(tmp_path: Path, family: str) -> None:
    own = FAMILIES[family]
    card = moving_herd(tmp_path, own.steps, length=own.length)
    trained = Study.create(tmp_path / "runs" / "trained", str(card.path), 0)
    config = replace(CONFIG, student=family, **own.training)
    metrics = distill(trained, card, tmp_path, config)
    assert metrics["models"]["student_distilled"]["mcc"] > 0.8
    proved(trained, "--board", "native")
    models = json.loads(trained.file("metrics.json").read_text())["models"]
    assert models["fixed_point_8"]["mcc"] > models["student_distilled"]["mcc"] - 0.1


@pytest.mark.emulator
@pytest.mark.parametrize("board", ["collar", "eartag"])
def test_both_boards_are_proved_in_emulation(study: Study, board: str) -> None:
    proved(study, "--board", board, "--emulate")


@pytest.mark.emulator
@pytest.mark.parametrize("core", ["m3", "m4f"])
def test_bench_measures_it(study: Study, family: str, core: str) -> None:
    assert quantized(study, "--bits", "8").exit_code == 0
    where = ("--core", core, "--windows", "4", "--data-root", root_of(study))
    result = command(study, "bench", *where)
    assert result.exit_code == 0, result.output
    assert FAMILIES[family].title in result.output and "0 of 4" in result.output
    row = json.loads(command(study, "bench", *where, "--json").stdout)
    assert row["mismatches"] == 0 and row["kernel"] == "portable C" and row["hidden"] is None
    assert row["state_bytes"] == 2 * load_model(study.path).state_halfwords
    assert np.isfinite(row["max_prob_error"])
