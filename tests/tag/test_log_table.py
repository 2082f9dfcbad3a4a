"""Rows of a log: dates, drift, rates and words."""

import re

import pytest
from builders.places import ROOT
from builders.tag_dump import FAST_PPM, NOON, two_starts

from mcukd.errors import UserError
from mcukd.tag.log import Found, Log, read_log
from mcukd.tag.log_table import Setting, iso, rows_of, settings_of, utc_of
from mcukd.tag.records import EVENT, EVENTS, RATE, Record


@pytest.fixture(scope="module")
def log() -> Log:
    return read_log(two_starts())


def test_what_happened_is_told_in_order(log: Log) -> None:
    rows = rows_of(log, ["grazing", "resting"])
    first = ["boot", "time", "bout", "period", "rate", "period", "rate", "bout", "event", "time", "bout"]
    assert [row["record"] for row in rows] == [*first, "period", "rate", "boot", "bout", "read"]
    assert [row["sequence"] for row in rows] == list(range(16))
    told = {row["sequence"]: row["what"] for row in rows}
    assert told[0] == "start 1, reset cause 0x1, firmware 12345678, model 9abcdef0"
    assert told[1] == "set by the host"
    assert told[2] == "grazing, 1,406 results (1,800 s); another class followed"
    assert told[3].startswith("3,600 s: grazing 1,406, resting 1,4") and told[3].endswith(", unknown 0")
    assert told[7].endswith("; samples were lost")
    assert told[8] == "the sensor lost samples: its FIFO was full (detail 70)"
    assert told[10].startswith("unknown, 703 results") and told[10].endswith("; the tag stopped")
    assert told[11].endswith("unknown 703; 1 gap, 70 samples lost")
    assert told[13] == "start 2, reset cause 0x4, firmware 12345678, model 9abcdef0"
    assert told[15] == "records below 3 are confirmed"


def test_every_result_is_in_some_period_of_the_first_start(log: Log) -> None:
    rows = [row for row in rows_of(log) if row["record"] == "period"]
    sums = [sum(row[f"results_{name}"] for row in rows) for name in ("class 0", "class 1", "unknown")]
    assert sums == [1406, 4219, 703]
    assert [row["results"] for row in rows] == [
        sum(v for k, v in row.items() if "results_" in k) for row in rows
    ]


def test_drift_is_measured_between_two_settings(log: Log) -> None:
    first, second = settings_of(log)
    assert first.drift_ppm is None and first.utc == NOON
    assert second.drift_ppm == pytest.approx(FAST_PPM, abs=5)
    rows = rows_of(log)
    assert rows[9]["what"] == f"set by the radio; the tag's clock ran {second.drift_ppm:.1f} ppm fast"


def test_the_sensors_rate_is_that_of_the_clock(log: Log) -> None:
    rates = [row["rate_hz"] for row in rows_of(log) if row["record"] == "rate"]
    # 50 Hz by true time look slower to a clock that runs fast.
    assert rates[:2] == pytest.approx([50 / (1 + FAST_PPM / 1e6)] * 2, rel=2e-5)


def test_dates_are_trusted_in_the_start_in_which_the_time_was_set(log: Log) -> None:
    rows = rows_of(log)
    assert rows[1]["utc"] == "2027-01-15T08:00:00Z"
    assert [row["utc_trusted"] for row in rows] == [True] * 13 + [False] * 3
    assert rows[2]["began_utc"] == "2027-01-15T07:30:01Z"
    # The second start has no time: no earlier than where the first one ended.
    assert rows[13]["utc"] > rows[12]["utc"]


def test_a_line_joins_two_settings_and_offsets_hold_outside() -> None:
    settings = [Setting(1, 0, 100, 1000), Setting(1, 5, 200, 1110), Setting(2, 9, 300, 5000)]
    assert utc_of(150, 1, settings) == (1055, True)
    assert utc_of(90, 1, settings) == (990, True)
    assert utc_of(250, 1, settings) == (1160, True)
    assert utc_of(290, 2, settings) == (4990, True)
    assert utc_of(400, 3, settings) == (5100, False)
    assert utc_of(400, 0, settings) == (None, False)
    assert iso(None) is None and iso(1.9) == "1970-01-01T00:00:01Z"


def test_codes_of_a_newer_tag_are_shown_as_numbers() -> None:
    records = [
        Found(Record(EVENT, False, 0, 1, (99, 3)), 0, 10, 1),
        Found(Record(40, False, 1, 1, (7, 8)), 0, 17, 1),
        Found(Record(RATE, False, 2, 1, (7, 0, 0)), 0, 24, 1),
    ]
    rows = rows_of(Log(tuple(records), (), 2, ()))
    assert [row["what"] for row in rows] == [
        "event 99 (detail 3)", "payload 0x7, 0x8", "no time passed: 7 samples in 0 s",
    ]  # fmt: skip
    assert rows[1]["record"] == "kind 40"


def test_names_of_another_number_of_classes_are_refused(log: Log) -> None:
    with pytest.raises(UserError, match=r"3 names of classes are given \(a, b, c\), but the log counts 2"):
        rows_of(log, ["a", "b", "c"])


def test_c_reference_and_page_have_the_same_codes_of_events() -> None:
    header = (ROOT / "firmware_templates" / "tag" / "tag.h").read_text()
    assert [int(code) for code in re.findall(r"TAG_EVENT_\w+ = (\d+)", header)] == list(EVENTS)
    page = (ROOT / "docs" / "tag.md").read_text(encoding="utf-8")
    table = page[page.index("| code of an event |") :].partition("\n\n")[0]
    assert dict(re.findall(r"^\| (\d+) \| (.+) \|$", table, re.M)) == {
        str(code): said for code, said in EVENTS.items()
    }
