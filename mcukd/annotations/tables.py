"""Label tables as tracks: BORIS's exports and projects, mHealth CSV, and any table of start, end and
behaviour.

The import of training data reads the same files (`mcukd.data.importer.labels`); here their times have to be
dates in a known zone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mcukd.annotations.intervals import tracks_of
from mcukd.annotations.reading import Reading, Said
from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import DATED, OF_DAY, Asked, Times
from mcukd.data.importer.labels import read_intervals
from mcukd.data.importer.options import Dialog, Options
from mcukd.errors import UserError
from mcukd.text import plural


def read_table(path: Path, reading: Reading) -> Said:
    """Read a table of labels.

    Raises UserError for what is none, for local times whose zone is not stated, that came twice or never, for
    times without a date, and as `tracks_of`.
    """
    dialog = Dialog()
    options = Options(
        timezone=reading.timezone,
        labels_unit=reading.unit,
        labels_base=reading.base,
        labels_hold=reading.hold,
        day_first=reading.day_first,
        year_first=reading.year_first,
    )
    asked = Asked(options, dialog, observations=reading.observations, strict=True)
    intervals, times = read_intervals(path, asked)
    dated = _dated(path, intervals, times, reading)
    tracks, notes = tracks_of(path, f"the labels of {path.name}", dated, reading)
    said = f"{path.name}: {plural(len(intervals), 'interval')} read; times are {times.reason}."
    return Said(tracks, (said, *(f"{path.name}: {note}." for note in dialog.notes), *notes))


def _dated(path: Path, intervals: list[Interval], times: Times, reading: Reading) -> list[Interval]:
    """Return intervals in seconds since 1970, UTC."""
    if times.kind == DATED:
        if times.bare:
            raise UserError(
                f"{path}: its times are on a local clock, and nothing says of which zone; state it with "
                "--timezone, "
                "like --timezone Europe/London, --timezone +02:00 or --timezone UTC"
            )
        return intervals
    if times.kind == OF_DAY:
        raise UserError(f"{path}: its times are times of day without a date; add a column of dates")
    if reading.begins is None:
        raise UserError(
            f"{path}: its times are {times.reason}, and nothing says when that was; state it with --begins, "
            "like "
            "--begins 2026-05-01T06:30:00+02:00"
        )
    return [replace(one, start=one.start + reading.begins, end=one.end + reading.begins) for one in intervals]
