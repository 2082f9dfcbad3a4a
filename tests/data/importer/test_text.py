"""Tables of text: headers, separators and numbers in many forms, read alike or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.importer.dialect import cells_of, table_of
from mcukd.data.importer.numerals import (
    count_numbers,
    decimal_mark,
    is_number,
    to_number,
    to_numbers,
    unit_of,
)
from mcukd.data.importer.text import parse, read_blocks, sniff
from mcukd.errors import UserError

NAMES = ["time", "cow", "behaviour", "ax", "ay", "az"]
VALUES = np.round(np.random.default_rng(3).normal([0.1, 0.2, -0.95], 0.2, (60, 3)), 4)
ROWS = [
    [f"{n / 10:.1f}", "A" if n < 30 else "B", "graze", *(f"{value:.4f}" for value in VALUES[n])]
    for n in range(60)
]


def text(rows: list[list[str]], header: str, separator: str = ",") -> str:
    return "\n".join([header, *(separator.join(row) for row in rows)]) + "\n"


def read(path: Path) -> tuple[np.ndarray, list[str], list[int]]:
    """Samples, animals and the line of every block, as an import reads them."""
    form = sniff(path)
    names = [next(one for one in form.header if one.endswith(axis)) for axis in ("ax", "ay", "az")]
    blocks = list(read_blocks(path, form, size=700))
    parts = [parse(path, form, block, names, ["cow"]) for block in blocks]
    samples = np.concatenate([np.stack([part[name] for name in names], axis=1) for part in parts])
    return samples, [str(cow) for part in parts for cow in part["cow"]], [block.line for block in blocks]


def plain(separator: str = ",") -> str:
    return text(ROWS, separator.join(NAMES), separator)


def numbered(separator: str, quote: str, start: int = 1) -> str:
    rows = [[f"{quote}{n}{quote}", *row] for n, row in enumerate(ROWS, start)]
    return text(rows, separator.join(f"{quote}{name}{quote}" for name in NAMES), separator)


def quoted(rows: list[list[str]]) -> list[list[str]]:
    return [[row[0], f'"{row[1]}"', f'"{row[2]}"', *row[3:]] for row in rows]


FORMS: dict[str, Callable[[], str]] = {
    "R's commas": lambda: numbered(",", '"'),
    "R's blanks": lambda: numbered(" ", '"'),
    "R's tabs without quotes": lambda: numbered("\t", ""),
    "row names from 0": lambda: numbered(",", "", 0),
    "row names with holes": lambda: text(
        [[str(n), *row] for n, row in zip(range(5, 500, 7), ROWS)], ",".join(NAMES)
    ),
    "pandas' index": lambda: text([[str(n), *row] for n, row in enumerate(ROWS)], "," + ",".join(NAMES)),
    "rows end with a separator": lambda: text([[*row, ""] for row in ROWS], ",".join(NAMES)),
    "rows end with three": lambda: text([[*row, "", "", ""] for row in ROWS], ";".join(NAMES), ";"),
    "the header ends with one": lambda: text(ROWS, ",".join(NAMES) + ","),
    "both end with one": lambda: text([[*row, ""] for row in ROWS], ",".join(NAMES) + ","),
    "some rows end with one": lambda: text(
        [[*row, ""] if n % 3 else row for n, row in enumerate(ROWS)], ",".join(NAMES)
    ),
    "a header behind #": lambda: text(ROWS, "# " + ",".join(NAMES)),
    "a header behind %": lambda: text(ROWS, "%" + "\t".join(NAMES), "\t"),
    "comments above": lambda: "# made by a logger\n# serial, 12\n" + plain(),
    "units below": lambda: text([["s", "", "", "g", "g", "g"], *ROWS], ",".join(NAMES)),
    "units in brackets": lambda: text(
        [["[ms]", "[-]", "[-]", "[m/s²]", "[m/s²]", "[m/s²]"], *ROWS], ";".join(NAMES), ";"
    ),
    "a line of dashes below": lambda: text([["---"] * 6, *ROWS], "|".join(NAMES), "|"),
    "names in quotes": lambda: text(ROWS, ",".join(f'"{name}"' for name in NAMES)),
    "words in quotes": lambda: text(quoted(ROWS), ";".join(NAMES), ";"),
    "a mark of the byte order": lambda: "\ufeff" + plain(),
    "empty lines": lambda: plain().replace("\n", "\n\n"),
    "empty lines above": lambda: "\n\n" + plain(),
    "lines of separators only": lambda: plain().replace("\n1.0,", "\n,,,,,\n1.0,"),
    "lines of another length above": lambda: "Device: AX3\nRate: 10 Hz\nNote: a, b\n" + plain(),
    "lines above filled with separators": lambda: "Device,AX3,,,,\nAnimal,12,,,,\n" + plain(),
    "a header again in the middle": lambda: plain() + text(ROWS[:0], ",".join(NAMES)),
    "two files in one": lambda: text(ROWS[:30], ",".join(NAMES)) + text(ROWS[30:], ",".join(NAMES)),
    "columns set with blanks": lambda: "\n".join(
        "".join(f"{cell:>12}" for cell in row) for row in [NAMES, *ROWS]
    ),
    "blanks and decimal commas": lambda: plain(" ").replace(".", ","),
    "semicolons and decimal commas": lambda: plain(";").replace(".", ","),
    "commas and decimal commas in quotes": lambda: text(
        [[f'"{cell}"'.replace(".", ",") for cell in row] for row in ROWS], ",".join(NAMES)
    ),
    "a stamp of two words": lambda: text(
        [[f"2024-05-15 09:20:{n:02d}", *row[1:]] for n, row in enumerate(ROWS)], " ".join(NAMES), " "
    ),
    "a unit behind each number": lambda: text(
        [[*row[:3], *(f"{v} g" for v in row[3:])] for row in ROWS], ",".join(NAMES)
    ),
    "a longer minus": lambda: plain().replace("-", "−"),
    "plus signs": lambda: text(
        [[*row[:3], *(v if v[0] == "-" else f"+{v}" for v in row[3:])] for row in ROWS], ",".join(NAMES)
    ),
    "blanks around cells": lambda: text(ROWS, " , ".join(NAMES), " , "),
    "no-break blanks around numbers": lambda: text(
        [[*row[:3], *(f"\u00a0{v}\u202f" for v in row[3:])] for row in ROWS], ",".join(NAMES)
    ),
    "Windows' ends of lines": lambda: plain().replace("\n", "\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_table_is_read_alike_in_every_form(tmp_path: Path, name: str) -> None:
    path = tmp_path / "herd.csv"
    path.write_bytes(FORMS[name]().encode())
    samples, cows, _ = read(path)
    np.testing.assert_array_equal(samples, VALUES)
    assert [cow.strip() for cow in cows] == [row[1] for row in ROWS]


@pytest.mark.parametrize("name", FORMS)
def test_a_plain_form_is_what_the_readers_of_a_card_read_alike(tmp_path: Path, name: str) -> None:
    from mcukd.data.tables import read_table

    path = tmp_path / "herd.csv"
    path.write_bytes(FORMS[name]().encode())
    form = sniff(path)
    if form.is_plain:
        try:
            columns = read_table(path, ["ax", "ay", "az"], ["cow"], form.delimiter)
        except UserError:
            return  # refused is not another reading: the import converts then
        np.testing.assert_array_equal(np.stack([columns[n] for n in ("ax", "ay", "az")], axis=1), VALUES)


def test_lines_keep_their_numbers_behind_odd_lines(tmp_path: Path) -> None:
    path = tmp_path / "herd.csv"
    lines = plain().splitlines()
    broken = [*lines[:20], "", *lines[20:40], lines[0], *lines[40:50], "5.0,A,graze,0.1,oops,-0.9"]
    path.write_text("\n".join(broken) + "\n")
    with pytest.raises(UserError, match=r"line 53: column ay is 'oops' where a number is expected"):
        read(path)
    form = sniff(path)
    blocks = list(read_blocks(path, form))
    assert [(block.line, block.cut) for block in blocks] == [(2, False), (22, False), (43, True)]
    # An import that stopped after any block goes on with the same rows.
    for number, block in enumerate(blocks[:-1]):
        after = block.line + block.content.count(b"\n")
        rest = list(read_blocks(path, form, block.stop, after))
        assert [(one.content, one.line, one.cut) for one in rest] == [
            (one.content, one.line, one.cut) for one in blocks[number + 1 :]
        ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (text(ROWS, ",".join(ROWS[0])), "has no header line: its first line is"),
        (text([row[3:] for row in ROWS], "Serial: 12\nRate: 10 Hz"), "has no header line: line 3, the"),
        (text([[row[0], *row[3:], "21.5"] for row in ROWS], "time,ax,ay,az"), "a name for every column"),
        (text([[str(n), *row[3:], "21.5"] for n, row in enumerate(ROWS)], "t,ax,ay,az"), "which of them"),
        (text([[*row, "1", "2"] for row in ROWS], ",".join(NAMES)), "header has 6 names"),
        (text(ROWS, "time,cow,behaviour,ax,ax,az"), "2 columns named 'ax'"),
        (text([["1,024", "0", "0"]] * 9, "ax;ay;az", ";"), "which may be 1024 or 1.024"),
    ],
)  # fmt: skip
def test_what_has_two_readings_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "herd.csv"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_column_keeps_to_one_unit(tmp_path: Path) -> None:
    path = tmp_path / "herd.csv"
    rows = [[*row[:3], *(f"{v} g" for v in row[3:])] for row in ROWS]
    rows[40][4] = "200 mg"
    path.write_text(text(rows, ",".join(NAMES)))
    with pytest.raises(
        UserError, match=r"line 42: column ay is '200 mg', and the cells above it have the unit g"
    ):
        read(path)


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("0.1 g", ".", 0.1), ("1,024.5", ".", 1024.5), ("1.024,5", ",", 1024.5), ("−0.95", ".", -0.95),
        ("1 024.5", ".", 1024.5), ("1\u202f024,5", ",", 1024.5), ("1'024", ".", 1024.0), ("- 0.5", ".", -0.5),
        ("+.5", ".", 0.5), ("1e-3", ".", 0.001), ("9.81 m/s²", ".", 9.81), ("9.81m/s^2", ".", 9.81),
        ("0,103", ".", None), ("1,2,3", ".", None), ("0.1 0.2", ".", None), ("12:30", ".", None),
        ("1,02", ".", None),
        ("2024-05-15", ".", None), ("graze", ".", None), ("", ".", None), ("g", ".", None),
    ],
)  # fmt: skip
def test_cells_are_numbers_or_not(cell: str, decimal: str, value: float) -> None:
    assert to_number(cell, decimal) == value


CELLS = [
    *(
        "0.1",
        "-7",
        "+.5",
        "5.",
        "1e-3",
        "1,5",
        "1,024",
        "1.024,5",
        "1 024.5",
        "1'024",
        "−0.95",
        "- 0.5",
        "0.1 g",
    ),
    *(
        '"12.5"',
        "٣",
        "12:30",
        "2024-05-15",
        "graze",
        "_1",
        "x1",
        " 1.5 ",
        " graze",
        "",
        "-",
        ".",
        "g",
        "1,2,3",
    ),
]


@given(st.lists(st.sampled_from(CELLS) | st.text("0123456789.,-+:eg \"'", max_size=6)), st.sampled_from(".,"))
def test_a_column_is_read_as_its_cells_are(cells: list[str], decimal: str) -> None:
    assert to_numbers(cells, decimal) == [to_number(cell, decimal) for cell in cells]
    assert count_numbers(cells, decimal) == sum(is_number(cell, decimal) for cell in cells)


def test_lines_are_split_together_as_they_are_alone() -> None:
    lines = ["a,b", "", "1, 2,", '"x, y",3', "  4  5\t6"]
    for separator in (",", ";", "\t", "|", " "):
        for some in (lines, [line for line in lines if '"' not in line]):
            assert table_of(Path("a.csv"), some, separator) == [cells_of(line, separator) for line in some]


def test_units_and_decimal_marks_are_told() -> None:
    assert [unit_of(cell) for cell in ("1 g", "1 m/s²", "1", "mg", "12 mg")] == ["g", "m/s²", "", "", "mg"]
    assert decimal_mark([["0,103", "1,024"], ["A", "B"]])[0] == ","
    assert decimal_mark([["1,024.5", "1,024"]])[0] == "."
    assert decimal_mark([["1,024", "7"]]) == (None, "1,024")
    # Beside 106 and 969, 1,013 goes on counting.
    assert decimal_mark([["106", "-969", "213", "400", "512", "1,013"]])[0] == "."
    assert decimal_mark([["106", "213"], ["A", "graze"]]) == (".", "")


@pytest.mark.parametrize("cell", ["1.0±0.1", "0.1 furlong", "0x3f", "1,2,3", "12:30"])
def test_axes_that_hold_no_numbers_are_named_with_a_cell(tmp_path: Path, cell: str) -> None:
    from mcukd.data.importer.options import Dialog, Options
    from mcukd.data.importer.run import import_data

    path = tmp_path / "herd.csv"
    path.write_text(text([[*row[:4], f'"{cell}"', row[5]] for row in ROWS], ",".join(NAMES)))
    with pytest.raises(UserError) as caught:
        import_data(path, Options(out=tmp_path / "out"), Dialog())
    assert f"line 2: column ay, named like an axis of the accelerometer, is {cell!r}" in str(caught.value)
