"""Command `mcukd classify`: results, and one sentence with exit code 2 for wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders.classify import START, START_NS, make_study, recording, stamps, started, write_parquet
from builders.commands import mcukd
from builders.students import COUNTS_PER_G
from pyarrow import parquet

from mcukd.classify.job import ClassifyJob
from mcukd.classify.recording import open_recording
from mcukd.classify.results import classify_file
from mcukd.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study") / "run")[0]


def test_results_and_what_is_said(run: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "calf 1.parquet", recording(3000) / COUNTS_PER_G, stamps(3000))
    arguments = ("classify", "calf 1.parquet", "--run", str(run), "--out", "out", "--time-column", "time")
    result = mcukd(*arguments, "--sample-windows", "20", "--hop", "10", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "read as g and turned into counts, 4096 per g" in result.stdout
    assert "SIMULATED" in result.stdout
    names = ("annotations.csv", "budget.csv", "ethogram.png", "sample.npz", "summary.json", "windows.parquet")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["sample.npz", *(f"calf 1.{name}" for name in names)]
    )
    assert (tmp_path / "out" / "calf 1.ethogram.png").read_bytes()[:4] == b"\x89PNG"
    again = mcukd(*arguments, "--sample-windows", "20", "--hop", "10", "--json", cwd=tmp_path)
    facts = json.loads(again.stdout)
    assert [one["ran"] for one in facts["files"]] == [False]
    assert facts["files"][0]["windows"] == 298 and facts["sample"]["windows"] == 20


def test_start_without_a_zone_is_that_of_the_days(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", recording(3000))
    arguments = ("classify", "a.npy", "--run", str(run), "--out", "out", "--rate", "50", "--json")
    local = ("--start", "2026-06-01T00:30", "--timezone", "Europe/Berlin")
    result = mcukd(*arguments, *local, cwd=tmp_path)
    assert json.loads(result.stdout)["files"][0]["start"] == "2026-05-31 22:30:00.000"
    assert (tmp_path / "out" / "a.budget.csv").read_text().splitlines()[1].startswith("2026-06-01,")


def _nulls(path: Path) -> None:
    columns = {name: pa.array([1, None, 3] * 40, pa.int16()) for name in "xyz"}
    parquet.write_table(pa.table(columns), path)


def _late(samples: int) -> np.ndarray:
    return START_NS + np.arange(samples, dtype=np.int64) * 25_000_000


def _backwards(samples: int) -> np.ndarray:
    times = stamps(samples)
    times[100:] -= 10**9
    return times


COUNTS = recording(400)
G = COUNTS / COUNTS_PER_G
BROKEN = {
    "no column": (lambda p: write_parquet(p, COUNTS), (*START, "--columns", "x,y,Z"), "no column 'Z'"),
    "empty values": (_nulls, START, "column 'x' has 40 empty values in rows 1 to 120"),
    "text": (
        lambda p: write_parquet(p, COUNTS.astype(str).astype(object)),
        START,
        "column 'x' is string, expected int16 counts or numbers in g",
    ),
    "NaN": (
        lambda p: write_parquet(p, np.where(G[7, 2] == G, np.nan, G)),
        START,
        "is nan, expected a number",
    ),
    "metres": (lambda p: write_parquet(p, G * 9.80665), START, "are these m/s² or mg"),
    "other counts": (lambda p: write_parquet(p, COUNTS // 8), START, "4096 counts per g"),
    "too large": (
        lambda p: write_parquet(p, np.where(np.arange(400)[:, None] == 9, 40_000, COUNTS.astype(np.int32))),
        START,
        "no count of a 16-bit sensor",
    ),
    "too short": (lambda p: write_parquet(p, COUNTS[:29]), START, "hold no whole window of 30 samples"),
    "empty": (lambda p: write_parquet(p, COUNTS[:0]), START, "hold no whole window"),
    "no times": (lambda p: write_parquet(p, COUNTS), (), "--time-column, or give --start and --rate"),
    "rate given": (
        lambda p: write_parquet(p, COUNTS),
        (*START[:3], "25"),
        "--rate is 25 Hz, but the model was made for 50 Hz",
    ),
    "rate of stamps": (
        lambda p: write_parquet(p, COUNTS, _late(400)),
        ("--time-column", "time"),
        "its stamps give 40 samples per second, but the model was made for 50 Hz",
    ),
    "time goes back": (
        lambda p: write_parquet(p, COUNTS, _backwards(400)),
        ("--time-column", "time"),
        "time goes back by 0.98 s at row 101",
    ),
    "start alone": (lambda p: write_parquet(p, COUNTS), START[:2], "go together"),
    "start is no time": (
        lambda p: write_parquet(p, COUNTS),
        ("--start", "soon", "--rate", "50"),
        "--start is 'soon'",
    ),
    "zone": (lambda p: write_parquet(p, COUNTS), (*START, "--timezone", "Mars/Base"), "'Mars/Base'"),
    "hop": (lambda p: write_parquet(p, COUNTS), (*START, "--hop", "0"), "--hop is 0"),
    "axes": (lambda p: write_parquet(p, COUNTS), (*START, "--columns", "x,y"), "the model takes 3 axes"),
    "no parquet": (lambda p: p.write_bytes(b"x,y,z\n1,2,3\n"), START, "cannot be read"),
    "missing": (lambda p: None, START, "no such file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input_is_one_sentence(kind: str, run: Path, tmp_path: Path) -> None:
    make, arguments, words = BROKEN[kind]
    make(tmp_path / "a.parquet")
    out = tmp_path / "out"
    ended = mcukd("classify", str(tmp_path / "a.parquet"), "--run", str(run), "--out", str(out), *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr and "Traceback" not in ended.stderr
    assert not out.exists() or list(out.iterdir()) == []


def test_damage_in_the_middle_is_told(run: Path, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", np.tile(recording(2000), (20, 1)), group=4000)
    parquet.write_table(parquet.read_table(path), path, write_page_checksum=True, row_group_size=4000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = bytes(3000)
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged after row"):
        for _ in open_recording(path, started()).blocks(1000):
            pass


def test_other_kinds_of_file_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\n")
    with pytest.raises(UserError, match=r"'\.csv' files.*mcukd data import"):
        open_recording(tmp_path / "a.csv", started())
    np.save(tmp_path / "flat.npy", np.zeros(9, np.int16))
    with pytest.raises(UserError, match=r"found \(9,\), expected \(samples, 3\)"):
        open_recording(tmp_path / "flat.npy", started())


@pytest.mark.emulator
@pytest.mark.parametrize("core", ["m3", "m4f"])
def test_a_thousand_windows_equal_the_emulated_board(run: Path, tmp_path: Path, core: str) -> None:
    from mcukd.codegen.firmware import generate_model
    from mcukd.fixedpoint.model import load_model
    from mcukd.profiling.emulate import run_image
    from mcukd.profiling.image import build_image

    path = write_parquet(tmp_path / "a.parquet", recording(40_000))
    one = ClassifyJob(path, run, tmp_path / "out", started(), hop=10, sample=1000)
    classify_file(one)
    with np.load(one.file(".sample.npz")) as kept:
        counts, logits, classes = kept["counts"], kept["logits"], kept["classes"]
    assert len(classes) == 1000 and len(set(classes.tolist())) > 1
    generate_model(load_model(run), tmp_path / "model", core)
    seen = run_image(build_image(tmp_path / "model", core), counts)
    assert np.array_equal(seen.logits, logits)
    assert np.array_equal(seen.logits.argmax(axis=1), classes)
