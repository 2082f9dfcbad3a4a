"""Stale stages: all reported at once, with the commands to refresh them in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.report_study import finish_board, whole_study
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.report.stale import commands, require_current, stale_stages
from mcukd.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return whole_study(tmp_path / "herd")


def spoil(study: Study, name: str) -> None:
    study.file(name).write_bytes(study.file(name).read_bytes() + b" ")


def remade(study: Study, stage: str, name: str) -> None:
    """Write a file of a stage anew, and record it as that stage does."""
    spoil(study, name)
    record = study.manifest["stages"][stage]
    files = [study.file(one) for one in record["outputs"]]
    study.finish(stage, inputs=record["inputs"], options=record["options"], outputs=files)


def test_a_whole_study_is_current(study: Study) -> None:
    assert stale_stages(study) == []
    require_current(study)


def test_a_new_student_makes_all_that_follows_stale_in_order(study: Study) -> None:
    remade(study, "distill", "student.keras")
    found = stale_stages(study)
    assert [one.stage for one in found] == [
        *("quantize", "build:collar-emulated", "build:eartag-emulated", "validate:collar", "validate:eartag")
    ]
    assert found[0].reason == "'distill' made student.keras anew after it"
    assert found[1].reason == "was made from what 'quantize' wrote, which is stale"


def test_all_reasons_and_all_commands_are_said_at_once(study: Study) -> None:
    remade(study, "distill", "student.keras")
    study.file("validation/eartag.json").unlink()
    done = CliRunner().invoke(app, ["report", "--run", str(study.path)])
    assert isinstance(done.exception, UserError)
    run = f"--run {study.path}"
    assert str(done.exception).splitlines() == [
        f"{study.path}: 5 stages are stale, whose figures would not belong to the others:",
        "  quantize: 'distill' made student.keras anew after it",
        "  build:collar-emulated: was made from what 'quantize' wrote, which is stale",
        "  build:eartag-emulated: was made from what 'quantize' wrote, which is stale",
        "  validate:collar: was made from what 'quantize' wrote, which is stale",
        "  validate:eartag: validation/eartag.json is missing",
        "To bring the study up to date, run in this order:",
        f"  mcukd quantize {run} --bits 8",
        f"  mcukd build {run} --board collar-emulated",
        f"  mcukd build {run} --board eartag-emulated",
        f"  mcukd validate {run} --board collar --emulate",
        f"  mcukd validate {run} --board eartag --emulate",
        f"  mcukd report {run}",
    ]
    assert not study.file("report.html").exists()


def test_boards_apart_from_each_other_do_not_make_each_other_stale(study: Study) -> None:
    spoil(study, "firmware/collar-emulated/size.json")
    assert [one.stage for one in stale_stages(study)] == ["build:collar-emulated"]
    with pytest.raises(UserError, match="1 stage is stale"):
        require_current(study)


def test_the_page_itself_is_never_called_stale(study: Study) -> None:
    page = study.file("report.html")
    page.write_text("a page")
    study.finish("report", inputs={"fixedpoint.npz": "0" * 64}, options={}, outputs=[page])
    page.write_text("another")
    assert stale_stages(study) == []


def test_a_stage_is_run_again_with_the_options_that_it_recorded(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "run", "herd-sim", 0)
    run = f"--run {study.path}"
    study.finish("quantize", inputs={}, options={}, outputs=[], command=["--bits", "4", "--qat"])
    study.finish("validate:mine", inputs={}, options={}, outputs=[])
    assert Study.open(study.path).refresh("quantize") == f"mcukd quantize {run} --bits 4 --qat"
    assert commands(study, ["quantize", "distill", "validate:mine"]) == [
        f"mcukd distill {run}",
        f"mcukd quantize {run} --bits 4 --qat",
        f"mcukd validate {run} --board mine",
    ]
    study.finish("distill", inputs={}, options={}, outputs=[])
    assert study.refresh("distill") == f"mcukd distill {run} --no-baselines"
    study.finish("evaluate", inputs={}, options={}, outputs=[])
    assert study.refresh("distill") == f"mcukd distill {run}"


@pytest.mark.parametrize("damaged", [5, None, "abc", {"a": 1}, [None, ["x"]]])
def test_a_damaged_command_is_not_followed(tmp_path: Path, damaged: object) -> None:
    study = Study.create(tmp_path / "run", "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=[])
    study.manifest["stages"]["quantize"]["command"] = damaged
    assert study.refresh("quantize") == f"mcukd quantize --run {study.path}"


def test_generated_and_built_takes_one_command(study: Study) -> None:
    finish_board(study, "collar", emulated=False)
    command = ["--board", "collar", "--optimize", "size"]
    for stage in ("generate:collar", "build:collar"):
        record = study.manifest["stages"].get(stage, {"inputs": {}, "options": {}})
        study.finish(stage, inputs=record["inputs"], options=record["options"], outputs=[], command=command)
    found = commands(study, ["validate:collar", "generate:collar", "build:collar"])
    assert found == [
        f"mcukd build --run {study.path} --board collar --optimize size",
        f"mcukd validate --run {study.path} --board collar --port PORT",
    ]


def test_a_path_with_a_blank_is_quoted(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "my run", "herd-sim", 0)
    study.finish("ranges", inputs={}, options={}, outputs=[])
    assert commands(study, ["ranges"]) == [f"mcukd ranges --run '{tmp_path / 'my run'}'"]
