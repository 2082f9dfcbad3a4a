"""Counters of rows and frames: missing rows without stamps, and recordings at another rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mcukd.data.importer.counters import jumps
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data


def herd(folder: Path, name: str = "frame", drop: tuple[int, ...] = (), held: int = 1) -> None:
    for animal in ("bella", "max"):
        rng = np.random.default_rng(len(animal))
        lines = [f"{name},x,y,z,type"]
        for number in range(6000):
            label = ("Resting", "Travelling")[number // 1500 % 2]
            x, y, z = rng.normal((0, 0, 1), 0.02 if label == "Resting" else 0.2)
            shared = held if animal == "max" else 1
            if animal == "max" or number not in drop:
                lines.append(f"{57592 + number // shared},{x:.3f},{y:.3f},{z:.3f},{label}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{animal}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def bring_in(tmp_path: Path) -> Imported:
    return import_data(tmp_path / "in", Options(out=tmp_path / "out", rate_hz=25.0), Dialog())


def segments(tmp_path: Path) -> list[int]:
    import pandas as pd

    rows = pd.concat([pd.read_parquet(part) for part in sorted((tmp_path / "out").glob("part-*"))])
    return [len(group) for _, group in rows.groupby("segment")]


@pytest.mark.parametrize("name", ["frame", "Sample", "packet no", "index"])
def test_missing_rows_cut_the_recording(tmp_path: Path, name: str) -> None:
    herd(tmp_path / "in", name, drop=tuple(range(1000, 1400)))
    made = bring_in(tmp_path)
    assert segments(tmp_path) == [1000, 4600, 6000]
    note = next(note for note in made.notes if note.startswith("gaps: "))
    assert f"the column {name} counts rows and jumps 1 time (first in bella.csv)" in note


def test_a_counter_without_gaps_is_said_and_cuts_nothing(tmp_path: Path) -> None:
    herd(tmp_path / "in")
    made = bring_in(tmp_path)
    assert "gaps: the column frame counts rows, and none is missing" in made.notes
    assert segments(tmp_path) == [6000, 6000]


def test_rows_that_share_a_number_hint_at_another_rate(tmp_path: Path) -> None:
    herd(tmp_path / "in", held=2)
    made = bring_in(tmp_path)
    note = next(note for note in made.notes if note.startswith("rate: in max.csv"))
    assert (
        "2 rows share each number of frame where 1 does in the others" in note and "2 times the rate" in note
    )


def test_a_column_of_another_thing_is_no_counter(tmp_path: Path) -> None:
    herd(tmp_path / "in", "steps")
    assert not any(note.startswith("gaps: ") for note in bring_in(tmp_path).notes)


@pytest.mark.parametrize(
    ("numbers", "before", "expected"),
    [
        ([1, 2, 3], None, []),
        ([1, 2, 4, 5], None, [2]),
        ([4, 5], 2.0, [0]),
        ([253, 254, 255, 0, 1], None, []),
        ([253, 254, 255, 2, 3], None, [3]),
        ([10, 11, 0, 1], None, [2]),
        ([7, 7, 8, 8], None, []),
        ([7, np.nan, np.nan, 10], None, []),
        ([7, np.nan, 10], None, [2]),
        ([np.nan, np.nan, 3], None, []),
        ([np.nan, 5], 3.0, []),
        ([np.nan, np.nan], 3.0, []),
    ],
)
def test_jumps_are_where_numbers_are_missing(
    numbers: list[float], before: float | None, expected: list[int]
) -> None:
    assert np.flatnonzero(jumps(np.array(numbers, dtype=float), before)).tolist() == expected
