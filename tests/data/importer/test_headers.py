"""Headers of loggers' exports: units and markers below the names, long lines above, and none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.data.importer.text import TextForm, sniff
from mcukd.errors import UserError

ROWS = [f"2024-05-15 09:20:{number / 10:06.3f},0.{number % 7},0.1,-0.9{number % 3}" for number in range(120)]


def form_of(folder: Path, lines: list[str], separator: str = ",") -> TextForm:
    path = folder / "herd.csv"
    rows = [one.replace(",", separator) for one in ROWS]
    path.write_text("\n".join([*lines, *rows]) + "\n", encoding="utf-8")
    return sniff(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["time,x,y,z", "ms,m/(s^2)*,m/(s^2)*,m/(s^2)*"],
        ["time,x,y,z", "ms,m/(sec^2),m/(sec^2),m/(sec^2)"],
        ["time,x,y,z", "CAL,CAL,CAL,CAL", "ms,m/(s^2)*,m/(s^2)*,m/(s^2)*"],
        ["*STARTTIME", "2024-05-15", "*CHANNEL", "time,x,y,z", "*UNIT", ",g,g,g", "*DATA"],
        ["[Header]", "model,X7", "[Data]", "time,x,y,z"],
        ["model,X7", "time,x,y,z", "[Data]"],
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_are_found_above_units_and_markers(tmp_path: Path, lines: list[str], separator: str) -> None:
    form = form_of(tmp_path, [one.replace(",", separator) for one in lines], separator)
    assert form.header == ("time", "x", "y", "z")
    assert form.rows[0][1:] == ("0.0", "0.1", "-0.90")


@pytest.mark.parametrize("above", [3, 60, 200])
def test_long_lines_above_a_header_do_not_set_its_width(tmp_path: Path, above: int) -> None:
    form = form_of(tmp_path, [f"setting {number},on" for number in range(above)] + ["time,x,y,z"])
    assert form.header == ("time", "x", "y", "z") and form.above == above


@pytest.mark.parametrize("above", [0, 3, 100])
@pytest.mark.parametrize("last", ["", "[Data]"])
def test_samples_without_a_header_are_named_so(tmp_path: Path, above: int, last: str) -> None:
    lines = [f"setting {number},on" for number in range(above)] + ([last] if last else [])
    with pytest.raises(
        UserError, match="has no header line: (its first line|line .*) is 2024-05-15 09:20:00"
    ):
        form_of(tmp_path, lines)
