"""Time zones of stamps in every format, and columns with odd cells."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mcukd.data.importer.clocks import Clock
from mcukd.data.importer.columns import split_date_and_clock, time_column
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.rows import State, read_rows
from mcukd.data.importer.text import TextForm
from mcukd.data.importer.time_units import CALENDARS
from mcukd.data.importer.times import TimeForm, zone_in_name
from mcukd.data.tables import seconds_of
from mcukd.errors import UserError

BERLIN = "Europe/Berlin"
#: 09:20:30 in Berlin in May.
LOCAL = dt.datetime(2024, 5, 15, 9, 20, 30)
UTC = 1715764830.0 - 7200
ROWS = 60


def table(stamps: list[str], name: str = "time") -> str:
    lines = [f"{name},animal,label,x,y,z"]
    lines += [f"{one},A,walk,0.{n % 7},0.1,{0.9 + n % 3 / 50:.2f}" for n, one in enumerate(stamps)]
    return "\n".join(lines) + "\n"


def written(folder: Path, content: str) -> Path:
    (folder / "herd.csv").write_text(content, encoding="utf-8")
    return folder / "herd.csv"


def read(path: Path, **options: Any) -> tuple[np.ndarray, np.ndarray, dict[str, int], list[str]]:
    """Return seconds, segments, rows left out by reason, and notes."""
    dialog, stated = Dialog(), Options(**{"label_column": None if "label" in options else "label", **options})
    rows = list(read_rows(make_plan(path, stated, dialog), stated, None, State()))
    left_out: dict[str, int] = {}
    for one in rows:
        left_out.update(one.left_out)
    return (
        np.concatenate([one.time for one in rows]),
        np.concatenate([one.segment for one in rows]),
        left_out,
        dialog.notes,
    )


def local_stamps(form: str = "%Y-%m-%d %H:%M:%S.%f") -> list[str]:
    return [(LOCAL + dt.timedelta(seconds=n / 10)).strftime(form) for n in range(ROWS)]


def stamped(folder: Path, kind: str) -> Path:
    """The same minute in local time, in one of the formats that can hold it."""
    if kind == "parquet":
        frame = pd.DataFrame(
            {
                "time": pd.date_range(LOCAL, periods=ROWS, freq="100ms"),
                "animal": "A",
                "label": "walk",
                "x": 0.1,
                "y": 0.1,
                "z": 0.9 + np.arange(ROWS) % 3 / 50,
            }
        )
        frame.to_parquet(folder / "herd.parquet")
        return folder / "herd.parquet"
    if kind == "excel":
        days = [45427 + (9 * 3600 + 20 * 60 + 30 + n / 10) / 86400 for n in range(ROWS)]
        return written(folder, table([f"{one:.10f}" for one in days]))
    if kind == "apart":
        halves = [one.replace(" ", ",") for one in local_stamps()]
        return written(folder, table(halves, "day,clock"))
    if kind == "compact":
        return written(folder, table([one[:-3] for one in local_stamps("%Y%m%d%H%M%S%f")]))
    if kind == "month names":
        return written(folder, table(local_stamps("%d-%b-%Y %H:%M:%S.%f")))
    return written(folder, table(local_stamps()))


@pytest.mark.parametrize("kind", ["csv", "parquet", "excel", "apart", "compact", "month names"])
@pytest.mark.parametrize("zone", [None, BERLIN])
def test_the_zone_applies_to_stamps_without_one_in_every_format(
    tmp_path: Path, kind: str, zone: str | None
) -> None:
    seconds, _, left_out, notes = read(stamped(tmp_path, kind), timezone=zone)
    wanted = UTC + np.arange(ROWS) / 10 + (0 if zone else 7200)
    assert np.abs(seconds - wanted).max() < 1e-6 and not left_out
    said = f"local time of {BERLIN}" if zone else "without a time zone: taken as UTC"
    assert sum(said in note for note in notes) == 1


def test_time_stamps_of_parquet_with_a_zone_keep_theirs(tmp_path: Path) -> None:
    frame = pd.read_parquet(stamped(tmp_path, "parquet"))
    frame["time"] = frame["time"].dt.tz_localize("America/New_York")
    frame.to_parquet(tmp_path / "zoned.parquet")
    seconds, _, _, notes = read(tmp_path / "zoned.parquet", timezone=BERLIN)
    assert seconds[0] == UTC + 6 * 3600
    assert any("which say their offset from UTC" in note for note in notes)


def test_durations_of_parquet_are_seconds(tmp_path: Path) -> None:
    frame = pd.read_parquet(stamped(tmp_path, "parquet"))
    frame["time"] = frame["time"] - frame["time"].iloc[0]
    frame.to_parquet(tmp_path / "since.parquet")
    assert np.allclose(read(tmp_path / "since.parquet")[0], np.arange(ROWS) / 10)


@pytest.mark.parametrize(
    ("stamps", "name", "said"),
    [
        ([f"{UTC + n / 10:.1f}" for n in range(ROWS)], "time", "in UTC by definition; --timezone Europe"),
        ([f"{one}Z" for one in local_stamps()], "time", "which say their offset from UTC"),
        (local_stamps(), "UTC_datetime", "in UTC by the column's name; --timezone Europe/Berlin is not used"),
    ],
)
def test_where_the_stated_zone_is_not_used_is_said(
    tmp_path: Path, stamps: list[str], name: str, said: str
) -> None:
    seconds, _, _, notes = read(written(tmp_path, table(stamps, name)), timezone=BERLIN)
    assert seconds[0] == (UTC if name == "time" and "Z" not in stamps[0] else UTC + 7200)
    assert any(said in note for note in notes)


def test_a_zone_for_seconds_from_an_own_zero_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, table([f"{n / 10:.1f}" for n in range(ROWS)]))
    with pytest.raises(UserError, match="--timezone says Europe/Berlin, but .* leave --timezone out"):
        read(path, timezone=BERLIN)


@pytest.mark.parametrize("suffix", [".cwa", ".gt3x"])
def test_the_clock_of_a_logger_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    # Over the end of summer time, at 03:00 of 27 October: a logger's clock does not step back.
    begin = dt.datetime(2024, 10, 27, 1, 30)
    stamps = pd.date_range(begin, periods=7200, freq="1s").to_numpy().astype(np.int64)
    series = {"a": {"datetime": stamps, "acceleration": np.full((7200, 3), 0.5)}}
    monkeypatch.setitem(sys.modules, "actfast", SimpleNamespace(read=lambda path: {"timeseries": series}))
    (tmp_path / f"A{suffix}").write_bytes(b"")
    path = tmp_path / f"A{suffix}"
    seconds, _, _, notes = read(path, label="walk", animal="A", timezone=BERLIN)
    assert seconds[0] == dt.datetime(2024, 10, 26, 23, 30, tzinfo=dt.UTC).timestamp()
    assert np.allclose(np.diff(seconds), 1.0)
    assert any("set to local time of Europe/Berlin" in note for note in notes)
    bare, _, _, notes = read(path, label="walk", animal="A")
    assert bare[0] - seconds[0] == 7200 and any("not stated: taken as UTC" in note for note in notes)


def test_days_of_spreadsheets_follow_the_end_of_summer_time() -> None:
    excel = next(unit for unit in CALENDARS if unit.name == "excel")
    form = TimeForm("number", excel, timezone=BERLIN)
    hours = [1.0, 2.75, 2.0, 2.75, 3.0]  # the second 2:00 is an hour after the first
    cells = np.array([f"{45592 + hour / 24:.10f}" for hour in hours], dtype=object)
    seconds = Clock(Path("a.csv"), "time", form).seconds(cells, 2)
    assert np.allclose((seconds - seconds[0]) / 3600, [0, 1.75, 2, 2.75, 3], atol=1e-6)


def test_a_recording_that_begins_in_the_hour_that_comes_twice() -> None:
    def seconds(*clocks: str) -> list[float]:
        form = TimeForm("date", timezone=BERLIN, reason="dates")
        cells = np.array([f"2024-10-27 {one}" for one in clocks], dtype=object)
        return (Clock(Path("a.csv"), "time", form).seconds(cells, 2) - 1729990800.0).tolist()

    # 01:00 UTC is where the clock goes back from 03:00 to 02:00.
    assert seconds("02:59:59", "02:00:00") == [-1, 0]
    assert seconds("02:59:59", "03:00:00") == [3599, 3600]
    with pytest.raises(UserError, match="line 2: .* in the hour that came twice in Europe/Berlin"):
        seconds("02:10:00", "02:10:01")


@pytest.mark.parametrize("odd", ["NA", "", "#N/A", "yesterday", "1970-99-99", "NaT"])
@pytest.mark.parametrize("kind", ["numbers", "dates"])
def test_an_odd_stamp_is_a_missing_row(tmp_path: Path, odd: str, kind: str) -> None:
    stamps = [f"{n / 10:.1f}" for n in range(ROWS)] if kind == "numbers" else local_stamps()
    stamps[1], stamps[30] = odd, odd
    seconds, segments, left_out, _ = read(written(tmp_path, table(stamps)))
    assert len(seconds) == ROWS - 2 and len(np.unique(segments)) == 3
    ((reason, count),) = left_out.items()
    assert count == 2 and "(first: herd.csv, line 3)" in reason


@pytest.mark.parametrize(
    ("cell", "said"), [("", "is empty, as are 30"), ("soon", "line 32: column time is 'soon'")]
)
def test_a_column_that_is_mostly_odd_stops_the_import(tmp_path: Path, cell: str, said: str) -> None:
    # In the first rows it looks good.
    path = written(tmp_path, table(local_stamps()))
    plan = make_plan(path, Options(), Dialog())
    written(tmp_path, table(local_stamps()[:30] + [cell] * 30))
    with pytest.raises(UserError) as caught:
        list(read_rows(plan, Options(), None, State()))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("form", "cut", "said"),
    [
        ("%M:%S.%f", 7, "has '20:30.0', minutes and seconds as spreadsheets show them"),
        (
            "2.02405E+16",
            99,
            "has '2.02405E+16' in all of its first 60 rows, as spreadsheets cut long numbers",
        ),
        ("%Y-%m-%d %H:%M:%S CET", 99, "CET stands for more than one offset from UTC"),
        ("%d/%m/24 %H:%M:%S", 99, "--day-first or --month-first or --year-first"),
        ("05/06/%Y %H:%M:%S.%f", 99, "--day-first or --month-first"),
    ],
)
def test_columns_of_stamps_that_say_too_little_are_named(
    tmp_path: Path, form: str, cut: int, said: str
) -> None:
    stamps = [one[:cut] for one in local_stamps(form)]
    if "24 " in form:
        stamps = [one.replace("15/05/24", "12/05/10") for one in stamps]
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, table(stamps)))
    assert said in str(caught.value) and "column time" in str(caught.value)


def test_days_and_months_are_told_by_all_files_together(tmp_path: Path) -> None:
    for name, day in (("A", "05/06/2024"), ("B", "15/06/2024")):
        content = table([f"{day} 09:20:{30 + n // 10}.{n % 10}" for n in range(ROWS // 2)])
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    seconds = read(tmp_path, animal_column="animal")[0]
    assert seconds[ROWS // 2] - seconds[0] == 10 * 86400


def test_files_on_clocks_of_two_kinds_are_refused(tmp_path: Path) -> None:
    for name, stamps in (("A", local_stamps()), ("B", [f"{n / 10:.1f}" for n in range(ROWS)])):
        (tmp_path / f"{name}.csv").write_text(table(stamps), encoding="utf-8")
    with pytest.raises(UserError, match="bring both to one clock"):
        read(tmp_path)


@pytest.mark.parametrize("mixed", ["+02:00", "Z"])
def test_cells_with_and_without_a_zone_need_the_zone_of_those_without(tmp_path: Path, mixed: str) -> None:
    stamps = [one if n < 40 else one + mixed for n, one in enumerate(local_stamps())]
    path = written(tmp_path, table(stamps))
    with pytest.raises(UserError, match="line 42: .* an offset from UTC, where others do not; state"):
        read(path)
    if mixed == "+02:00":
        seconds = read(path, timezone=BERLIN)[0]
        assert np.abs(seconds - (UTC + np.arange(ROWS) / 10)).max() < 1e-6


def test_both_readers_give_the_same_seconds() -> None:
    stamps = [
        one[: len(one) - (6 if n % 10 == 0 else 3)].rstrip(".") + ("+02" if n % 2 else "+0200")
        for n, one in enumerate(local_stamps())
    ]
    plain = seconds_of(Path("a.csv"), "time", stamps)
    form = TimeForm("date", zoned=True, iso=True)
    converted = Clock(Path("a.csv"), "time", form).seconds(np.array(stamps, dtype=object), 2)
    assert np.abs((converted - converted[0]) - plain).max() < 5e-7


def test_times_of_day_run_on_past_midnight_and_begin_anew_with_each_recording() -> None:
    clock = Clock(Path("a.csv"), "time", TimeForm("clock", reason="times of day"))
    cells = np.array(["23:59:59.5", "00:00:00.0", "00:00:00.5", "23:59:59.5", "00:00:00"], dtype=object)
    fresh = np.array([True, False, False, True, False])
    seconds = clock.seconds(cells, 2, fresh)
    assert seconds.tolist() == [86399.5, 86400.0, 86400.5, 86399.5, 86400.0]
    assert clock.seconds(np.array(["00:00:01"], dtype=object), 7).tolist() == [86401.0]


def test_stamps_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, table(["whenever"] * ROWS))
    assert np.isnan(read(path, time_column="none")[0]).all()


def test_a_date_in_another_order_than_the_others_stops_the_import() -> None:
    clock = Clock(Path("a.csv"), "time", TimeForm("date", order="dmy", reason="dates"))
    cells = np.array(["05/06/2024 10:00"] * 50 + ["06/15/2024 10:00"], dtype=object)
    with pytest.raises(UserError, match="line 52: column time is '06/15/2024 10:00', which is no date with"):
        clock.seconds(cells, 2)


@pytest.mark.parametrize(
    ("header", "cells", "column"),
    [
        ("time,timestamp", "09:20:30,2024-05-15 09:20:30", "timestamp"),
        ("day,clock,stamp", "15.05.2024,09:20:30,15.05.2024 09:20:30.5", "stamp"),
        ("date,time", "20240515,09:20:30", "date"),
        ("Date,Time", "15.05.2024,09:20:30.5", "Date"),
        ("x_time_zone,elapsedRealtimeNanos", "2,45147364669817", "elapsedRealtimeNanos"),
        ("duration_ms,t", "12,0.1", "t"),
        ("time", "09:20:30", "time"),
    ],
)
def test_the_column_that_says_most_is_taken(header: str, cells: str, column: str) -> None:
    names = tuple(header.split(","))
    form = TextForm("utf-8", False, ",", ".", names, 0, b"\n", (tuple(cells.split(",")),) * 9)
    apart = split_date_and_clock(form)
    assert (apart[0] if apart else time_column(form)[0]) == column


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Date Time, GMT+02:00", "+02:00"),
        ("Date Time, GMT-05:00", "-05:00"),
        ("time (UTC+5:30)", "+05:30"),
        ("timestamp_gmt+1", "+01:00"),
        ("Time, GMT+0200", "+02:00"),
        ("time Etc/GMT-2", "+02:00"),
        ("Time, GMT+00:00", "UTC"),
        ("time_utc", "UTC"),
        ("time_utc_2024", "UTC"),
        ("time", None),
    ],
)
def test_a_columns_name_says_its_offset(name: str, zone: str | None) -> None:
    assert zone_in_name(name) == zone


@pytest.mark.parametrize("stated", [None, "America/Denver"])
def test_stamps_are_ahead_of_utc_by_the_offset_in_their_columns_name(
    tmp_path: Path, stated: str | None
) -> None:
    content = table(local_stamps(), '"Date Time, GMT+02:00"')
    options = {} if stated is None else {"timezone": stated}
    seconds, _, _, notes = read(written(tmp_path, content), **options)
    assert seconds[0] == UTC
    assert any("in UTC+02:00 by the column's name" in note for note in notes)
