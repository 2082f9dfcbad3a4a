"""Local times of a place: what daylight saving leaves open is refused, never guessed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.observation.clocks.local_time import NS, local_text, utc_ns, utc_ns_of_text, zone_named

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(ZONES))
def test_a_time_written_with_its_offset_is_read_as_the_same(ms, name):
    zone = zone_named(name)
    ns = ms * 1_000_000
    assert utc_ns_of_text(local_text(ns, zone), zone) == ns


@given(st.integers(0, 4_000_000_000), st.sampled_from(ZONES))
def test_a_local_time_is_read_back_or_refused_where_it_came_twice(second, name):
    zone = zone_named(name)
    local = datetime.fromtimestamp(second, UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    try:
        assert utc_ns(local, zone) == second * NS
    except UserError as refused:
        assert "came twice" in str(refused)


def test_the_hour_that_comes_twice_is_refused_with_both_times():
    with pytest.raises(UserError, match=r"02:30:00\+02:00 or 02:30:00\+01:00"):
        utc_ns(datetime(2026, 10, 25, 2, 30), zone_named("Europe/Berlin"))


def test_the_hour_that_is_left_out_is_refused():
    with pytest.raises(UserError, match="left out"):
        utc_ns_of_text("2026-03-29 02:30:00", zone_named("Europe/Berlin"))


def test_the_two_runs_of_an_hour_look_different():
    zone = zone_named("Europe/Berlin")
    first = utc_ns_of_text("2026-10-25T02:30:00+02:00", zone)
    second = utc_ns_of_text("2026-10-25T01:30:00Z", zone)
    assert second - first == 3600 * NS
    assert local_text(first, zone) == "2026-10-25T02:30:00.000+02:00"
    assert local_text(second, zone) == "2026-10-25T02:30:00.000+01:00"


def test_what_is_no_time_or_no_zone_is_said():
    with pytest.raises(UserError, match="expected a date and a time"):
        utc_ns_of_text("yesterday", zone_named("UTC"))
    for name in ("Europe/Atlantis", "../etc/passwd", ""):
        with pytest.raises(UserError, match="expected a name"):
            zone_named(name)
