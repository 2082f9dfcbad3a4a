"""Stamps written as dates: every part optional, every order, exact to the nanosecond."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.importer.times import could_be_dates
from mcukd.data.stamps import depends_on_order, read_dates, zone_abbreviation
from mcukd.data.tables import seconds_of
from mcukd.errors import UserError

NOON = dt.datetime(2024, 5, 15, 13, 30, 48, 123456)


def nanoseconds(moment: dt.datetime) -> int:
    whole = moment - dt.datetime(1970, 1, 1)
    return (whole.days * 86400 + whole.seconds) * 10**9 + whole.microseconds * 1000


@pytest.mark.parametrize(
    ("text", "moment", "offset"),
    [
        ("2024-05-15", NOON.replace(hour=0, minute=0, second=0, microsecond=0), None),
        ("2024-05-15 13:30", NOON.replace(second=0, microsecond=0), None),
        ("2024-05-15T13:30:48", NOON.replace(microsecond=0), None),
        ("2024-05-15T13:30:48.123456Z", NOON, 0),
        ("2024-05-15 13:30:48,123456 +02", NOON, 7200),
        ("2024-05-15 13:30:48.123456-0330", NOON, -12600),
        ("2024-05-15T13:30:48.123456+02:00[Europe/Berlin]", NOON, 7200),
        ("2024-05-15 13:30:48.123456 UTC", NOON, 0),
        ("2024-05-15 13:30:48.123456 GMT+2", NOON, 7200),
        ("2024/05/15 13:30:48:123", NOON.replace(microsecond=123000), None),
        ("15-May-2024 13:30:48.123456", NOON, None),
        ("15 may 2024, 1:30:48.123456 PM", NOON, None),
        ("May 15, 2024 1:30:48.123456 p.m.", NOON, None),
        ("Wed May 15 13:30:48 2024", NOON.replace(microsecond=0), None),
        ("15MAY2024 13:30:48", NOON.replace(microsecond=0), None),
        ("20240515133048", NOON.replace(microsecond=0), None),
        ("20240515133048123", NOON.replace(microsecond=123000), None),
        ("20240515T133048.123456Z", NOON, 0),
        ("20240515 13:30:48.123456", NOON, None),
        ("2024-05-14 24:00:00", NOON.replace(hour=0, minute=0, second=0, microsecond=0), None),
        (" 2024-05-15 13:30:48 ", NOON.replace(microsecond=0), None),
        ("2024-05-15 13:30:48\u221202:00", NOON.replace(microsecond=0), -7200),
    ],
)
def test_a_date_in_any_form_is_read_exactly(text: str, moment: dt.datetime, offset: int | None) -> None:
    read = read_dates([text])
    assert read.known.all() and int(read.local[0]) == nanoseconds(moment)
    assert np.isnan(read.offset[0]) if offset is None else read.offset[0] == offset


@pytest.mark.parametrize(
    "text",
    [
        *("", "NA", "yesterday", "12", "3.5", "13:30:48", "2024-13-01", "2024-02-30", "2023-02-29 10:00"),
        *("2024-05-15 25:00:00", "2024-05-15 13:60", "2024-05-15 13:30:61", "2024-05-15 24:00:01"),
        *("2024-05-15 13 PM", "2024-05-15 13:30 AM", "2024-05-15 13:30:48 CET", "2024-05-15 13:30:48+25:00"),
        *("20241515133048", "15-Mai-2024 13:30:48", "2024-05/15", "1024-05-15", "2024-05-15 " + "1" * 80),
    ],
)
def test_what_is_no_date_is_not_read_as_one(text: str) -> None:
    assert not read_dates([text]).known.any()


def test_the_order_matters_only_where_the_numbers_do_not_show_it() -> None:
    for order, day in (("dmy", "2024-04-03"), ("mdy", "2024-03-04"), ("ymd", None)):
        read = read_dates(["03/04/2024 10:00", "2024-04-03 10:00", "3-Apr-2024"], order)
        assert read.known.tolist() == [day is not None, True, True]
        if day is not None:
            assert str(read.local.astype("datetime64[ns]").astype("datetime64[D]")[0]) == day
    assert str(read_dates(["24-05-15"], "ymd").local.astype("datetime64[ns]")[0])[:10] == "2024-05-15"
    assert depends_on_order("03/04/2024") and depends_on_order("24-05-15 13:30")
    assert not depends_on_order("2024-04-03") and not depends_on_order("3-Apr-2024")


def test_letters_of_zones_that_fix_no_offset_are_told() -> None:
    assert zone_abbreviation("2024-05-15 13:30:48 CET") == "CET"
    assert zone_abbreviation("15/05/2024 13:30 (EST)") == "EST"
    for other in ("2024-05-15 13:30:48 UTC", "2024-05-15 1:30 PM", "graze", "15-May-2024"):
        assert zone_abbreviation(other) is None


@given(
    st.lists(
        st.tuples(
            st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2099, 12, 31)),
            st.integers(0, 6),
            st.sampled_from(["", "Z", "+02", " +0530", "-03:30"]),
        ),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%b-%Y", "%B %d, %Y", "%Y%m%d"]),
    st.sampled_from([" ", "T"]),
)
def test_a_column_of_mixed_cells_round_trips(rows: list[Any], day: str, mark: str) -> None:
    order = "mdy" if day.startswith("%m") else "dmy"
    texts, wanted = [], []
    for moment, places, zone in rows:
        cut = moment.replace(microsecond=moment.microsecond // 10 ** (6 - places) * 10 ** (6 - places))
        fraction = f".{cut.microsecond:06d}"[: places + 1] if places else ""
        texts.append(f"{cut.strftime(day)}{mark}{cut.strftime('%H:%M:%S')}{fraction}{zone}")
        ahead = {"": 0, "Z": 0, "+02": 7200, " +0530": 19800, "-03:30": -12600}[zone]
        wanted.append(nanoseconds(cut) - ahead * 10**9)
    read = read_dates(texts, order)
    assert read.known.all() and read.utc().tolist() == wanted
    assert read.zoned.tolist() == [zone != "" for _, _, zone in rows]


def test_many_ways_of_writing_in_one_column() -> None:
    texts = [f"2024-05-15 13:30:48{'.' + '1' * n if n else ''}{'x' * k}" for n in range(9) for k in range(5)]
    read = read_dates(texts)
    assert read.known.tolist() == [k == 0 for _ in range(9) for k in range(5)]


def test_the_readers_of_cards_refuse_cells_without_a_zone_among_others() -> None:
    stamps = ["2024-05-15T11:20:30+02:00", "2024-05-15T09:20:31"]
    with pytest.raises(UserError, match=r"herd\.csv, line 3: column time is .* says no offset from UTC"):
        seconds_of(Path("herd.csv"), "time", stamps)
    mixed = ["2024-10-27T02:59:59+02:00", "2024-10-27T02:00:00.5+01"]
    assert seconds_of(Path("herd.csv"), "time", mixed).tolist() == [0.0, 1.5]


CELLS = (
    *("2024-05-15 13:30:48.123", "15/05/2024 13:30", "05/15/24", "03/04/2024", "24-05-15", "20240515133048"),
    *("15-May-2024", "2024-05-15 13:30 CET", "2024-02-30", "13:30", "45427.5", "graze", "", "−1", "x" * 70),
)


@given(st.lists(st.sampled_from(CELLS), min_size=1))
def test_a_cell_is_a_date_or_not_whatever_stands_beside_it(cells: list[str]) -> None:
    assert could_be_dates(cells).tolist() == [could_be_dates([cell]).tolist()[0] for cell in cells]


def test_whether_a_cell_is_a_date_does_not_depend_on_earlier_ones_of_its_form() -> None:
    cells = ["2024-05-15", "2024-13-15", "2024-05-32"]
    assert could_be_dates(cells).tolist() == [True, False, False]
    assert [zone_abbreviation(cell) for cell in ("2024-05-15 13:30 CET", "2024-05-16 11:20 EST")] == [
        "CET",
        "EST",
    ]
    assert depends_on_order("03/04/2024") and depends_on_order("13/04/2024") and not depends_on_order("3/4")
