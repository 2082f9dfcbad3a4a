"""Start and rate from the lines that ActiGraph writes above a header."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcukd.data.importer.preamble import start_and_rate
from mcukd.errors import UserError

WANTED = datetime(2024, 12, 11, 9, 20, 30, tzinfo=UTC).timestamp()


def lines(form: str, date: str, time: str = "09:20:30", rate: str = "30") -> list[str]:
    first = f"--- Data File Created By ActiGraph GT3X+ date format {form} at {rate} Hz  Filter Normal ---"
    return [
        first,
        "Serial Number: X0",
        f"Start Time {time}",
        f"Start Date {date}",
        "Download Date 16/12/2024",
    ]


@pytest.mark.parametrize(
    ("form", "date", "time"),
    [
        ("d/MM/yyyy", "11/12/2024", "09:20:30"),
        ("M/d/yyyy", "12/11/2024", "9:20:30 AM"),
        ("yyyy-MM-dd", "2024-12-11", "09:20:30"),
        ("dd.MM.yyyy", "11.12.2024", "09:20:30"),
    ],
)
def test_the_start_follows_the_form_that_is_said(form: str, date: str, time: str) -> None:
    assert start_and_rate(Path("A.csv"), lines(form, date, time), None) == (WANTED, 30.0)


def test_contradictions_and_dates_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match="say 30 Hz and --rate says 50 Hz"):
        start_and_rate(Path("A.csv"), lines("M/d/yyyy", "12/11/2024"), 50.0)
    with pytest.raises(UserError, match="which is no date"):
        start_and_rate(Path("A.csv"), lines("M/d/yyyy", "16/12/2024"), None)
    assert start_and_rate(Path("A.csv"), ["Serial Number: X0"], 30.0) is None
