"""Stamps whose hours, minutes and seconds are in separate columns."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.rows import State, read_rows
from mcukd.data.importer.text import sniff
from mcukd.data.importer.time_parts import time_parts
from mcukd.errors import UserError

#: 09:59:50 UTC, so that minutes and hours turn within the rows.
FIRST = dt.datetime(2024, 5, 15, 9, 59, 50, tzinfo=dt.UTC)
ROWS = 240
CELLS = {
    "year": "{0:%Y}",
    "yy": "{0:%y}",
    "month": "{0.month}",
    "day": "{0.day}",
    "hour": "{0.hour}",
    "hh": "{0:%H}",
    "minute": "{0:%M}",
    "second": "{0.second}",
    "fine": "{0:%S.%f}",
    "ms": "{1}",
    "fraction": "0.{0:%f}",
    "date": "{0:%d.%m.%Y}",
    "clock": "{0:%H:%M:%S.%f}",
    "iso": "{0:%Y-%m-%d %H:%M:%S.%f}",
}


def written(folder: Path, header: str, cells: str) -> Path:
    lines = [f"{header},animal,label,x,y,z"]
    for number in range(ROWS):
        moment = FIRST + dt.timedelta(milliseconds=100 * number)
        own = [CELLS[cell].format(moment, moment.microsecond // 1000) for cell in cells.split()]
        lines.append(f"{','.join(own)},A,walk,0.{number % 7},0.1,{0.9 + number % 3 / 50:.2f}")
    path = folder / "herd.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "cells", "dated"),
    [
        ("year,month,day,hour,minute,second", "year month day hour minute fine", True),
        ("Year,Month,Day,Hour,Minute,Second,ms", "year month day hour minute second ms", True),
        ("second,minute,hour,day,month,year,milliseconds", "second minute hour day month yy ms", True),
        ("date,hour,minute,second,ms", "date hh minute second ms", True),
        ("Hours,Minutes,Seconds,Decimal Seconds", "hour minute second fraction", False),
        ("hour (UTC),min,sec", "hour minute fine", False),
        ("Stunde,Minute,Sekunde", "hour minute fine", False),
    ],
)
def test_parts_of_a_stamp_are_joined(tmp_path: Path, header: str, cells: str, dated: bool) -> None:
    path, dialog, options = written(tmp_path, header, cells), Dialog(), Options(label_column="label")
    rows = list(read_rows(make_plan(path, options, dialog), options, None, State()))
    seconds = np.concatenate([one.time for one in rows])
    first = FIRST.timestamp() if dated else 9 * 3600 + 59 * 60 + 50
    np.testing.assert_allclose(seconds, first + np.arange(ROWS) / 10, atol=1e-5)
    assert not any(one.left_out for one in rows)


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("timestamp,hour,minute,second", "iso hour minute second"),
        ("hour,minute,second,timestamp", "hour minute second iso"),
        ("hour,minute", "hour minute"),
        ("date,time", "date iso"),
    ],
)
def test_a_column_of_whole_stamps_needs_no_parts(tmp_path: Path, header: str, cells: str) -> None:
    assert time_parts(sniff(written(tmp_path, header, cells))) is None


@pytest.mark.parametrize(
    ("header", "cells", "place", "gone"),
    [
        ("hour,minute,second,ms", "hour minute second ms", 1, "NA"),
        ("hour,minute,second,ms", "hour minute second ms", 2, ""),
        ("date,time", "date clock", 1, ""),
        ("date,time", "date clock", 1, "NA"),
        ("date,time", "date clock", 0, ""),
        ("time", "clock", 0, ""),
        ("time", "clock", 0, "NA"),
    ],
)
def test_a_row_that_lacks_a_part_is_a_missing_row(
    tmp_path: Path, header: str, cells: str, place: int, gone: str
) -> None:
    path, options = written(tmp_path, header, cells), Options(label_column="label")
    lines = path.read_text(encoding="utf-8").splitlines()
    row = lines[100].split(",")
    row[place] = gone
    lines[100] = ",".join(row)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = list(read_rows(make_plan(path, options, Dialog()), options, None, State()))
    assert sum(len(one.time) for one in rows) == ROWS - 1
    assert [reason for one in rows for reason in one.left_out] == [
        "a stamp is missing or cannot be read (first: herd.csv, line 101)"
    ]


@pytest.mark.parametrize(("zero", "scale"), [(1715764830.0, 1000), (77.0, 1000), (77.0, 10**9)])
def test_files_whose_stamps_are_in_different_units_are_refused(
    tmp_path: Path, zero: float, scale: int
) -> None:
    for name, factor in (("a", 1), ("b", scale)):
        lines = ["time,label,x,y,z"]
        lines += [
            f"{(zero + row / 20) * factor:.2f},walk,0.{row % 7},0.1,{0.9 + row % 3 / 50:.2f}"
            for row in range(100)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    step = f"{scale / 20:g}".replace("+", r"\+")
    with pytest.raises(
        UserError, match=f"b.csv: the usual step of the time column time is {step}, and that of"
    ):
        make_plan(tmp_path, Options(label_column="label"), Dialog())


def test_a_clock_of_twelve_hours_is_told_from_rows_out_of_order(tmp_path: Path) -> None:
    first = dt.datetime(2024, 5, 15, 12, 59, 50)
    lines = ["time,label,x,y,z"]
    for row in range(300):
        moment = first + dt.timedelta(milliseconds=100 * row)
        lines.append(f"{moment:%Y-%m-%d %I:%M:%S.%f},walk,0.{row % 7},0.1,{0.9 + row % 3 / 50:.2f}")
    (tmp_path / "herd.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = Options(label_column="label", animal="A")
    with pytest.raises(UserError, match="a clock of twelve hours without AM and PM"):
        list(read_rows(make_plan(tmp_path / "herd.csv", options, Dialog()), options, None, State()))


def test_blanks_around_cells_are_no_part_of_the_stamps(tmp_path: Path) -> None:
    path, options = written(tmp_path, "time", "iso"), Options(label_column="label")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",", " , "), encoding="utf-8")
    rows = list(read_rows(make_plan(path, options, Dialog()), options, None, State()))
    np.testing.assert_allclose(
        np.concatenate([one.time for one in rows]), FIRST.timestamp() + np.arange(ROWS) / 10, atol=1e-5
    )
