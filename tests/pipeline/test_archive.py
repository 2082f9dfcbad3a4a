"""Packing of a study: what is in the archive, what is left out and said, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from builders.evidence import session_folder
from builders.imported import bring_in, herd
from builders.studies import simulated_study

from mcukd.archive.container import read_archive
from mcukd.archive.pack import text_without_folders, without_folders
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.errors import UserError
from mcukd.harness.recorded import RECORDED_FILE, keep_recorded
from mcukd.pipeline.archive import ArchiveOptions, archive_study
from mcukd.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulated_study(tmp_path_factory.mktemp("runs") / "herd", steps=64)


def pack(study: Study, folder: Path, **options: object) -> dict[str, bytes]:
    out = folder / "a.zip"
    archive_study(study, out, ArchiveOptions(replace=True, **options))  # type: ignore[arg-type]
    archive = read_archive(out)
    return {name: archive.read(name) for name in archive.members}


def test_sessions_logs_and_files_are_packed_as_they_are(study: Study, tmp_path: Path) -> None:
    session = tmp_path / "monday"
    (session / "deep").mkdir(parents=True)
    (session / "video.txt").write_text("{}")
    (session / "deep" / "unknown.bin").write_bytes(b"\0\1")
    (session / ".hidden").write_text("no")
    (session / "link").symlink_to(tmp_path)
    for name in ("tag7.log", "labels.csv"):
        (tmp_path / name).write_text(name)
    found = pack(
        study, tmp_path, sessions=(session,), logs=(tmp_path / "tag7.log",), files=(tmp_path / "labels.csv",)
    )
    assert {name for name in found if name.startswith(("sessions/", "logs/", "files/"))} == {
        "sessions/monday/video.txt",
        "sessions/monday/deep/unknown.bin",
        "logs/tag7.log",
        "files/labels.csv",
    }
    facts = json.loads(found["evidence.json"])
    assert facts["sessions"] == ["monday"]
    assert "sessions/monday is no session of 'mcukd observe', so it has no figures." in facts["left_out"]
    assert "environment/environment.json" in found and b"numpy==" in found["environment/packages.txt"]


def test_two_of_one_name_and_what_is_not_there_are_refused(study: Study, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "monday").mkdir(parents=True)
        (tmp_path / parent / "monday" / "notes.txt").write_text("")
        (tmp_path / parent / "tag.log").write_text("")
    both = tuple(tmp_path / parent / "monday" for parent in ("a", "b"))
    with pytest.raises(UserError, match="two sessions named 'monday'"):
        pack(study, tmp_path, sessions=both)
    with pytest.raises(UserError, match="two files named 'tag.log'"):
        pack(study, tmp_path, logs=tuple(tmp_path / parent / "tag.log" for parent in ("a", "b")))
    with pytest.raises(UserError, match="no folder"):
        pack(study, tmp_path, sessions=(tmp_path / "gone",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="an empty folder"):
        pack(study, tmp_path, sessions=(tmp_path / "empty",))
    with pytest.raises(UserError, match="--log .*: no such file"):
        pack(study, tmp_path, logs=(tmp_path / "gone.log",))
    assert not (tmp_path / "a.zip").exists()


def test_a_damaged_journal_is_not_packed_as_evidence(study: Study, tmp_path: Path) -> None:
    session = session_folder(tmp_path / "meadow")
    journal = session / "observer-anna.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"walking", b"wAlking", 1))
    with pytest.raises(UserError, match="its checksum does not match"):
        pack(study, tmp_path, sessions=(session,))


def test_a_session_of_another_model_is_said_to_be(study: Study, tmp_path: Path) -> None:
    facts = json.loads(
        pack(study, tmp_path, sessions=(session_folder(tmp_path / "meadow"),))["evidence.json"]
    )
    assert any("The session meadow was of model abababababab, but" in one for one in facts["changed"])


def test_a_file_that_tells_a_folder_of_this_computer_is_refused(study: Study, tmp_path: Path) -> None:
    """Also where the path lies across two of the parts in which files are read."""
    log = tmp_path / "tag.log"
    log.write_bytes(b" " * ((1 << 20) - 3) + str(Path.home()).encode() + b"/herd/cow.csv")
    with pytest.raises(UserError, match=r"tag.log: holds the path .* of this computer"):
        pack(study, tmp_path, logs=(log,))
    assert "logs/tag.log" in pack(study, tmp_path, logs=(log,), allow_paths=True)


def test_an_archive_that_is_there_is_kept(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    out.write_bytes(b"mine")
    with pytest.raises(UserError, match="is there"):
        archive_study(study, out, ArchiveOptions())
    with pytest.raises(UserError, match="expected the name of a .zip file"):
        archive_study(study, tmp_path / "a.tar", ArchiveOptions())
    with pytest.raises(UserError, match="expected a day such as"):
        archive_study(study, out, ArchiveOptions(replace=True, date="May"))
    assert out.read_bytes() == b"mine"


def test_simulated_windows_are_packed_with_their_study(study: Study, tmp_path: Path) -> None:
    assert f"study/{RECORDED_FILE}" in pack(study, tmp_path)


def test_a_stale_study_is_not_evidence(tmp_path: Path) -> None:
    study = simulated_study(tmp_path / "herd", steps=64)
    with study.file("fixedpoint.json").open("a") as stream:
        stream.write(" ")
    with pytest.raises(UserError, match="1 stage is stale"):
        pack(study, tmp_path)


def test_a_card_and_data_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    study = simulated_study(tmp_path / "herd", steps=64)
    (tmp_path / "herd.toml").unlink()
    facts = json.loads(pack(study, tmp_path)["evidence.json"])
    assert facts["card"] is None and facts["left_out"][0].startswith("The card is not packed: herd.toml")
    assert str(tmp_path) not in json.dumps(facts)


def test_samples_are_packed_where_they_are_asked_for(tmp_path: Path) -> None:
    herd(tmp_path / "raw")
    made = bring_in(tmp_path / "raw", tmp_path / "herd", yes=True)
    study = Study.create(tmp_path / "runs" / "a", str(made.cards[0]), 0)
    keep_recorded(study, load_windows(load_card(study.card)), 4.0)
    without, with_data = pack(study, tmp_path), pack(study, tmp_path, with_data=True)
    assert not [name for name in without if name.startswith("data/")]
    shutil.copytree(study.path, study.path / "variant")
    without = pack(study, tmp_path, allow_paths=True)
    kept = f"study/{RECORDED_FILE}"
    assert not [name for name in without if name.endswith(RECORDED_FILE)], "nor of a study within"
    assert kept in with_data and kept not in without
    assert RECORDED_FILE in " ".join(json.loads(without["evidence.json"])["left_out"])
    packed = {name for name in with_data if name.startswith("data/")}
    assert packed and json.loads(with_data["evidence.json"])["data"]["packed"]
    sha256 = json.loads(without["evidence.json"])["data"]["sha256"]
    assert len(sha256) == 64 and sha256 == json.loads(with_data["evidence.json"])["data"]["sha256"]


def test_the_date_is_that_of_the_newest_file(study: Study, tmp_path: Path) -> None:
    log = tmp_path / "tag.log"
    log.write_text("")
    os.utime(log, (4_102_444_800, 4_102_444_800))
    assert json.loads(pack(study, tmp_path, logs=(log,))["evidence.json"])["date"] == "2100-01-01"
    crate = json.loads(pack(study, tmp_path, date="2026-05-01")["ro-crate-metadata.json"])
    root = next(one for one in crate["@graph"] if one["@id"] == "./")
    assert root["datePublished"] == "2026-05-01"


def test_folders_are_taken_out_of_texts() -> None:
    assert without_folders({"a": ["/home/x/herd.toml", "herd-sim", 3], "b": {"c": "C:\\x\\y.toml"}}) == {
        "a": ["herd.toml", "herd-sim", 3],
        "b": {"c": "y.toml"},
    }
    text = 'folder = "/home/x/data/"\ntitle = "a/b and /c"\npath = \'D:/x/cow.csv\'\n'
    assert text_without_folders(text) == 'folder = "data"\ntitle = "a/b and /c"\npath = \'cow.csv\'\n'
