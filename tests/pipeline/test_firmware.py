"""The generate, build and flash commands, on a study whose student is random."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders.commands import invoke
from builders.students import random_model
from builders.studies import quantized_study
from typer.testing import CliRunner

from mcukd.boards import debug_probes
from mcukd.boards.model import load_board
from mcukd.boards.toolchain import compile_flags, link_flags
from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.pipeline.firmware import build_stage, ensure_built, generate_stage, sensor_remarks
from mcukd.study import Study

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


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
    (remark,) = sensor_remarks(model, load_board("collar"))
    assert "62.5 Hz" in remark and "this firmware reads no sensor and sends nothing" in remark
    (remark,) = sensor_remarks(model, load_board("eartag"))
    assert "62.5 Hz" in remark
    assert "BMA400" in remark and "this firmware reads no sensor and sends nothing" in remark
    six: Any = SimpleNamespace(rate_hz=50.0, channels=6, counts_per_g=512.0)
    (remark,) = sensor_remarks(six, load_board("eartag"))
    assert "takes 6 channels" in remark and "gives 3, so this firmware reads no sensor" in remark
    (remark,) = sensor_remarks(replace(model, rate_hz=50.0, counts_per_g=4096.0), load_board("eartag"))
    assert "4096 counts per g" in remark
    assert sensor_remarks(model, load_board("native")) == []


@needs_cc
def test_commands_print_facts_and_do_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "runs/one")
    facts = json.loads(invoke(monkeypatch, tmp_path, "build", "--board", "native", "--json").stdout)
    assert facts["ran"] is True
    assert facts["emulated"] is True
    assert Path(tmp_path, facts["elf"]).is_file()
    again = invoke(monkeypatch, tmp_path, "build", "--board", "native")
    assert again.exit_code == 0
    assert again.stdout.count("nothing to do") == 2


def test_dry_run_prints_the_command_and_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized_study(tmp_path / "runs/one")
    shown = invoke(monkeypatch, tmp_path, "flash", "--board", "eartag", "--runner", "pyocd", "--dry-run")
    elf = (tmp_path / "runs/one/firmware/eartag/build/firmware.elf").resolve()
    assert shown.stdout.strip() == (
        "pyocd load --target nrf52840 --no-wait -O auto_unlock=false --erase sector --format elf " + str(elf)
    )
    assert not (tmp_path / "runs/one/firmware").exists()


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose ear tag was built by a compiler that is there no more; an empty folder is the PATH."""
    study, board = quantized_study(tmp_path / "runs/one"), load_board("eartag")
    generate_stage(study, board)
    sources = tmp_path / "runs/one/firmware/eartag"
    (sources / "build").mkdir()
    for suffix in ("elf", "hex", "bin"):
        (sources / f"build/firmware.{suffix}").write_bytes(b"built")
    (sources / "size.json").write_text("{}")
    names = study.manifest["stages"]["generate:eartag"]["outputs"]
    study.finish(
        "build:eartag",
        inputs=study.inputs(*names),
        options={"flags": [*compile_flags(board), *link_flags(board)], "compiler": "gcc 12"},
        outputs=[*(sources / "build").iterdir(), sources / "size.json"],
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(debug_probes, "serial_ports", list)
    return programs


def put(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


PYOCD_LOADS = (
    "echo '0003545 I Erased 4096 bytes (1 sector), programmed 4096 bytes (1 page) at 15 kB/s [loader]'"
)


@pytest.mark.parametrize("runner", ["openocd", "pyocd"])
def test_a_finished_build_is_flashed_without_a_compiler(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    """No compiler is called, whether there is none or another."""
    put(finished, "arm-none-eabi-gcc", f"touch {tmp_path}/called; exit 1")
    put(finished, "pyocd", f'{PYOCD_LOADS}; echo "$*" > {tmp_path}/argv')
    put(
        finished,
        "openocd",
        f"echo wrote 9 bytes from file x; echo verified 9 bytes; echo $* > {tmp_path}/argv",
    )
    for _ in range(2):
        shown = invoke(monkeypatch, tmp_path, "flash", "--board", "eartag", "--runner", runner)
        assert shown.exit_code == 0, shown.output
        assert "eartag: flashed" in shown.stdout
        (finished / "arm-none-eabi-gcc").unlink(missing_ok=True)
    assert not (tmp_path / "called").exists()
    assert "firmware.elf" in (tmp_path / "argv").read_text()


def test_another_compiler_builds_anew_where_it_is_asked_to_build(finished: Path, tmp_path: Path) -> None:
    study, board = Study.open(tmp_path / "runs/one"), load_board("eartag")
    assert build_stage(study, board, any_compiler=True)[1] is False
    put(finished, "arm-none-eabi-gcc", 'echo gcc 13; [ "$1" = --version ] || exit 1')
    assert build_stage(study, board, any_compiler=True)[1] is False
    with pytest.raises(UserError, match="refuses it"):
        build_stage(study, board)


def test_a_build_whose_image_was_changed_is_not_flashed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(finished, "pyocd", f"touch {tmp_path}/flashed; {PYOCD_LOADS}")
    put(finished, "arm-none-eabi-gcc", 'echo gcc 13; [ "$1" = --version ] || exit 1')
    (tmp_path / "runs/one/firmware/eartag/build/firmware.elf").write_bytes(b"another")
    with pytest.raises(UserError, match="refuses it"):
        invoke(monkeypatch, tmp_path, "flash", "--board", "eartag", "--runner", "pyocd")
    assert not (tmp_path / "flashed").exists()


def test_a_flash_that_is_stopped_says_that_the_chip_is_in_doubt(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    put(finished, "pyocd", PYOCD_LOADS)
    monkeypatch.setattr("mcukd.boards.flashing.flash", stopped)
    shown = invoke(monkeypatch, tmp_path, "flash", "--board", "eartag", "--runner", "pyocd")
    assert "What eartag holds now is not known: flash it again." in shown.stderr
    assert shown.exit_code != 0 and "flashed;" not in shown.stdout


def test_erasing_the_chip_says_what_is_lost(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(finished, "pyocd", PYOCD_LOADS)
    flash = ("flash", "--board", "eartag", "--runner", "pyocd")
    with pytest.raises(UserError, match="--erase-chip erases what the tag was told.*--erase-provisioning"):
        invoke(monkeypatch, tmp_path, *flash, "--erase-chip")
    erase = (*flash, "--erase-chip", "--erase-provisioning")
    assert "The chip erase destroys UICR too" in invoke(monkeypatch, tmp_path, *erase).stderr
    assert "UICR" not in invoke(monkeypatch, tmp_path, *flash).stderr
    with pytest.raises(UserError, match="UICR too.*--erase-chip"):
        invoke(monkeypatch, tmp_path, *flash, "--allow-erase", "--dry-run")


def test_how_a_board_is_flashed_changes_no_source(tmp_path: Path) -> None:
    study, board = quantized_study(tmp_path / "run"), load_board("eartag")
    generate_stage(study, board)
    assert board.flash is not None
    changed = board.model_copy(update={"flash": board.flash.model_copy(update={"runner": "pyocd"})})
    assert not generate_stage(study, changed).ran


@needs_cc
def test_emulated_firmware_prints_its_url_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "runs/one")
    shown = invoke(monkeypatch, tmp_path, "flash", "--board", "native", "--emulate", "--seconds", "0.1")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("/dev/")


def test_boards_lists_what_is_unverified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = json.loads(invoke(monkeypatch, tmp_path, "boards", "--json").stdout)
    assert [board["name"] for board in facts] == [
        "collar", "collar-emulated", "eartag", "eartag-emulated", "native",
    ]  # fmt: skip
    assert "never run" in invoke(monkeypatch, tmp_path, "boards", "collar").stdout


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


def test_somebody_at_a_terminal_is_asked_before_what_a_tag_was_told_is_erased(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(finished, "pyocd", PYOCD_LOADS)
    monkeypatch.setattr("mcukd.cli.firmware._at_terminal", lambda: True)
    monkeypatch.chdir(tmp_path)
    flash = ("flash", "--board", "eartag", "--runner", "pyocd", "--erase-chip")
    no = CliRunner().invoke(app, flash, input="n\n")
    assert no.exit_code == 1 and "Erase it?" in no.output and "flashed;" not in no.output
    yes = CliRunner().invoke(app, flash, input="y\n")
    assert yes.exit_code == 0 and "eartag: flashed;" in yes.output
