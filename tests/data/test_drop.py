"""Rows that are no measurement: found by the import, left out by the card, the same for every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import agrees, samples, write_card, write_herd
from builders.places import Folders
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import Card, load_card
from mcukd.data.drop import Drop, breaks_of, dropped
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.quality.check import check


def test_each_kind_of_row_is_dropped() -> None:
    values = samples(60)
    values[5] = 0
    values[10, 1] = -9999
    values[20:35] = values[20]
    assert not dropped(values, None).any() and not dropped(values, Drop()).any()
    assert np.flatnonzero(dropped(values, Drop(zeros=True))).tolist() == [5]
    assert np.flatnonzero(dropped(values, Drop(values=(-9999.0,)))).tolist() == [10]
    assert np.flatnonzero(dropped(values, Drop(frozen_rows=15))).tolist() == list(range(21, 35))
    assert not dropped(values, Drop(frozen_rows=16)).any()


def test_a_recording_is_cut_at_two_rows_and_more() -> None:
    lost = np.zeros(20, bool)
    lost[[0, 4, 9, 10, 19]] = True
    assert breaks_of(lost).tolist() == [7]
    assert np.flatnonzero(~lost)[7] == 11


def herd(folder: Path, kind: str, layout: str, time: bool) -> Path:
    """Two animals with two behaviours, of which stretches of A's are no measurement."""
    lines = []
    for animal in "AB":
        for place, label in enumerate(("graze", "rest")):
            values = samples(600, seed=place + (animal == "B") * 10)
            if animal == "A":
                values[100:140] = {"zeros": 0, "sentinels": -9999, "frozen": values[99]}[kind]
                values[300] = {"zeros": 0, "sentinels": -9999, "frozen": values[300]}[kind]
            for number, row in enumerate(values):
                stamp = f"{number / 10 + 1000 * place:.1f}," if time else ""
                lines.append((animal, label, stamp + ",".join(f"{value:.5f}" for value in row)))
    columns = ("t," if time else "") + "x,y,z"
    folder.mkdir()
    if layout == "long":
        rows = [f"{animal},{label},{rest}" for animal, label, rest in lines]
        (folder / "all.csv").write_text("\n".join([f"cow,what,{columns}", *rows]) + "\n", encoding="utf-8")
        return folder / "all.csv"
    for animal in "AB":
        for label in ("graze", "rest"):
            path = folder / animal / f"{label}.csv"
            path.parent.mkdir(exist_ok=True)
            rows = [rest for who, what, rest in lines if (who, what) == (animal, label)]
            path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["zeros", "sentinels", "frozen"])
@pytest.mark.parametrize(("convert", "time"), [(False, True), (False, False), (True, True), (True, False)])
def test_an_import_leaves_them_out_and_every_command_agrees(
    tmp_path: Path, kind: str, convert: bool, time: bool
) -> None:
    path = herd(tmp_path / "in", kind, "long", time)
    flags = [*(["--convert"] if convert else []), *([] if time else ["--rate", "10"])]
    arguments = ["data", "import", str(path), "--window", "1", "--out", str(tmp_path / "card"), *flags]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = 80 if kind == "frozen" else 82
    assert f"no measurement: {rows} rows = {100 * rows / 2400:.1f} %" in result.output
    card = load_card(str(tmp_path / "card/card.toml"))
    agrees(card)
    # 100 samples before, 460 after the stretch: one row alone cuts nothing.
    left = [(100 // 10) + (460 - (kind != "frozen")) // 10, 600 // 10]
    windows = load_windows(card)
    assert [int(np.sum(windows.animals == animal)) for animal in "AB"] == [2 * left[0], 2 * left[1]]
    assert np.abs(windows.counts).max() < 2 * card.counts_per_g
    assert not (windows.counts == 0).all(axis=2).any()
    found = [one for one in check(card).findings if one.kind == "dropped"]
    assert [(one.animal, one.extent) for one in found] == [("A", rows)]


def test_segments_are_read_without_them(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = with_drop(tmp_path, None)
    before, identity = len(load_windows(card)), dataset_sha256(card)
    path = tmp_path / "graze/A1.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[16:22] = ["0,0,0"] * 6  # samples 15 to 20: 15 remain before and 19 after
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(load_windows(with_drop(tmp_path, None))) == before
    card = with_drop(tmp_path, "{ zeros = true }")
    assert len(load_windows(card)) == before - 2 and dataset_sha256(card) != identity
    agrees(card)


def with_drop(folder: Path, drop: str | None, **changes: Any) -> Card:
    path = write_card(folder, **changes).path
    assert path is not None
    if drop is not None:
        text = path.read_text(encoding="utf-8").replace('folder = "."', f'folder = "."\ndrop = {drop}')
        path.write_text(text, encoding="utf-8")
    return load_card(str(path))


def test_sound_data_gets_no_drop(tmp_path: Path) -> None:
    write_herd(tmp_path / "in")
    arguments = ["data", "import", str(tmp_path / "in"), "--rate", "10", "--window", "1", "--out"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "card"), "--yes"])
    assert "no measurement" not in result.output
    if result.exit_code == 0:
        assert "drop" not in (tmp_path / "card/card.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "rows"), [("d10_dropout_zeros", 480), ("m07_sentinel", 25)])
def test_inputs_that_once_went_wrong(tmp_path: Path, repro: Folders, name: str, rows: int) -> None:
    arguments = ["data", "import", str(repro(name)), "--out", str(tmp_path / "card")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"no measurement: {rows} rows = " in result.output and "rate: 10 Hz" in result.output
    assert "range: ±2 g" in result.output
    agrees(load_card(str(tmp_path / "card/card.toml")))
