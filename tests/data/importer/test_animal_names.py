"""Animals whose names are missing or spelled in two ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mcukd.data.card import load_card
from mcukd.data.importer.animal_names import refuse_alike
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import import_data
from mcukd.data.recordings import read_recordings
from mcukd.errors import UserError


def bring_in(
    folder: Path, name: Callable[[str, int], str], convert: bool
) -> tuple[dict[str, int], list[str]]:
    """Import two animals of 1,200 rows each; return rows of each, and notes."""
    lines = ["time,animal,behaviour,x,y,z"]
    for animal in ("bella", "cora"):
        for row in range(1200):
            x = 0.3 * (row % 5) / 5 if row // 150 % 2 else 0.01 * (row % 3)
            label = ("rest", "graze")[row // 150 % 2]
            lines.append(
                f"{row / 20:.2f},{name(animal, row)},{label},{x:.3f},0.{row % 3},{-0.95 + row % 7 / 500:.3f}"
            )
    (folder / "herd.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dialog = Dialog()
    options = Options(out=folder / "out", window_s=1.0, convert=convert)
    made = import_data(folder / "herd.csv", options, dialog)
    rows: dict[str, int] = {}
    for one in read_recordings(load_card(str(made.cards[0])), None):
        rows[one.animal] = rows.get(one.animal, 0) + len(one.samples)
    return rows, dialog.notes


@pytest.mark.parametrize("convert", [False, True])
@pytest.mark.parametrize("gone", ["", "NA", "  "])
def test_a_row_that_names_no_animal_is_a_missing_row(tmp_path: Path, gone: str, convert: bool) -> None:
    rows, notes = bring_in(tmp_path, lambda name, row: gone if row in (70, 400, 401) else name, convert)
    assert rows == {"bella": 1197, "cora": 1197}
    assert any("6 rows left out = 0.25 % of 2,400, for no animal is named" in note for note in notes)


def test_a_column_of_animals_that_is_not_filled_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1,200 rows = 50.0 % of all have nothing in the column animal"):
        bring_in(tmp_path, lambda name, row: "" if row % 2 else name, False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("convert", [False, True])
def test_an_animal_spelled_in_two_ways_is_refused(tmp_path: Path, convert: bool) -> None:
    with pytest.raises(UserError, match="the animals 'Bella' and 'bella' differ only in how"):
        bring_in(tmp_path, lambda name, row: name.title() if 300 <= row < 600 else name, convert)


@pytest.mark.parametrize("names", [("7", "007"), ("cow 1", "cow_01"), ("A", "a"), ("12", "12.0")])
def test_names_that_are_alike(names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="differ only in how they are spelled"):
        refuse_alike(names)


@pytest.mark.parametrize("names", [("7", "70"), ("cow 1", "cow 10"), ("A", "B"), ("1", "10", "100")])
def test_names_that_are_not_alike(names: tuple[str, ...]) -> None:
    refuse_alike(names)
