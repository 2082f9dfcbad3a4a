"""Options that a study cannot have are refused before samples are read, models loaded or cores emulated."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.filter_mlp import filter_model
from builders.students import headed_student, random_student, random_windows
from builders.studies import quantized_study
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.fixedpoint.gru.mixed import candidates, flash_bytes
from mcukd.fixedpoint.mixed import Objective, check_budget
from mcukd.fixedpoint.model import save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.models.weights import GruMlpWeights
from mcukd.profiling.emulate import check_room
from mcukd.study import Study


def study_of(folder: Path, student: str, weights: GruMlpWeights) -> Study:
    """A study as `distill` leaves it, of random students and of a file that is no student."""
    study = Study.create(folder, "herd-sim", 0)
    study.file("student.keras").write_text("not to be read")
    study.file("evaluation").mkdir()
    fold = study.file("evaluation", "a0-s0.npz")
    arrays = weights.arrays("student_distilled__")
    np.savez(fold, test_index=[0], train_animals=["a1"], **arrays)
    options = {} if student == "gru-mlp" else {"student": student}
    study.finish("distill", inputs={}, options=options, outputs=[study.file("student.keras"), fold])
    return study


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a command begins to work: samples, their hash, TensorFlow's models."""

    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("work began before the refusal")

    for place in (
        "mcukd.pipeline.quantize.load_windows",
        "mcukd.pipeline.quantize.dataset_sha256",
        "mcukd.pipeline.quantize.load_any_student",
        "mcukd.pipeline.ranges.load_windows",
        "mcukd.pipeline.ranges.dataset_sha256",
        "mcukd.pipeline.quantize_tflite.load_windows",
        "mcukd.pipeline.quantize_tflite.dataset_sha256",
        "mcukd.profiling.study.load_windows",
        "mcukd.pipeline.validate.read_recorded",
    ):
        monkeypatch.setattr(place, work)


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UserError), result.output + repr(result.exception)
    return str(result.exception)


# --- The smallest model --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mlp", "linear", "prototype"])
@pytest.mark.parametrize("hidden", [5, 8])
def test_bytes_follow_from_shapes_alone(kind: str, hidden: int) -> None:
    student = random_student(0, hidden=hidden, dense=3) if kind == "mlp" else headed_student(kind, 0, hidden)
    windows = random_windows(12, 10)
    for config in [*candidates(QuantizeConfig()), QuantizeConfig(6), QuantizeConfig(12, gates="direct")]:
        model = quantize(student, windows, config, 10)
        assert flash_bytes(student, config) == model.weight_bytes + model.table_bytes, config


def test_a_budget_is_refused_below_the_least_and_met_at_it() -> None:
    student, tried = random_student(0, hidden=8), candidates(QuantizeConfig())
    least = min(flash_bytes(student, config) for config in tried)
    check_budget(Objective(budget_flash=least), tried, [student])
    check_budget(Objective(max_mcc_drop=0.0), tried, [student])
    with pytest.raises(
        UserError, match=f"allows {least - 1} bytes, but the smallest model takes {least} bytes"
    ):
        check_budget(Objective(budget_flash=least - 1), tried, [random_student(0, hidden=2), student])
    direct = candidates(QuantizeConfig(), ["direct"])
    with pytest.raises(UserError, match=f"takes {least + 1024} bytes"):
        check_budget(Objective(budget_flash=least), direct, [student])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--budget-flash", "1KB"], "--budget-flash allows 1024 bytes, but the smallest model takes"),
        (["--budget-flash", "1"], "--budget-flash allows 1 bytes"),
        (["--budget-flash", "1KB", "--max-mcc-drop", "0.1"], "--budget-flash allows 1024 bytes"),
        (["--budget-flash", "2KB", "--gates", "direct"], "--budget-flash allows 2048 bytes"),
    ],
)
def test_an_impossible_budget_is_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None, options: list[str], sentence: str
) -> None:
    study = study_of(tmp_path / "a", "gru-mlp", random_student(0, hidden=16, dense=16, classes=6))
    before = (study.path / "study.json").read_bytes()
    assert sentence in refusal("quantize", "--run", str(study.path), "--bits", "auto", *options)
    assert (study.path / "study.json").read_bytes() == before


# --- Students that a command does not know ---------------------------------------------------------------


def test_ranges_of_a_filter_student_are_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None
) -> None:
    study = study_of(tmp_path / "a", "filter-mlp", random_student(0))
    said = refusal("ranges", "--run", str(study.path))
    assert "follows a gru-mlp step by step, and this study's student is a filter-mlp" in said
    # Quantized, and even where the manifest does not tell, the model does.
    study.finish("quantize", inputs={}, options={}, outputs=save_model(filter_model(0), study.path))
    assert refusal("ranges", "--run", str(study.path)) == said
    study.forget("distill")
    assert refusal("ranges", "--run", str(study.path)) == said


def test_ranges_into_a_folder_are_refused_before_the_work(tmp_path: Path, nothing_is_read: None) -> None:
    study = study_of(tmp_path / "a", "gru-mlp", random_student(0))
    said = refusal("ranges", "--run", str(study.path), "--figure", str(tmp_path))
    assert "is a directory, expected the name of an SVG file" in said


def test_ranges_of_a_study_without_its_float_student_are_refused(tmp_path: Path) -> None:
    """As of the study that `observe --demo` leaves, or of one whose student was deleted."""
    said = refusal("ranges", "--run", str(quantized_study(tmp_path / "a").path))
    assert "student.keras: no such file, but the float student is what 'mcukd ranges' compares" in said


@pytest.mark.parametrize("options", [["--qat"], ["--bits", "auto", "--budget-flash", "1KB"]])
def test_what_a_filter_student_has_not_is_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None, options: list[str]
) -> None:
    study = study_of(tmp_path / "a", "filter-mlp", random_student(0))
    assert "this study's is a filter-mlp" in refusal("quantize", "--run", str(study.path), *options)


def test_a_window_too_long_for_a_filter_student_is_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcukd.data.card import load_card

    card = load_card("herd-sim")
    windows = card.windows.model_copy(update={"length": 40_000})
    monkeypatch.setattr(
        "mcukd.pipeline.quantize.study_card", lambda name: card.model_copy(update={"windows": windows})
    )
    study = study_of(tmp_path / "a", "filter-mlp", random_student(0))
    assert "a window of 40000 samples is too long" in refusal("quantize", "--run", str(study.path))


@pytest.mark.parametrize("student", ["gru-mlp", "filter-mlp", "mobilenet"])
def test_lost_folds_are_told_before_the_work(tmp_path: Path, nothing_is_read: None, student: str) -> None:
    study = study_of(tmp_path / "a", student, random_student(0))
    fold = study.file("evaluation", "a0-s0.npz")
    study.finish("distill", inputs={}, options={"student": student}, outputs=[study.file("student.keras")])
    fold.unlink()
    assert "no evaluated folds there" in refusal("quantize", "--run", str(study.path))


# --- bench -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--core", "m7"], "core m7"),
        (["--optimize", "fast"], "--optimize fast: choose one of speed, size"),
        (["--windows", "0"], "--windows 0"),
    ],
)
def test_bench_options_are_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None, monkeypatch: pytest.MonkeyPatch, options: list[str], sentence: str
) -> None:
    monkeypatch.setattr("mcukd.profiling.study.require_tool", lambda *_: "")
    study = study_of(tmp_path / "a", "gru-mlp", random_student(0))
    model = quantize(random_student(0), random_windows(12, 10), QuantizeConfig(), 10)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(model, study.path))
    assert sentence in refusal("bench", "--run", str(study.path), *options)


def test_windows_that_do_not_fit_the_core_are_counted() -> None:
    check_room(10_000, 256, 3)
    with pytest.raises(UserError, match="11000 windows take 16896016 bytes, the emulated board has 16777216"):
        check_room(11_000, 256, 3)


# --- generate, build, validate ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["generate", "build", "validate"])
def test_a_scale_that_no_firmware_makes_is_refused_before_anything_is_written(
    tmp_path: Path, nothing_is_read: None, command: str
) -> None:
    model = replace(
        quantize(random_student(0), random_windows(12, 10), QuantizeConfig(), 10), counts_per_g=1.5
    )
    study = Study.create(tmp_path / "a", "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(model, study.path))
    emulate = ["--emulate"] if command == "validate" else []
    said = refusal(command, "--run", str(study.path), "--board", "collar", *emulate)
    assert "board collar: the model takes 1.5 counts per g and the sensor gives 512" in said
    assert not study.file("firmware").exists()
    assert "generate:collar" not in json.loads(study.file("study.json").read_text())["stages"]


def test_validate_without_an_emulator_is_refused_before_the_work(
    tmp_path: Path, nothing_is_read: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quantize(random_student(0), random_windows(12, 10), QuantizeConfig(), 10)
    study = Study.create(tmp_path / "a", "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(model, study.path))
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refusal("validate", "--run", str(study.path), "--board", "collar-emulated")
    assert "qemu-system-arm is not on the PATH, but is needed to run collar-emulated" in said
    monkeypatch.setitem(sys.modules, "unicorn", None)
    said = refusal("validate", "--run", str(study.path), "--board", "collar", "--emulate")
    assert "the model of the cc2650 needs the package unicorn, which is not installed" in said
