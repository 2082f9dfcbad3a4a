"""Duplicate samples stop an import; files without samples are skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.data.card import load_card
from mcukd.data.importer.copies import refuse_copies
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import import_data
from mcukd.data.quality.survey import survey
from mcukd.data.raw_segments import RawSegment
from mcukd.data.recordings import read_recordings
from mcukd.errors import UserError

HEAD = "time,animal,behaviour,x,y,z"


def rows(animal: str, rate: float = 20.0, places: int = 4, stamps: str = "ms") -> list[str]:
    """Return 90 s of two behaviours in turn."""
    rng = np.random.default_rng(ord(animal[0]))
    found = []
    for number in range(round(90 * rate)):
        seconds = number / rate
        label = ("graze", "rest")[int(seconds // 15) % 2]
        x, y, z = rng.normal((0.1, 0.2, -0.95), 0.05 if label == "graze" else 0.01)
        time = f"2024-05-15 09:2{int(seconds // 60)}:{seconds % 60:06.3f}"
        time = time[:19] if stamps == "s" else time
        found.append(f"{time},{animal},{label},{x:.{places}f},{y:.{places}f},{z:.{places}f}")
    return found


def run(folder: Path, files: dict[str, list[str]], **options: Any) -> int:
    """Import files of rows and return the samples of all recordings."""
    for name, lines in files.items():
        path = folder / "herd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")
    made = import_data(folder / "herd", Options(out=folder / "out", window_s=1.0, **options), Dialog())
    return sum(len(one.samples) for one in read_recordings(load_card(str(made.cards[0])), None))


@pytest.mark.parametrize("convert", [False, True])
def test_a_table_appended_to_itself_is_refused(tmp_path: Path, convert: bool) -> None:
    both = [*rows("bella"), *rows("cora")]
    with pytest.raises(UserError, match=r"stand in the data twice, stamp for stamp: 12 labelled runs"):
        run(tmp_path, {"herd.csv": both + both}, convert=convert)
    assert not (tmp_path / "out").exists()


def test_a_copy_of_a_file_is_refused_and_both_are_named(tmp_path: Path) -> None:
    files = {"a.csv": rows("bella"), "a (1).csv": rows("bella"), "b.csv": rows("cora")}
    with pytest.raises(UserError, match=r"33.3 % of all samples .*bella, a \(1\).csv and a.csv\); remove"):
        run(tmp_path, files)


@pytest.mark.parametrize("convert", [False, True])
def test_rows_that_are_all_written_twice_do_not_double_the_rate(tmp_path: Path, convert: bool) -> None:
    both = [one for one in [*rows("bella"), *rows("cora")] for _ in range(2)]
    with pytest.raises(UserError, match=r"herd.csv.*1,800 rows = 50.0 % repeat the row above") as refused:
        run(tmp_path, {"herd.csv": both}, convert=convert)
    assert "part-" not in str(refused.value)


def test_a_small_copy_is_said_and_stops_nothing() -> None:
    rng = np.random.default_rng(0)
    short, long = rng.normal(0, 1, (40, 3)), rng.normal(0, 1, (9000, 3))
    runs = [
        RawSegment("bella", "rest", name, samples, np.arange(len(samples)) / 10, name)
        for name, samples in (("a.csv", short), ("b.csv", long), ("c.csv", short))
    ]
    dialog = Dialog()
    refuse_copies(survey(runs), lambda place: place, dialog)
    assert (
        "1 labelled run = 0.44 % of all samples (first: 40 samples of bella, a.csv and c.csv)"
        in dialog.notes[0]
    )
    with pytest.raises(UserError, match="50.0 % of all samples"):
        refuse_copies(survey([runs[0], runs[2]]), lambda place: place, dialog)


def test_a_row_or_two_written_twice_stop_nothing(tmp_path: Path) -> None:
    bella = rows("bella")
    assert run(tmp_path, {"herd.csv": [*bella[:100], bella[99], *bella[100:], *rows("cora")]}) == 3601


def test_coarse_values_with_stamps_of_whole_seconds_are_no_copies(tmp_path: Path) -> None:
    both = [*rows("bella", places=1, stamps="s"), *rows("cora", places=1, stamps="s")]
    assert run(tmp_path, {"herd.csv": both}, rate_hz=20.0) == 3600


def test_animals_of_two_rates_are_both_named(tmp_path: Path) -> None:
    files = {"a.csv": rows("bella"), "b.csv": rows("cora", rate=50.0)}
    expected = r"bella \(a.csv\) has 20 samples per second, and cora \(b.csv\) has 50"
    with pytest.raises(UserError, match=expected):
        run(tmp_path, files)


@pytest.mark.parametrize("rate", [25.0, 32.0, 40.0])
def test_stamps_of_whole_seconds_tell_the_rate_although_recordings_begin_within_one(
    tmp_path: Path, rate: float
) -> None:
    (tmp_path / "herd").mkdir()
    both = [one for animal in ("bella", "cora") for one in rows(animal, rate, stamps="s")[round(rate / 3) :]]
    (tmp_path / "herd/herd.csv").write_text("\n".join([HEAD, *both]) + "\n", encoding="utf-8")
    made = import_data(tmp_path / "herd", Options(out=tmp_path / "out", window_s=1.0), Dialog())
    assert load_card(str(made.cards[0])).signal.rate_hz == rate


@pytest.mark.parametrize("content", ["", "\n\n", f"{HEAD}\n"])
def test_files_without_a_row_are_named_and_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "herd").mkdir()
    (tmp_path / "herd/a0.csv").write_text(content, encoding="utf-8")
    for animal in ("bella", "cora"):
        lines = "\n".join([HEAD, *rows(animal)])
        (tmp_path / f"herd/{animal}.csv").write_text(f"{lines}\n", encoding="utf-8")
    dialog = Dialog()
    made = import_data(tmp_path / "herd", Options(out=tmp_path / "out", window_s=1.0), dialog)
    assert "empty: 1 file without a row, passed over: a0.csv" in dialog.notes
    assert sum(len(one.samples) for one in read_recordings(load_card(str(made.cards[0])), None)) == 3600


def test_a_folder_of_empty_files_only_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"a.csv is empty; remove it"):
        import_data(tmp_path, Options(out=tmp_path.parent / "out"), Dialog())
