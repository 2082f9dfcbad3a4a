"""Clocks of label tables: epochs, days, times of day, one label per burst."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.data.importer.intervals import LabelTable
from mcukd.data.importer.label_clocks import Asked, Spans
from mcukd.data.importer.labels import read_labels
from mcukd.data.importer.options import Dialog, Options
from mcukd.errors import UserError

#: 2024-05-15 09:20:30 UTC, 11:20:30 in Berlin.
START = 1715764830.0
DAYS = 45427 + (9 * 3600 + 20 * 60 + 30) / 86400
HALF = 30 / 86400
DATED = Spans({"A": (START, START + 120), "B": (START, START + 120)})
OWN = Spans({"A": (0.0, 120.0), "B": (0.0, 120.0)}, dated=False)
BERLIN = "Europe/Berlin"


def labels(
    folder: Path, rows: list[str], spans: Spans | None = DATED, ask: Any = None, **options: Any
) -> LabelTable:
    path = folder / "labels.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return read_labels(path, Asked(Options(**options), Dialog(ask=ask), lambda: spans or DATED))


def first(table: LabelTable) -> tuple[float, float, str]:
    one = table.all()[0]
    return one.start, one.end, one.label


@pytest.mark.parametrize(
    ("start", "end", "options", "words"),
    [
        ("1715764830", "1715764860", {}, "seconds since 1970"),
        ("1715764830000", "1715764860000", {}, "milliseconds since 1970"),
        ("1715764830000", "1715764860000", {"timezone": BERLIN}, "milliseconds since 1970"),
        (f"{DAYS:.8f}", f"{DAYS + HALF:.8f}", {}, "days since 1899-12-30"),
        (f"{DAYS + 1 / 12:.8f}", f"{DAYS + 1 / 12 + HALF:.8f}", {"timezone": BERLIN}, "local time of Europe"),
        (f"{DAYS + 693960:.8f}", f"{DAYS + 693960 + HALF:.8f}", {}, "Matlab's datenum"),
        (f"{DAYS - 1462:.8f}", f"{DAYS - 1462 + HALF:.8f}", {"labels_unit": "excel-1904"}, "1904"),
        ("2024-05-15T09:20:30Z", "2024-05-15T09:21:00Z", {"timezone": BERLIN}, "dates"),
        (
            "15/05/2024 11:20:30",
            "15/05/2024 11:21",
            {"labels_timezone": BERLIN},
            "local time of Europe/Berlin",
        ),
        ("20240515092030", "20240515092100", {}, "dates"),
        ("09:20:30", "09:21:00", {}, "times of day, on the day of each recording (2024-05-15)"),
        ("11:20:30", "11:21:00", {"timezone": BERLIN}, "times of day of Europe/Berlin"),
        ("9:20:30 AM", "9:21 AM", {}, "times of day"),
    ],
)
def test_a_clock_of_labels_is_understood_and_said(
    tmp_path: Path, start: str, end: str, options: dict[str, Any], words: str
) -> None:
    table = labels(tmp_path, ["animal,start,end,behaviour", f"A,{start},{end},graze"], **options)
    assert first(table) == (START, START + 30, "graze") and table.dated
    assert words in table.reason


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (["animal,start,duration,behaviour", "A,2024-05-15 09:20:30,30,graze"], {}),
        (["animal,start,duration,behaviour", "A,1715764830,0:00:30,graze"], {}),
        (["animal,date,start,end,behaviour", "A,15.05.2024,09:20:30,09:21:00,graze"], {}),
        (["animal,date,start,duration,behaviour", "A,2024-05-15,09:20:30,30,graze"], {}),
        (["animal,start (ms),stop (ms),behaviour", "A,1715764830000,1715764860000,graze"], {}),
        (["animal,start,end,behaviour", "A,0,30,graze"], {"labels_from_start": True}),
    ],
)
def test_other_columns_of_times(tmp_path: Path, rows: list[str], options: dict[str, Any]) -> None:
    assert first(labels(tmp_path, rows, **options)) == (START, START + 30, "graze")


def test_seconds_and_milliseconds_from_an_own_zero(tmp_path: Path) -> None:
    rows = ["animal,start,end,behaviour", "A,0,30,graze"]
    assert first(labels(tmp_path, rows, OWN)) == (0.0, 30.0, "graze")
    rows = ["animal,Begin Time - msec,End Time - msec,behaviour", "A,0,30000,graze"]
    assert first(labels(tmp_path, rows, OWN)) == (0.0, 30.0, "graze")


def test_the_recordings_tell_days_of_spreadsheets_from_seconds_of_half_a_day(tmp_path: Path) -> None:
    rows = ["animal,start,end,behaviour", "A,45427,45457,graze"]
    uptime = Spans({"A": (45000.0, 46000.0)}, dated=False)
    assert first(labels(tmp_path, rows, uptime))[:2] == (45427.0, 45457.0)
    other_day = Spans({"A": (START + 1e7, START + 1e7 + 86000)})
    assert not labels(tmp_path, rows, other_day).dated
    table = labels(tmp_path, rows, other_day, labels_from_start=True)
    assert table.dated and first(table)[0] == START + 1e7 + 45427


def test_rows_may_name_the_file_of_their_animal(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    rows = ["file,start,end,behaviour", "C:\\data\\a1.csv,0,30,graze", "b2,0,30,rest"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    asked = Asked(Options(), Dialog(), lambda: OWN, {"a1.csv": "A", "a1": "A", "b2": "B"})
    assert [(one.animal, one.label) for one in read_labels(path, asked).all()] == [
        ("A", "graze"),
        ("B", "rest"),
    ]
    path.write_text("\n".join([*rows, "c3,30,60,rest"]) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 4: column file is 'c3', which is no file of the recordings"):
        read_labels(path, asked)


def test_times_of_day_past_midnight(tmp_path: Path) -> None:
    night = Spans({"A": (START + 14 * 3600, START + 20 * 3600)})  # 23:20:30 to 05:20:30
    rows = ["animal,start,end,behaviour", "A,23:50:00,00:10:00,graze", "A,00:10:00,04:00:00,rest"]
    table = labels(tmp_path, rows, night)
    assert [one.end - one.start for one in table.all()] == [1200, 13800]
    assert table.all()[1].start == START + 14 * 3600 + 49 * 60 + 30


@pytest.mark.parametrize(
    ("rows", "spans", "options", "sentence"),
    [
        (["A,09:20:30,09:21:00,graze"], Spans({"A": (START, START + 86400)}), {}, "of several days; add"),
        (["A,09:20:30,09:20:00,graze"], DATED, {}, "line 2: graze ends 30 s before it starts"),
        (["A,09:20:30,09:21:00,graze"], OWN, {}, "labels as times of day, and the recordings have seconds"),
        (["A,09:20:30,1715764860,graze"], DATED, {}, "one holds times of day and the other seconds"),
        (["A,0,30,graze"], DATED, {"labels_unit": "excel"}, "--labels-unit says excel"),
        (["A,0,30,graze"], DATED, {"labels_unit": "counter"}, "--labels-unit says counter"),
        (["A,2024-05-15 09:20:30 CET,2024-05-15 09:21 CET,graze"], DATED, {}, "CET stands for more than one"),
        (["A,2024-05-15 09:20:30,2024-05-15 09:21,graze", "A,soon,later,rest"], DATED, {}, "line 3"),
        (["A,05/06/2024 09:20,05/06/2024 09:21,graze"], DATED, {}, "--day-first or --month-first"),
        (
            [
                "A,2024-05-15T09:20:30,2024-05-15T09:21:00,graze",
                "A,2024-05-15T11:21+02:00,2024-05-15T11:22+02:00,rest",
            ],
            DATED,
            {},
            "line 3: column start is '2024-05-15T11:21+02:00', which says an offset",
        ),
    ],
)
def test_labels_on_a_clock_that_does_not_fit_are_refused(
    tmp_path: Path, rows: list[str], spans: Spans, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError) as caught:
        labels(tmp_path, ["animal,start,end,behaviour", *rows], spans, **options)
    assert sentence in str(caught.value)


BURSTS = Spans(
    {"A": (START, START + 601), "B": (START, START + 601)},
    {name: START + np.arange(0, 601, 60.0) for name in "AB"},
)


def points(seconds: list[float]) -> list[str]:
    stamps = [str(np.datetime64(int((START + one) * 1000), "ms")) for one in seconds]
    return [
        "animal,timestamp,label",
        *(f"A,{stamp},{('rest', 'graze')[n % 2]}" for n, stamp in enumerate(stamps)),
    ]


def test_one_label_per_burst_holds_for_its_burst(tmp_path: Path) -> None:
    table = labels(tmp_path, points([0, 60, 240]), BURSTS)
    assert [(one.start - START, one.end - START) for one in table.all()] == [(0, 60), (60, 120), (240, 300)]


def test_stamps_that_are_no_bursts_are_asked_how_long_they_hold(tmp_path: Path) -> None:
    rows = points([7, 61.5, 250])
    with pytest.raises(UserError, match="--labels-hold: burst .* or next"):
        labels(tmp_path, rows, BURSTS)
    table = labels(tmp_path, rows, BURSTS, labels_hold="next")
    assert [(one.start - START, one.end - START) for one in table.all()] == [(7, 61.5), (61.5, 250)]
    assert table.left_out == 1
    with pytest.raises(UserError, match="--labels-hold is 'always'"):
        labels(tmp_path, rows, BURSTS, labels_hold="always")


BORIS = "Observation id,Observation date,Subject,Behavior,Behavior type,Time"


def test_epochs_of_boris_are_in_utc_and_compared_with_the_observation(tmp_path: Path) -> None:
    event = "o,2024-05-15 09:20:30,A,graze"
    rows = [BORIS, f"{event},START,{START}", f"{event},STOP,{START + 30}"]
    assert first(labels(tmp_path, rows)) == (START, START + 30, "graze")
    with pytest.raises(UserError, match=r"line 2: Time is 2024-05-15 09:20:30 UTC .* \+2 h ahead"):
        labels(tmp_path, rows, labels_timezone=BERLIN)
    local = [row.replace("09:20:30", "11:20:30") for row in rows]
    assert first(labels(tmp_path, local, labels_timezone=BERLIN)) == (START, START + 30, "graze")


def test_days_with_decimal_commas_are_as_exact_as_those_with_points(tmp_path: Path) -> None:
    rows = ["animal;start;end;behaviour"]
    for number in range(4):
        stamps = [f"{DAYS + HALF * (number + one):.9f}".replace(".", ",") for one in (0, 1)]
        rows.append(f"A;{';'.join(stamps)};{'graze' if number % 2 else 'rest'}")
    table = labels(tmp_path, rows)
    assert [(one.start, one.end) for one in table.all()] == [
        (START + 30 * number, START + 30 * number + 30) for number in range(4)
    ]
