"""Sensor of the card: range and scale from the board's sensor, and the guess of the mounting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.boards.model import load_board
from mcukd.cli.data_import import accelerometer, bundled_accelerometers
from mcukd.data.card import Card, load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.errors import UserError


def herd(folder: Path, most: float = 0.5) -> Path:
    for animal in ("bella", "max"):
        rng = np.random.default_rng(len(animal))
        lines = ["t,x,y,z,type"]
        for number in range(6000):
            label = ("Resting", "Travelling")[number // 1500 % 2]
            x, y, z = rng.normal((0, 0, 1), 0.02 if label == "Resting" else 0.2)
            x += most * (number % 50 == 0) * (label == "Travelling")
            lines.append(f"{number / 25:.2f},{x:.3f},{y:.3f},{z:.3f},{label}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{animal}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def bring_in(path: Path, out: Path, **options: Any) -> tuple[Imported, Card]:
    if "board" in options:
        options["board"] = accelerometer(options["board"])
    made = import_data(path, Options(out=out, boards=bundled_accelerometers(), **options), Dialog())
    return made, load_card(str(made.cards[0]))


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_a_board_gives_range_and_scale(tmp_path: Path, name: str) -> None:
    made, card = bring_in(herd(tmp_path / "in"), tmp_path / "out", board=name)
    sensor = load_board(name).sensor
    assert sensor is not None
    assert (card.signal.range_g, card.counts_per_g) == (sensor.range_g, sensor.counts_per_g)
    assert f"# of the tag's sensor: of board {name}" in made.cards[0].read_text(encoding="utf-8")
    assert any(note.startswith(f"board: {name}, whose {sensor.part}") for note in made.notes)
    _, same = bring_in(tmp_path / "in", tmp_path / "same", board=name, range_g=sensor.range_g)
    assert same.signal == card.signal


def test_a_rate_that_the_boards_firmware_does_not_have_is_said(tmp_path: Path) -> None:
    made, _ = bring_in(herd(tmp_path / "in"), tmp_path / "out", board="collar")
    said = [note for note in made.notes if "sensor.driver.rate_hz" in note]
    assert len(said) == 1 and said[0].startswith(
        "board: the firmware of collar samples at 50 Hz and this card"
    )
    assert "sensor.driver.rate_hz = 25 in a board file of its own, or a card with --resample 50" in said[0]


def test_without_a_board_it_is_said_which_boards_the_card_fits(tmp_path: Path) -> None:
    made, card = bring_in(herd(tmp_path / "in"), tmp_path / "out", range_g=8.0)
    assert (card.signal.range_g, card.counts_per_g) == (8, 4096)
    note = next(note for note in made.notes if note.startswith("board: none is stated"))
    assert "±8 g and 4096 counts per g, which no bundled board has" in note
    assert "--board collar or --board eartag writes ±4 g and 512" in note


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"board": "collar", "range_g": 8.0}, "--range says 8 g, but the sensor of board collar"),
        ({"board": "native"}, "which has no sensor"),
        ({"board": "collr"}, "did you mean 'collar'"),
    ],
)
def test_a_board_that_contradicts_or_is_none_is_refused_before_any_work(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        bring_in(tmp_path / "nothing there", tmp_path / "out", **options)


def test_what_the_sensor_clips_and_a_rate_it_lacks_are_said(tmp_path: Path) -> None:
    made, _ = bring_in(herd(tmp_path / "in", most=6.0), tmp_path / "out", board="collar")
    said = "1.00% of the vectors here are longer; axes beyond it are clipped"
    assert any(said in note for note in made.notes)
    made, _ = bring_in(tmp_path / "in", tmp_path / "ear", board="eartag", resample_hz=20.0)
    assert any("20 Hz is none of its sensor's rates" in n and "--resample 25" in n for n in made.notes)


def test_the_mounting_is_said_to_be_a_guess(tmp_path: Path) -> None:
    made, card = bring_in(herd(tmp_path / "in"), tmp_path / "out")
    assert card.signal.mounting == "turned"
    assert any("a guess: 'mcukd data check CARD --mounting'" in note for note in made.notes)
    assert "'mcukd data check CARD --mounting' compares" in made.cards[0].read_text(encoding="utf-8")
