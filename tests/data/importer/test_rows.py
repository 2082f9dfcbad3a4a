"""Rows that an import leaves out or separates: counted, reported by file, and cut at gaps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.places import Folders

from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.parquet import parquet_segments
from mcukd.errors import UserError

HEADER = "time,cow,behaviour,ax,ay,az"


def recording(rows: int = 1200, rate: float = 10.0, seed: int = 0) -> np.ndarray:
    """Half grazing, half at rest in g: (rows, 3)."""
    time = np.arange(rows) / rate
    swing = 0.4 * np.sin(2 * np.pi * 1.3 * time) * (np.arange(rows) % 600 < 300)
    noise = np.random.default_rng(seed).normal(0, 0.01, (rows, 3))
    return np.array([0.1, 0.2, -0.95]) + swing[:, None] * np.array([1.0, 0.2, 0.1]) + noise


def label(row: int) -> str:
    return "graze" if row % 600 < 300 else "rest"


def table(cows: dict[str, np.ndarray], digits: int = 4) -> list[str]:
    return [
        f"{n / 10:.1f},{cow},{label(n)},{','.join(f'{value:.{digits}f}' for value in sample)}"
        for cow, samples in cows.items()
        for n, sample in enumerate(samples)
    ]


def bring_in(tmp_path: Path, lines: list[str], header: str = HEADER, **stated: Any) -> Imported:
    path = tmp_path / "herd.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    options = replace(Options(out=tmp_path / "out", range_g=4.0, window_s=2.0), **stated)
    return import_data(path, options, Dialog(yes=True))


def stretches(tmp_path: Path, animal: str) -> list[np.ndarray]:
    """Samples of each recording of an animal, in order."""
    found: dict[str, list[RawSegment]] = {}
    for run in parquet_segments(tmp_path / "out"):
        if run.animal == animal:
            found.setdefault(run.place, []).append(run)
    return [np.concatenate([run.samples for run in runs]) for runs in found.values()]


@pytest.mark.parametrize("cells", ["0,0,0", ",,", "1,2,3"])
@pytest.mark.parametrize(
    ("column", "ours", "other"),
    [
        ("datatype", "SEN_ACC_10Hz", "GPS"),
        ("sensor", "accelerometer", "gyroscope"),
        ("sensor", "Accelerometer", "Linear Acceleration"),
        ("record type", "ACC", "TEMP"),
    ],
)
def test_rows_of_other_sensors_are_set_aside(
    tmp_path: Path, cells: str, column: str, ours: str, other: str
) -> None:
    lines = []
    for line in table({"A": recording(), "B": recording(seed=1)}):
        lines.append(f"{ours},{line}")
        if line.split(",")[0].endswith("7.0"):
            lines.append(f"{other},{','.join(line.split(',')[:3])},{cells}")
    made = bring_in(tmp_path, lines, f"{column},{HEADER}")
    assert made.converted is not None and made.converted.samples == 2400
    assert list(made.converted.left_out.values()) == [24]
    assert "rate: 10 Hz" in " ".join(made.notes)
    assert [len(one) for one in stretches(tmp_path, "A")] == [1200]


def test_bursts_that_overlap_are_kept_apart(tmp_path: Path) -> None:
    lines = []
    for cow, seed in (("A", 0), ("B", 1)):
        samples = recording(seed=seed)
        for burst in range(12):
            for n in range(100):
                time = burst * 9.6 + n / 10
                lines.append(
                    f"{time:.1f},{cow},{label(burst * 100)},"
                    + ",".join(f"{value:.4f}" for value in samples[burst * 100 + n])
                )
    made = bring_in(tmp_path, lines)
    assert made.converted is not None and made.converted.overlaps == 22
    assert [len(one) for one in stretches(tmp_path, "A")] == [100] * 12
    assert any("22 bursts begin before the one above ends" in note for note in made.notes)
    with pytest.raises(UserError, match="--sort would mix the samples"):
        bring_in(tmp_path / "..", lines, out=tmp_path / "sorted", sort=True)


@pytest.mark.parametrize("swap", [(500, 501), (500, 700)])
def test_rows_out_of_order_are_no_bursts(tmp_path: Path, swap: tuple[int, int]) -> None:
    lines = table({"A": recording(), "B": recording(seed=1)})
    lines[swap[0]], lines[swap[1]] = lines[swap[1]], lines[swap[0]]
    with pytest.raises(UserError, match="time runs backwards"):
        bring_in(tmp_path, lines)


def test_what_is_left_out_is_told_by_file(tmp_path: Path) -> None:
    for number in range(4):
        samples = recording(seed=number)
        samples[: number * 60] = np.nan
        rows = table({f"c{number}": samples})
        path = tmp_path / "herd" / f"c{number}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([HEADER, *rows]) + "\n")
    options = Options(out=tmp_path / "out", range_g=4.0, window_s=2.0)
    made = import_data(tmp_path / "herd", options, Dialog(yes=True))
    (note,) = [one for one in made.notes if "rows left out = " in one]
    assert "360 rows left out = 7.5 % of 4,800" in note
    assert "in 3 files, most in c3.csv 180 = 15.0 %, c2.csv 120 = 10.0 %, c1.csv 60 = 5.0 %" in note


@pytest.mark.parametrize(
    ("name", "samples", "said"),
    [
        ("d21_ornitela", 2400, "rate: 10 Hz"),
        ("a05_overlap", 4800, "rate: 20 Hz"),
        ("d01_header_short", 2400, "rate: 10 Hz"),
        ("d02_trailing_sep_rows", 2400, "range: ±2 g"),
    ],
)
def test_inputs_that_went_wrong(tmp_path: Path, repro: Folders, name: str, samples: int, said: str) -> None:
    path = repro(name) / "herd.csv"
    made = import_data(path, Options(out=tmp_path / "out"), Dialog(yes=True))
    assert made.converted is not None and made.converted.samples == samples
    assert any(said in note for note in made.notes) and any("range: ±2 g" in note for note in made.notes)
