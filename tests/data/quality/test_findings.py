"""Findings about rows that are no measurement, and findings that several animals share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import samples, write_card, write_segment
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.quality.check import Checked, check
from mcukd.data.quality.finding import Finding
from mcukd.data.quality.grouping import grouped
from mcukd.data.quality.page import render


def herd(folder: Path, animals: str = "ABC", number: int = 200) -> dict[str, np.ndarray]:
    values = {}
    for place, animal in enumerate(animals):
        for label, seed in (("graze", 0), ("rest", 50)):
            name = f"{label}/{animal}1.csv"
            values[name] = samples(number, seed=seed + place)
            write_segment(folder, name, values[name])
    return values


def of_kind(checked: Checked, kind: str) -> list[Finding]:
    return [one for one in checked.findings if one.kind == kind]


def test_sound_data_has_no_row_that_is_no_measurement(tmp_path: Path) -> None:
    herd(tmp_path)
    checked = check(write_card(tmp_path))
    assert not [one for kind in ("zeros", "frozen", "still", "sentinels") for one in of_kind(checked, kind)]
    assert checked.animals["A"]["zero_rows"] == 0 and checked.animals["A"]["frozen_rows"] == 0


@pytest.mark.parametrize(
    ("kind", "key", "what"),
    [
        ("zeros", "zero_rows", "are 0, 0, 0"),
        ("frozen", "frozen_rows", "repeat the one before"),
        ("sentinels", "sentinel_rows", "hold -9999, which stands for a missing value"),
    ],
)
def test_rows_that_are_no_measurement_are_found(tmp_path: Path, kind: str, key: str, what: str) -> None:
    values = herd(tmp_path)["graze/B1.csv"]
    if kind == "sentinels":
        values[20:60:2] = -9999
    else:
        values[20:60] = 0 if kind == "zeros" else values[19]
    write_segment(tmp_path, "graze/B1.csv", values)
    checked = check(write_card(tmp_path))
    rows = 20 if kind == "sentinels" else 40
    assert checked.animals["B"][key] == rows and checked.animals["A"][key] == 0
    (found,) = of_kind(checked, kind)
    assert found.animal == "B" and found.weight == "problem" and what in found.sentence
    assert f"animal B: {rows} rows = {100 * rows / 400:.1f} %" in found.sentence
    assert f"(graze/B1.csv: {rows})" in found.sentence and "import the data again" in found.effect


def test_an_animal_at_rest_on_coarse_steps_is_not_called_frozen(tmp_path: Path) -> None:
    herd(tmp_path)
    coarse = np.round(samples(400, seed=9) / 0.25) * 0.25
    write_segment(tmp_path, "rest/C1.csv", coarse)
    moving = samples(400, seed=8) + 0.5 * np.sin(np.arange(400))[:, None]
    write_segment(tmp_path, "graze/C1.csv", np.round(moving / 0.25) * 0.25)
    checked = check(write_card(tmp_path))
    assert not of_kind(checked, "frozen") and checked.animals["C"]["frozen_rows"] == 0
    (found,) = of_kind(checked, "still")
    assert found.weight == "note" and "too coarse to tell a sensor at rest" in found.sentence


def finding(animal: Any, extent: float = 0.0, kind: str = "gaps", effect: str = "cut") -> Finding:
    return Finding(kind, "note", f"animal {animal}: {extent:g} gaps", effect, animal, extent)


def test_what_several_animals_share_is_one_line() -> None:
    found = [finding(f"a{number}", number % 5) for number in range(12)]
    (one,) = grouped(found, 14)
    assert one.sentence == (
        "gaps in time: 12 of 14 animals: a0, a1, a2, a3, a4, a5, a6, a7 …; the worst: animal a4: 4 gaps"
    )
    assert one.animals == tuple(f"a{number}" for number in range(12)) and one.effect == "cut"


def test_one_animal_and_other_effects_stay_apart() -> None:
    found = [finding("a", 3), finding("b", 2, effect="other"), finding(None, kind="units")]
    assert [one.sentence for one in grouped(found, 3)] == [one.sentence for one in found]


def test_findings_are_grouped_in_text_json_and_page(tmp_path: Path) -> None:
    herd(tmp_path)
    for animal in "ABC":
        values = samples(100, seed=3)
        values[:, 2] = 3.0
        write_segment(tmp_path, f"graze/{animal}2.csv", np.abs(values))
    card = write_card(tmp_path)
    text = CliRunner().invoke(app, ["data", "check", str(card.path)])
    assert text.exit_code == 0
    line = "- values at the end of the recording sensor's range: 3 of 3 animals: A, B, C; for instance: "
    assert text.output.count("lie exactly at") == 1 and line in text.output
    facts = json.loads(CliRunner().invoke(app, ["data", "check", str(card.path), "--json"]).output)
    assert [one["animal"] for one in facts["findings"] if one["kind"] == "clipping"] == ["A", "B", "C"]
    assert [one["animals"] for one in facts["grouped"] if one["kind"] == "clipping"] == [["A", "B", "C"]]
    assert render(check(card)).count("lie exactly at") == 1
