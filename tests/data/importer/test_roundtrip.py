"""Round trip: known times in a random form and zone, with odd cells, are read exactly or refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.importer.clocks import Clock
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.times import Column, time_forms
from mcukd.errors import UserError

DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%d-%m-%y", "%Y%m%d")
CLOCKS = ("%H:%M:%S", "%I:%M:%S %p")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
ROWS = 120
#: Refusals of what says too little or is contradictory.
ASKED = ("--day-first or --month-first", "--timezone", "there was no such hour", "came twice")


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(978307200, 2145916800),
    rate=st.sampled_from([1.0, 8.0, 10.0, 12.5, 20.0, 40.0, 100.0]),
    day=st.sampled_from(DAYS),
    clock=st.sampled_from(CLOCKS),
    zone=st.sampled_from(ZONES),
    said=st.sampled_from(["stated", "in every cell", "in some cells", "nowhere"]),
    whole=st.booleans(),
    odd=st.sets(st.integers(0, ROWS - 1), max_size=10),
)
def test_dates_in_any_form_and_zone_are_read_to_their_seconds_or_refused(
    start: int, rate: float, day: str, clock: str, zone: str, said: str, whole: bool, odd: set[int]
) -> None:
    wanted = start + np.round(np.arange(ROWS) / rate, 3)
    there = [dt.datetime.fromtimestamp(one, ZoneInfo(zone)) for one in wanted.tolist()]
    ambiguous = any(one.utcoffset() != one.replace(fold=1 - one.fold).utcoffset() for one in there)
    cells = []
    for number, one in enumerate(there):
        thousandths = round(one.microsecond / 1000)
        seconds_form = f"%S.{thousandths:03d}" if thousandths or not whole else "%S"
        text = one.strftime(f"{day} {clock.replace('%S', seconds_form)}")
        if said == "in every cell" or (said == "in some cells" and number % 3):
            text += one.strftime("%z")
        cells.append("NA" if number in odd else text)
    options = Options(timezone=zone if said in ("stated", "in some cells") else None)
    if said == "nowhere":
        wanted = np.array([one.replace(tzinfo=dt.UTC).timestamp() for one in there])
    try:
        form = time_forms([Column(Path("a.csv"), "time", tuple(cells))], options, Dialog())[0]
        seconds = Clock(Path("a.csv"), "time", form).seconds(np.array(cells, dtype=object), 2)
    except UserError as error:
        assert any(one in str(error) for one in ASKED) and ("\n" not in str(error))
        # Only what has two readings may be refused.
        assert ("/" in day or day == "%d-%m-%y") or ambiguous
        return
    known = np.array([number not in odd for number in range(ROWS)])
    assert np.array_equal(np.isfinite(seconds), known)
    # On Lord Howe Island clocks go back by half an hour, which stamps cannot tell from a step back of the
    # logger.
    if not (ambiguous and zone == "Australia/Lord_Howe"):
        assert np.abs(seconds - wanted)[known].max() < 1e-6
