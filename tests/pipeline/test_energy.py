"""The energy stage and command: what is written, shown on the page, and refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.report_study import finish_distill, finish_quantize, whole_study

from mcukd.boards.model import load_board, read_board
from mcukd.errors import UserError
from mcukd.pipeline.energy import energy_path, energy_study
from mcukd.pipeline.report import report_study
from mcukd.report.stale import commands, stale_stages
from mcukd.resources import resource_dir
from mcukd.study import Study

COLLAR = (resource_dir("boards") / "collar.toml").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return whole_study(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def study(made: Study, tmp_path: Path) -> Study:
    return Study.open(shutil.copytree(made.path, tmp_path / "study"))


def test_the_command_writes_the_record_and_the_page_shows_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    words = ("energy", "--board", "collar", "--run", str(study.path), "--awake-share", "0.02")
    shown = mcukd(*words)
    assert shown.returncode == 0, shown.stderr
    for text in (
        "COMPUTED, never measured",
        "core asleep",
        "standby",
        "ASSUMED",
        "NOT IN STANDBY",
        "as built",
    ):
        assert text in shown.stdout
    record = json.loads(energy_path(study, "collar").read_text())
    assert json.loads(mcukd(*words, "--json").stdout) == record
    assert record["work"]["counted"] == {"awake_share": 0.02}
    page = report_study(Study.open(study.path)).read_text(encoding="utf-8")
    part = page[page.index('<section id="energy">') : page.index('<section id="provenance">')]
    for text in (
        "Computed, never measured",
        "ASLEEP THE CC2650",
        "radio sending",
        "TI SWRS158B",
        "cycle, 62.5 Hz",
    ):
        assert text in part


def test_a_page_without_it_says_how_to_make_it(study: Study) -> None:
    assert "mcukd energy --run DIR --board BOARD" in report_study(study).read_text(encoding="utf-8")


def test_nothing_is_computed_twice_and_a_new_model_makes_it_stale(study: Study) -> None:
    first = energy_study(study, load_board("collar"), awake_share=0.02)
    assert not {"flash", "sensor's bus"} & {one["name"] for one in first["contributors"]}
    path = energy_path(study, "collar")
    before = path.stat().st_mtime_ns
    assert energy_study(study, load_board("collar"), awake_share=0.02) == first
    assert path.stat().st_mtime_ns == before
    assert energy_study(study, load_board("collar"), awake_share=0.03)["total_mah"] != first["total_mah"]
    assert [one.stage for one in stale_stages(study)] == []
    study.file("fixedpoint.json").write_text(study.file("fixedpoint.json").read_text() + "\n")
    study.finish(
        "quantize",
        inputs={},
        options={},
        outputs=[study.file("fixedpoint.json"), study.file("fixedpoint.npz")],
    )
    assert "energy:collar" in [one.stage for one in stale_stages(study)]
    (command,) = commands(study, ["energy:collar"])
    assert command.endswith("--board collar --awake-share 0.03")


def test_what_has_no_day_is_refused_in_one_sentence(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: str, words: str, **options: float) -> None:
        with pytest.raises(UserError) as caught:
            energy_study(study, load_board(name), **options)  # type: ignore[arg-type]
        assert words in str(caught.value) and "\n" not in str(caught.value)
        assert not energy_path(study, load_board(name).name).exists()

    refused("native", "board native is no hardware and takes no current")
    refused("collar-emulated", "board collar-emulated is no hardware and takes no current")
    refused("collar", "--awake-share is 2, but a share between 0 and 1", awake_share=2)
    refused("collar", "--minutes is 0.1, but 1 to 1440", minutes=0.1)
    refused("collar", "with --awake-share none runs; leave one of them out", minutes=5.0, awake_share=0.02)
    path = tmp_path / "slow.toml"
    path.write_text(COLLAR[: COLLAR.index("[energy]")])
    refused(str(path), "board collar has no section [energy]")
    path.write_text(COLLAR.replace("rate_hz = 50.0", "rate_hz = 25.0"))
    refused(str(path), "reads no sensor with this model of 50 Hz", awake_share=0.02)
    path.write_text(COLLAR.replace("period_s = 3600", "period_s = 5"))
    refused(str(path), "allows one in 32 s on average, but tag.period_s is 5", awake_share=0.02)


def test_without_the_extra_a_share_is_asked_for(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(UserError, match="needs the package unicorn.*or give the share .* --awake-share"):
        energy_study(study, load_board("collar"))


def test_an_unquantized_study_is_refused(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", "herd-sim", 0)
    finish_distill(study)
    with pytest.raises(UserError, match="'quantize' has not run yet"):
        energy_study(study, load_board("collar"), awake_share=0.02)
    finish_quantize(study)
    energy_study(study, read_board(resource_dir("boards") / "eartag.toml"), awake_share=0.004)
    assert energy_path(study, "eartag").exists()
