"""Commands `agree` and `export`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.observed import CLASSES, tag_day

TAG = ("--classes", ",".join(CLASSES), "--window", "5.12")


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tag") / "bella.bin"
    tag_day(path, "Bella")
    return path


def test_a_log_is_exported_and_compared(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "bella.boris"
    made = mcukd("export", str(log), *TAG, "--animal", "Bella", "--boris", "--out", str(out))
    assert made.returncode == 0 and "10 bouts of Bella" in made.stdout
    page = tmp_path / "page.html"
    shown = mcukd("agree", str(out), f"Bella={log}", *TAG, "--out", str(page))
    assert shown.returncode == 0, shown.stderr
    assert "Kappa, agreement beyond chance, is 1.00 over time" in shown.stdout and page.is_file()
    facts = json.loads(mcukd("agree", str(out), str(log), *TAG, "--json").stdout)
    assert facts["agreement"]["together"]["kappa"]["time"]["value"] > 0.9999
    assert facts["model_sha256"] == "9abcdef0"


def test_movebank_gets_the_tags_identifier(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    options = ("--animal", "Bella", "--tag-id", "Bella=t4", "--movebank", "--out", str(out), "--json")
    facts = json.loads(mcukd("export", str(log), *TAG, *options).stdout)
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert facts["bouts"] == len(rows) == 10
    assert {row["tag-id"] for row in rows} == {"t4"} and {row["tag-firmware"] for row in rows} == {"9abcdef0"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("agree", "{log}", "{log}", "--map", "grazing"), "--map is 'grazing', but NAME=VALUE is expected"),
        (("agree", "{log}", "{log}", "--map", "a=b", "--map", "a=c"), "--map names 'a' twice"),
        (("agree", "{log}", "{log}", "--begins", "2026-05-01"), "a moment with its offset from UTC"),
        (("agree", "{log}", "none"), "name them with --run STUDY, or with --classes|cannot be read"),
        (("export", "{log}", "--out", "x"), "one of --boris, --movebank and --mhealth is expected"),
        (("export", "{log}", "--boris", "--mhealth", "--out", "x"), "one of --boris, --movebank and"),
    ],
)
def test_what_is_not_understood_is_one_sentence(log: Path, arguments: tuple[str, ...], sentence: str) -> None:
    ended = mcukd(*(one.replace("{log}", str(log)) for one in arguments))
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert any(part in ended.stderr for part in sentence.split("|"))


def test_files_that_are_there_are_not_written_over(log: Path, tmp_path: Path) -> None:
    """Trap: an observer's project, named by --out, was lost."""
    mine = tmp_path / "mine.boris"
    mine.write_text("weeks of work")
    export = ("export", str(log), *TAG, "--boris", "--out", str(mine))
    ended = mcukd(*export)
    assert ended.returncode == 2 and "is there; name another file" in ended.stderr
    assert mine.read_text() == "weeks of work"
    assert mcukd(*export, "--replace").returncode == 0
    copy = tmp_path / "same.json"
    copy.write_bytes(mine.read_bytes())
    for command in (("agree", str(copy), f"Bella={log}"), ("export", str(copy), "--mhealth", "--replace")):
        ended = mcukd(*command, *TAG, "--out", str(copy))
        assert ended.returncode == 2 and "which is read here and would be lost" in ended.stderr
    assert copy.read_bytes() == mine.read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--classes", "a,a", "--window", "5"), "--classes names 'a' twice"),
        (("--classes", "a,,b", "--window", "5"), "--classes names '' in one place"),
        ((*TAG, "--labels-base", "strat"), "--labels-base is 'strat' (did you mean 'start'?)"),
        ((*TAG, "--labels-hold", "ever"), "--labels-hold is 'ever'; expected is one of burst, next"),
    ],
)
def test_choices_that_are_none_are_refused(log: Path, options: tuple[str, ...], sentence: str) -> None:
    """Trap: where a file needs no choice, a wrong one was passed over."""
    ended = mcukd("agree", str(log), str(log), *options)
    assert ended.returncode == 2 and sentence in ended.stderr


def test_blanks_around_classes_do_not_count(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    spaced = ("--classes", " grazing, resting ", "--window", "5.12", "--animal", "A")
    assert mcukd("export", str(log), *spaced, "--mhealth", "--out", str(out)).returncode == 0
    assert ",grazing,A" in out.read_text()


def test_a_file_given_twice_is_refused(log: Path, tmp_path: Path) -> None:
    """Trap: every bout counted twice, and intervals over bouts were too narrow."""
    out = tmp_path / "bella.boris"
    assert mcukd("export", str(log), *TAG, "--animal", "Bella", "--boris", "--out", str(out)).returncode == 0
    for files in ((out, log, log), (out, out)):
        ended = mcukd("agree", *map(str, files), *TAG)
        assert ended.returncode == 2 and "is given twice" in ended.stderr
