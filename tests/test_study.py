"""Studies: latest link, current and stale stages, moves and damaged manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcukd.errors import UserError
from mcukd.files import replacing, write_text
from mcukd.study import Study


def finished(study: Study, stage: str, *outputs: str, reads: tuple[str, ...] = (), text: str = "x") -> None:
    inputs = study.inputs(*reads)
    for name in outputs:
        write_text(study.file(name), text)
    study.finish(stage, inputs=inputs, options={"n": 1}, outputs=[study.file(name) for name in outputs])


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "runs" / "one", "herd-sim", 0)
    finished(study, "distill", "student.keras")
    finished(study, "quantize", "fixedpoint.npz", reads=("student.keras",))
    return study


def test_latest_points_at_the_newest_study(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    Study.create(study.path.parent / "two", "herd-sim", 0)
    monkeypatch.chdir(study.path.parent.parent)
    assert Study.open().path.name == "two"


def test_a_stage_is_current_until_an_input_an_option_or_an_output_changes(study: Study) -> None:
    inputs = study.inputs("student.keras")
    assert study.is_current("quantize", inputs, {"n": 1})
    assert not study.is_current("quantize", {"student.keras": "0"}, {"n": 1})
    assert not study.is_current("quantize", inputs, {"n": 2})
    write_text(study.file("fixedpoint.npz"), "edited")
    assert not study.is_current("quantize", inputs, {"n": 1})


def test_a_stage_that_never_ran_is_named_with_its_command(study: Study) -> None:
    with pytest.raises(
        UserError, match="'build:collar' has not run yet; run 'mcukd build .* --board collar'"
    ):
        study.require("build:collar")


def test_an_artefact_changed_by_hand_is_noticed(study: Study) -> None:
    write_text(study.file("fixedpoint.npz"), "edited")
    with pytest.raises(UserError, match="fixedpoint.npz: missing or changed since 'quantize' wrote it"):
        study.require("quantize")


def test_a_stage_whose_inputs_were_made_anew_is_stale(study: Study) -> None:
    finished(study, "distill", "student.keras", text="new")
    with pytest.raises(UserError, match="'quantize' is stale, because student.keras was made anew") as error:
        study.require("quantize")
    assert "mcukd quantize --run" in str(error.value)


def test_staleness_reaches_through_the_chain(study: Study) -> None:
    finished(study, "generate:collar", "model.c", reads=("fixedpoint.npz",))
    study.require("generate:collar")
    finished(study, "distill", "student.keras", text="new")
    with pytest.raises(UserError, match="'quantize' is stale"):
        study.require("generate:collar")


def test_a_study_can_be_moved(study: Study) -> None:
    moved = study.path.parent / "moved"
    study.path.rename(moved)
    Study.open(moved).require("quantize")


def test_another_card_does_not_overwrite_a_study(study: Study) -> None:
    with pytest.raises(UserError, match="made from card 'herd-sim', not 'cow-collar'"):
        Study.create(study.path, "cow-collar", 0)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"stages": {}}', "no json"])
def test_a_broken_manifest_is_one_sentence(study: Study, content: str) -> None:
    study.file("study.json").write_text(content)
    with pytest.raises(UserError, match=r"study\.json: not a study manifest"):
        Study.open(study.path)


def test_the_data_root_is_remembered(study: Study, tmp_path: Path) -> None:
    assert study.data_root(None) is None
    study.data_root(tmp_path)
    assert Study.open(study.path).data_root(None) == tmp_path.resolve()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_text(file, "old")

    def fail() -> None:
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_manifest_holds_versions_and_no_clock(study: Study) -> None:
    manifest = json.loads(study.file("study.json").read_text())
    assert {"mcukd", "python", "numpy"} <= set(manifest["versions"])
    assert "time" not in " ".join(manifest)


def test_a_study_that_made_nothing_leaves_no_trace(tmp_path: Path) -> None:
    old = Study.create(tmp_path / "runs" / "old", "herd-sim", 0)
    new = Study.prepare(tmp_path / "runs" / "new", "herd-sim", 0)
    new.data_root(tmp_path)
    assert not new.path.exists()
    assert (tmp_path / "runs" / "latest").resolve() == old.path.resolve()
    new.begin()
    assert (tmp_path / "runs" / "latest").resolve() == new.path.resolve()
    assert Study.open(new.path).data_root(None) == tmp_path.resolve()


def test_a_write_that_fails_leaves_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "runs" / "new" / "evaluation" / "a.npz"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    write_text(tmp_path / "runs", "a file")
    with pytest.raises(OSError) as caught:
        Study.prepare(tmp_path / "runs" / "new", "herd-sim", 0)
    assert str(tmp_path / "runs") in str(caught.value.filename)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
