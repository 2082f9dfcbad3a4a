"""Command and stage `package`: a study in, zips out."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from builders.commands import invoke, mcukd
from builders.report_study import whole_study
from builders.studies import quantized_study

from mcukd.errors import UserError
from mcukd.packaging.manifest import Choices
from mcukd.packaging.targets.registry import TARGETS
from mcukd.pipeline.package import package_study
from mcukd.study import Study


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str):
    return invoke(monkeypatch, folder, "package", "--run", "study", *options)


def test_all_targets_at_once_and_nothing_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized_study(tmp_path / "study")
    options = ("--target", "all", "--prefix", "cow", "--json")
    facts = json.loads(run(monkeypatch, tmp_path, *options).stdout)
    assert [one["target"] for one in facts] == list(TARGETS)
    assert all(one["ran"] and one["folder"] is None for one in facts)
    for one in facts:
        with zipfile.ZipFile(tmp_path / one["zip"]) as archive:
            assert archive.namelist() == sorted(one["files"]) and archive.testzip() is None
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    again = json.loads(run(monkeypatch, tmp_path, *options).stdout)
    assert [{**one, "ran": True} for one in again] == facts and not any(one["ran"] for one in again)
    told = run(monkeypatch, tmp_path, "--target", "cmake", "--prefix", "cow").stdout
    assert "already packed; nothing to do" in told


def test_readme_holds_the_studys_figures(tmp_path: Path) -> None:
    study = whole_study(tmp_path / "study")
    (done,) = package_study(study, ["zephyr"], Choices("cow"))
    readme = done.package.files["cow_model/README.md"].decode()
    scores = json.loads(study.file("metrics.json").read_text())["models"]["fixed_point_8"]
    assert f"- MCC: {scores['mcc']:.3f} ± {scores['mcc_sd']:.3f}" in readme
    grazing = scores["per_class"]["grazing"]
    assert f"| grazing | {grazing['recall']:.3f} | {grazing['precision']:.3f} | 400 |" in readme
    assert "on SIMULATED data" in readme and "Scored on 10 animals that it had not seen" in readme
    assert "collar, 200 of 200 windows equal bit for bit" in readme
    assert "Split: loao (each animal left out in turn). Seeds: 0, 1, 2. Animals scored: animal-1, " in readme
    assert "Nothing was seen on the hardware." in readme
    assert "| code, as built in the firmware of collar-emulated | 1640 |" in readme


def test_without_figures_the_readme_says_so(tmp_path: Path) -> None:
    (done,) = package_study(quantized_study(tmp_path / "study"), ["cmake"], Choices("cow"))
    assert b"It was never scored" in done.package.files["cow_model/README.md"]


def test_figures_that_are_stale_are_refused(tmp_path: Path) -> None:
    study = whole_study(tmp_path / "study")
    study.file("student.keras").write_bytes(b"another student")
    with pytest.raises(UserError, match="student.keras"):
        package_study(study, ["cmake"], Choices("cow"))
    assert not study.file("packages").exists()


def test_a_study_without_integers_is_refused(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", "herd-sim", 0)
    with pytest.raises(UserError, match="'quantize' has not run yet"):
        package_study(study, ["cmake"], Choices("cow"))


def test_unknown_target_and_wrong_choices_write_nothing(tmp_path: Path) -> None:
    quantized_study(tmp_path / "study")
    for options, said in (
        (("--target", "cmak"), "--target is cmak: no such target (did you mean 'cmake'?)"),
        (("--target", "cmake", "--target", "esp-idf", "--prefix", "Cow"), "small letters only"),
        (("--target", "cmake", "--optimize", "fast"), "--optimize fast: choose one of speed, size."),
        (("--target", "cmake", "--licence-file", "nowhere"), "--licence-file is nowhere: cannot be read"),
    ):
        done = mcukd("package", "--run", "study", *options, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr, done.stderr
        assert not (tmp_path / "study/packages").exists()


def test_unpacked_folder_is_not_written_over_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized_study(tmp_path / "study")
    options = ("--target", "arduino", "--prefix", "cow", "--unpacked", "--out", "there", "--json")
    (one,) = json.loads(run(monkeypatch, tmp_path, *options).stdout)
    folder = tmp_path / one["folder"]
    written = {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == set(one["files"])
    assert not json.loads(run(monkeypatch, tmp_path, *options).stdout)[0]["ran"]
    for name in ("README.md", "mine.txt"):
        (folder / name).write_text("mine")
        with pytest.raises(UserError, match="is there, and differs from what would be written"):
            run(monkeypatch, tmp_path, *options)
        assert (folder / name).read_text() == "mine"
        assert json.loads(run(monkeypatch, tmp_path, *options, "--replace").stdout)[0]["ran"]
        assert not (folder / "mine.txt").exists()
    assert not [path for path in (tmp_path / "there").iterdir() if path.name.startswith(".")]


def test_a_zip_that_differs_is_not_written_over_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all targets none is written where one zip is there with another author, licence or content."""
    quantized_study(tmp_path / "study")
    options = ("--prefix", "cow", "--out", "there", "--json")
    (one,) = json.loads(run(monkeypatch, tmp_path, "--target", "arduino", *options).stdout)
    zipped, text = tmp_path / one["zip"], tmp_path / "licence.txt"
    text.write_text("Do as you like.")
    for choices, differing in (
        (("--author", "Ada"), ("README.md", "library.properties")),
        (
            ("--licence", "MIT", "--licence-file", str(text)),
            ("LICENSE", "README.md", "library.properties"),
        ),
        (("--url", "https://example.org"), ("library.properties",)),
    ):
        names = ", ".join(f"cow_model/{name}" for name in differing)
        before = zipped.read_bytes()
        with pytest.raises(UserError, match="is there, and differs from what would be written") as refused:
            run(monkeypatch, tmp_path, "--target", "all", *options, *choices)
        assert f"({names}); take another --package-version, move it away, or give --replace." in str(
            refused.value
        )
        assert zipped.read_bytes() == before and list((tmp_path / "there").iterdir()) == [zipped]
        (done,) = json.loads(
            run(monkeypatch, tmp_path, "--target", "arduino", *options, *choices, "--replace").stdout
        )
        assert done["ran"] and done["replaced"] and zipped.read_bytes() != before
        run(monkeypatch, tmp_path, "--target", "arduino", *options, "--replace")
    told = run(monkeypatch, tmp_path, "--target", "arduino", *options[:-1], "--author", "B", "--replace")
    assert ".zip: replaced (cow_model" in told.stdout


def test_what_is_no_package_is_not_written_over(tmp_path: Path) -> None:
    study = quantized_study(tmp_path / "study")
    (done,) = package_study(study, ["cmake"], Choices("cow"), unpacked=True)
    assert not done.replaced and done.folder is not None
    done.zip.write_bytes(b"mine")
    with pytest.raises(UserError, match="it is no package as mcukd writes them"):
        package_study(study, ["cmake"], Choices("cow"))
    assert done.zip.read_bytes() == b"mine"
    done.zip.unlink()
    done.zip.mkdir()
    with pytest.raises(UserError, match="is a folder, but the package's zip is expected"):
        package_study(study, ["cmake"], Choices("cow"), replace=True)
    done.zip.rmdir()
    shutil.rmtree(done.folder.parent)
    done.folder.parent.write_text("mine")
    with pytest.raises(UserError, match="is a file, but the package's folder is expected"):
        package_study(study, ["cmake"], Choices("cow"), unpacked=True, replace=True)
    assert done.folder.parent.read_text() == "mine" and not done.zip.exists()


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    study = quantized_study(tmp_path / "study")
    study.file("packages").write_text("mine")
    with pytest.raises(UserError, match="packages: is a file, but the folder"):
        package_study(study, ["cmake"], Choices("cow"))
    assert study.file("packages").read_text() == "mine"
