"""Label tables of programs and people in several languages, and the names of their animals."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_animals import as_recorded
from mcukd.data.importer.label_clocks import Asked, Spans
from mcukd.data.importer.labels import read_labels
from mcukd.data.importer.options import Dialog, Options
from mcukd.errors import UserError

#: 2024-05-15 09:20:30 UTC.
START = 1715764830.0
OWN = Spans({"A": (0.0, 120.0), "B": (40.0, 160.0)}, dated=False)
DATED = Spans({"A": (START, START + 120), "B": (START, START + 120)})


def read(folder: Path, rows: list[str], spans: Spans, **options: Any) -> list[Interval]:
    path = folder / "labels.txt"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    asked = Asked(Options(**options), Dialog(), lambda: spans, animals=("A", "B"))
    return read_labels(path, asked).all()


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("ss.msec", ["0.000", "30.000", "30.000", "60.500"]),
        ("msec", ["0", "30000", "30000", "60500"]),
    ],
)
def test_tiers_of_elan_are_read_in_the_unit_of_their_columns(
    tmp_path: Path, form: str, cells: list[str]
) -> None:
    rows = [f"Tier\tBegin Time - {form}\tEnd Time - {form}\tAnnotation"]
    rows += [f"A\t{cells[0]}\t{cells[1]}\tgraze", f"A\t{cells[2]}\t{cells[3]}\trest"]
    found = [(one.animal, one.start, one.end, one.label) for one in read(tmp_path, rows, OWN)]
    assert found == [("A", 0.0, 30.0, "graze"), ("A", 30.0, 60.5, "rest")]


@pytest.mark.parametrize("spans", [OWN, DATED])
def test_hours_minutes_and_seconds_count_from_the_start_where_that_is_stated(
    tmp_path: Path, spans: Spans
) -> None:
    rows = ["Tier\tBegin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tAnnotation"]
    rows += ["A\t00:00:05.500\t00:00:30.000\tgraze", "B\t00:01:00.000\t00:01:10.000\trest"]
    found = [(one.start, one.end) for one in read(tmp_path, rows, spans, labels_from_start=True)]
    starts = [spans.animals[name][0] for name in ("A", "B")]
    assert found == [(starts[0] + 5.5, starts[0] + 30), (starts[1] + 60, starts[1] + 70)]


def test_hours_minutes_and_seconds_are_no_times_of_day_of_a_clock_without_dates(tmp_path: Path) -> None:
    rows = ["animal,start,end,behaviour", "A,00:00:05,00:00:30,graze"]
    with pytest.raises(UserError, match="from the first sample of each animal, say --labels-from-start"):
        read(tmp_path, rows, OWN)


@pytest.mark.parametrize(
    "header",
    [
        "Tier;Datum;Beginn;Ende;Verhalten",
        "Tiernummer;Tag;Anfang;Ende;Verhalten",
        "Kuh;Datum;von;bis;Aktivität",
        "vache;jour;début;fin;comportement",
        "vaca;fecha;inicio;fin;comportamiento",
    ],
)
def test_tables_of_labels_need_no_english(tmp_path: Path, header: str) -> None:
    rows = [header, "A;15.05.2024;09:20:30;09:21:00;graze", "B;15.05.2024;09:21:00;09:22:00;rest"]
    found = [(one.animal, one.start, one.end, one.label) for one in read(tmp_path, rows, DATED)]
    assert found == [("A", START, START + 30, "graze"), ("B", START + 30, START + 90, "rest")]


@pytest.mark.parametrize(
    ("names", "recorded", "wanted"),
    [
        (["BELLA", "Cora "], ["bella", "cora"], ["bella", "cora"]),
        (["7", "12"], ["007", "012"], ["007", "012"]),
        (["7.0", "12.0"], ["7", "12"], ["7", "12"]),
        (["cow 1", "cow-2"], ["cow_01", "cow_02"], ["cow_01", "cow_02"]),
        (["7", "007"], ["7"], ["7", "007"]),
        (["bella"], ["Bella", "BELLA"], ["bella"]),
        (["dotty"], ["bella"], ["dotty"]),
        (["10", "1"], ["1", "100"], ["10", "1"]),
    ],
)
def test_animals_of_labels_are_those_of_the_recordings_where_only_the_spelling_differs(
    names: list[str], recorded: list[str], wanted: list[str]
) -> None:
    dialog = Dialog()
    intervals = [Interval(name, 0.0, 1.0, "graze", 2 + row) for row, name in enumerate(names)]
    assert [one.animal for one in as_recorded(intervals, recorded, dialog)] == wanted
    assert bool(dialog.notes) == (names != wanted)


#: 00:00 UTC on 2024-10-27, when Berlin's clocks went back from 03:00 to 02:00 an hour later.
NIGHT = 1729987200.0


@pytest.mark.parametrize("excel", [False, True])
def test_the_hour_that_comes_twice_is_told_for_each_animal_of_a_table(tmp_path: Path, excel: bool) -> None:
    starts = [NIGHT - 1800 + 1200 * number for number in range(10)]
    rows, wanted = ["animal,start,end,behaviour"], []
    for animal in ("A", "B"):
        for number, start in enumerate(starts):
            cells = []
            for moment in (start, start + 1200):
                local = dt.datetime.fromtimestamp(moment, ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
                days = (local - dt.datetime(1899, 12, 30)).total_seconds() / 86400
                cells.append(f"{days:.9f}" if excel else f"{local:%Y-%m-%d %H:%M:%S}")
            rows.append(f"{animal},{','.join(cells)},{'graze' if number % 2 else 'rest'}")
            wanted.append((animal, start, start + 1200))
    spans = Spans(dict.fromkeys("AB", (NIGHT - 7200, NIGHT + 14400)))
    found = read(tmp_path, rows, spans, timezone="Europe/Berlin")
    assert [(one.animal, one.start, one.end) for one in found] == wanted
