from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import random_model
from typer.testing import CliRunner

from mcukd.boards.model import load_board
from mcukd.boards.stages import build_stage, ensure_built, generate_stage, sensor_remarks
from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.fixedpoint.model import save_model
from mcukd.study import Study

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def quantized_study(path: Path, seed: int = 0) -> Study:
    study = Study.create(path, "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(random_model(seed), study.path))
    return study


def mcukd(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Any:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@needs_cc
def test_second_run_does_nothing_and_a_new_model_does(tmp_path: Path) -> None:
    study, board = quantized_study(tmp_path / "run"), load_board("native")
    first = ensure_built(study, board)
    assert (first.generated.ran, first.ran) == (True, True)
    assert first.elf == tmp_path / "run/firmware/native/build/firmware.elf"
    second = ensure_built(Study.open(tmp_path / "run"), board)
    assert (second.generated.ran, second.ran) == (False, False)
    assert second.result.size == first.result.size
    assert second.generated.firmware_sha256 == first.generated.firmware_sha256
    third = ensure_built(quantized_study(tmp_path / "run", seed=1), board)
    assert (third.generated.ran, third.ran) == (True, True)
    assert third.generated.firmware_sha256 != first.generated.firmware_sha256


@needs_cc
def test_build_refuses_stale_sources(tmp_path: Path) -> None:
    study, board = quantized_study(tmp_path / "run"), load_board("native")
    with pytest.raises(UserError, match="mcukd generate"):
        build_stage(study, board)
    generate_stage(study, board)
    quantized_study(tmp_path / "run", seed=1)
    with pytest.raises(UserError, match=r"'generate:native' is stale.*mcukd generate"):
        build_stage(Study.open(tmp_path / "run"), board)


@needs_cc
def test_source_edited_by_hand_is_noticed(tmp_path: Path) -> None:
    study, board = quantized_study(tmp_path / "run"), load_board("native")
    ensure_built(study, board)
    source = tmp_path / "run/firmware/native/mcukd_model.c"
    source.write_text(source.read_text() + "/* mine */\n")
    with pytest.raises(UserError, match=r"mcukd_model\.c: missing or changed"):
        build_stage(study, board)
    assert ensure_built(study, board).generated.ran
    assert "mine" not in source.read_text()


def test_changed_board_is_generated_anew(tmp_path: Path) -> None:
    study, board = quantized_study(tmp_path / "run"), load_board("collar")
    assert generate_stage(study, board).ran
    assert not generate_stage(study, board).ran
    assert generate_stage(study, board.model_copy(update={"stack_bytes": 4096})).ran


def test_rate_and_scale_that_the_sensor_has_not_are_remarked() -> None:
    model = replace(random_model(), rate_hz=62.5, counts_per_g=512.0)
    assert sensor_remarks(model, load_board("collar")) == []
    (remark,) = sensor_remarks(model, load_board("eartag"))
    assert "62.5 Hz" in remark
    assert "BMA400" in remark
    (remark,) = sensor_remarks(replace(model, rate_hz=50.0, counts_per_g=4096.0), load_board("eartag"))
    assert "4096 counts per g" in remark
    assert sensor_remarks(model, load_board("native")) == []


@needs_cc
def test_commands_print_facts_and_do_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "runs/one")
    facts = json.loads(mcukd(monkeypatch, tmp_path, "build", "--board", "native", "--json").stdout)
    assert facts["ran"] is True
    assert facts["emulated"] is True
    assert Path(tmp_path, facts["elf"]).is_file()
    again = mcukd(monkeypatch, tmp_path, "build", "--board", "native")
    assert again.exit_code == 0
    assert again.stdout.count("nothing to do") == 2


def test_dry_run_prints_the_command_and_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized_study(tmp_path / "runs/one")
    shown = mcukd(monkeypatch, tmp_path, "flash", "--board", "eartag", "--runner", "pyocd", "--dry-run")
    elf = (tmp_path / "runs/one/firmware/eartag/build/firmware.elf").resolve()
    assert shown.stdout.strip() == (
        "pyocd load --target nrf52840 --no-wait -O auto_unlock=false --erase sector --format elf " + str(elf)
    )
    assert not (tmp_path / "runs/one/firmware").exists()


@needs_cc
def test_emulated_firmware_prints_its_url_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "runs/one")
    shown = mcukd(monkeypatch, tmp_path, "flash", "--board", "native", "--emulate", "--seconds", "0.1")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("/dev/")


def test_boards_lists_what_is_unverified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = json.loads(mcukd(monkeypatch, tmp_path, "boards", "--json").stdout)
    assert [board["name"] for board in facts] == [
        "collar", "collar-emulated", "eartag", "eartag-emulated", "native",
    ]  # fmt: skip
    assert "never run" in mcukd(monkeypatch, tmp_path, "boards", "collar").stdout


def test_a_board_built_for_size_is_another_firmware(tmp_path: Path) -> None:
    study = quantized_study(tmp_path / "run")
    board = load_board("native")
    fast = generate_stage(study, board)
    small = generate_stage(study, board.with_optimize("size"))
    assert small.ran
    assert small.firmware_sha256 != fast.firmware_sha256
    assert load_board("collar").with_optimize("size").twin().optimize == "size"
    with pytest.raises(UserError, match="--optimize fast: choose one of speed, size"):
        board.with_optimize("fast")
