"""Command `log decode`."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.students import random_model
from builders.tag_dump import two_starts

from mcukd.fixedpoint.model import save_model
from mcukd.study import Study


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dump") / "dump.bin"
    path.write_bytes(two_starts())
    return path


def test_records_are_shown_and_written_as_csv(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = mcukd("log", "decode", str(dump), "--classes", "grazing,resting")
    assert (
        shown.returncode == 0 and "16 records on 1 page; no page was erased more than 1 time." in shown.stdout
    )
    assert "grazing, 1,406 results (1,800 s); another class followed" in shown.stdout
    assert "or later" in shown.stdout and "Damage" not in shown.stdout
    out = tmp_path / "records.csv"
    assert (
        mcukd("log", "decode", str(dump), "--classes", "grazing,resting", "--out", str(out)).returncode == 0
    )
    rows = list(csv.DictReader(out.open(newline="")))
    assert len(rows) == 16 and rows[2]["class"] == "grazing" and rows[2]["results"] == "1406"
    assert rows[3]["results_grazing"] == "1406" and rows[2]["results_grazing"] == ""


def test_a_study_names_the_classes_and_another_model_is_told(dump: Path, tmp_path: Path) -> None:
    model = random_model(classes=2)
    Study.create(tmp_path / "run", "herd-sim", 0)
    save_model(model, tmp_path / "run")
    facts = json.loads(mcukd("log", "decode", str(dump), "--run", str(tmp_path / "run"), "--json").stdout)
    assert f"results_{model.classes[1]}" in facts["records"][0]
    assert any(f"but that of the study is {model.sha256[:8]}" in remark for remark in facts["remarks"])


def test_facts_as_json_tell_damage(dump: Path, tmp_path: Path) -> None:
    damaged = bytearray(dump.read_bytes())
    damaged[4 * 26] ^= 1  # of the time's payload
    (tmp_path / "damaged.bin").write_bytes(damaged)
    facts = json.loads(mcukd("log", "decode", str(tmp_path / "damaged.bin"), "--json").stdout)
    assert len(facts["records"]) == 15 and facts["pages"][0]["number"] == 1
    assert "its CRC-32 is" in facts["damage"][0] and facts["damage"][1].startswith("sequence 1 is missing")
    shown = mcukd("log", "decode", str(tmp_path / "damaged.bin"))
    assert "Damage: page 0, word" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-such.bin",), ("no-such.bin: cannot be read", "flash is expected")),
        (("empty.bin",), ("empty.bin: none of its 2 pages of 4,096 bytes",)),
        (("DUMP", "--classes", "a,b,c"), ("3 names of classes are given (a, b, c), but the log counts 2",)),
        (("DUMP", "--classes", "a,b", "--run", "x"), ("--classes and --run",)),
        (("DUMP", "--run", "no-such-run"), ("no-such-run",)),
    ],
)
def test_bad_input_is_one_sentence(
    dump: Path, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "empty.bin").write_bytes(b"\xff" * 8192)
    arguments = tuple(str(dump) if each == "DUMP" else each for each in arguments)
    result = mcukd("log", "decode", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_decoding_imports_neither_tensorflow_nor_pandas(dump: Path) -> None:
    code = (
        "import sys; sys.argv = ['mcukd', 'log', 'decode', sys.argv[1], '--json']\n"
        "from mcukd.cli.app import app\n"
        "app(standalone_mode=False)\n"
        "sys.exit(str({'tensorflow', 'pandas', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(dump)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "set()", done.stderr[-500:]
