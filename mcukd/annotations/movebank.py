"""Movebank's accessory measurements: classified behaviour as CSV, attached to neither positions nor
acceleration.

Terms are Movebank's attributes; times are UTC as yyyy-MM-dd HH:mm:ss.SSS, behaviours in lower case, as its
controlled values are. `tag-firmware` holds the SHA-256 of the model that classified.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from mcukd.annotations.csv_rows import header_of, rows_of
from mcukd.annotations.intervals import tracks_of
from mcukd.annotations.reading import Reading, Said
from mcukd.data.importer.intervals import Interval
from mcukd.data.stamps import read_dates
from mcukd.errors import UserError
from mcukd.files import write_text
from mcukd.metrics.agreement.track import Track
from mcukd.text import listed

BEHAVIOUR = "behavioural-classification"
FIRMWARE = "tag-firmware"
COLUMNS = ("tag-id", "animal-id", "timestamp", "start-timestamp", "end-timestamp", BEHAVIOUR, FIRMWARE)
_END = "end-timestamp"
_ANIMALS = ("animal-id", "individual-local-identifier")


def stamp(ns: int) -> str:
    """Return a time in ns since 1970 as Movebank writes it, in UTC, to the nearest millisecond."""
    seconds, milliseconds = divmod((ns + 500_000) // 1_000_000, 1000)
    whole = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{milliseconds:03d}"


def write_movebank(
    path: Path, tracks: Sequence[Track], tags: Mapping[str, str], model_sha256: str | None
) -> int:
    """Write the bouts of tracks and return how many there are.

    tags: animal → identifier of its tag; an animal's own name stands for it elsewhere. Raises UserError for
    two behaviours that differ by case alone, and for an animal without a name.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    count = 0
    for track in tracks:
        if not track.animal:
            raise UserError("Movebank needs to know the animal; name it with --animal")
        names = [name.lower() for name in track.classes]
        if len(set(names)) < len(names):
            raise UserError(
                f"Movebank's values are in lower case, in which two of the behaviours are one: "
                f"{listed(track.classes)}; bring them together with --map"
            )
        bouts = track.bouts()
        for start, end, behaviour in zip(bouts.starts, bouts.ends, bouts.behaviours):
            begun = stamp(int(start))
            who = tags.get(track.animal, track.animal), track.animal
            rows.writerow([*who, begun, begun, stamp(int(end)), names[behaviour], model_sha256 or ""])
            count += 1
    write_text(path, text.getvalue())
    return count


def is_movebank(content: bytes) -> bool:
    """Tell whether bytes begin with a header of such a table."""
    names = header_of(content)
    return BEHAVIOUR in names and _END in names


def read_movebank(path: Path, reading: Reading) -> Said:
    """Read behaviours in Movebank's terms, such as `mcukd classify` and `mcukd export --movebank` write.

    Raises UserError that names the line of a time that is none, and as `tracks_of`.
    """
    table = rows_of(path)
    if not table:
        raise UserError(f"{path} has a header but no rows; nothing was classified")
    begin = "start-timestamp" if "start-timestamp" in table[0] else "timestamp"
    if begin not in table[0]:
        raise UserError(f"{path} has no column 'timestamp'; Movebank's terms are expected: {listed(COLUMNS)}")
    who = next((name for name in _ANIMALS if name in table[0]), None)
    starts, ends = (_times(path, name, [row.get(name) or "" for row in table]) for name in (begin, _END))
    intervals = [
        Interval((row.get(who) or None) if who else None, start, end, (row[BEHAVIOUR] or "").strip(), line)
        for line, (row, start, end) in enumerate(zip(table, starts, ends), 2)
    ]
    tracks, notes = tracks_of(path, f"the annotations of {path.name}", intervals, reading)
    models = {row.get(FIRMWARE) or "" for row in table}
    return Said(tracks, notes, (models.pop() or None) if len(models) == 1 else None)


def _times(path: Path, name: str, cells: Sequence[str]) -> list[float]:
    dates = read_dates(cells)
    if not dates.known.all():
        row = int(np.argmin(dates.known))
        raise UserError(
            f"{path}, line {row + 2}: column {name} is {cells[row]!r} where a time like 2026-05-01 "
            "06:30:00.000 is "
            "expected; correct it"
        )
    return [one / 1e9 for one in dates.utc().tolist()]
