"""Readers of the two exports of BORIS (Friard and Gamba 2016, doi 10.1111/2041-210X.12584).

Aggregated events ("Start (s)", "Stop (s)") and tabular events (one row where a behaviour starts and one where
it stops), by the names of their columns, which are those of versions 8 to 10; version 7 says what concerns
the whole observation in lines above the header.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.boris_clock import Observation
from mcukd.data.importer.boris_events import (
    ALTERNATES,
    POINT,
    START,
    STOP,
    Event,
    intervals_of,
    subject_of,
    wanted_events,
)
from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import TimeColumns, Times, read_times, refuse_odd
from mcukd.data.importer.label_text import LabelText
from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.times import numbers
from mcukd.errors import UserError

#: Columns of the table that BORIS takes events from.
SHEET = ("time", "subject", "code", "modifier", "comment")
_OFFSET = "time offset (s)"


def is_export(text: LabelText) -> bool:
    """Tell whether a table is one of events by BORIS."""
    names = text.names
    if "behavior" in names:
        return {"start (s)", "stop (s)"} <= {*names} or ("time" in names and bool(_state_column(text)))
    return all(name in names for name in SHEET)


def read_export(text: LabelText) -> tuple[list[Interval], Times]:
    """Return the intervals of a table of events, those of points without length, and what clock they are on.

    Raises UserError for a behaviour that starts without stopping or stops without having started, for
    overlapping clocks, and for times that are none.
    """
    events = wanted_events(text.path, _events(text), text.asked)
    named = {one.observation for one in events}
    observations = {one.name: one for one in _observations(text) if one.name in named}
    return intervals_of(text.path, events, observations, text.asked)


def _events(text: LabelText) -> list[Event]:
    names, cells = text.names, text.cells
    aggregated = {"start (s)", "stop (s)"} <= {*names}
    columns = ["start (s)", "stop (s)"] if aggregated else ["time"]
    times = [_seconds(text, names[name]) for name in columns]
    behaviours = cells[names["behavior" if "behavior" in names else "code"]]
    subjects = _column(text, "subject")
    observations = _column(text, "observation id")
    modifiers = [cells[name] for key, name in names.items() if key.startswith("modifier")]
    state = _state_column(text)
    kinds = cells[state] if state else [ALTERNATES] * len(behaviours)
    found = []
    for row, behaviour in enumerate(behaviours):
        facts = (
            observations[row],
            subject_of(subjects[row]),
            behaviour,
            "|".join(one[row] for one in modifiers),
        )
        line = text.line + row
        if aggregated and times[0][row] != times[1][row]:
            found.append(Event(*facts, float(times[0][row]), START, line, row=row))
            found.append(Event(*facts, float(times[1][row]), STOP, line, row=row))
        elif aggregated:
            found.append(Event(*facts, float(times[0][row]), POINT, line))
        else:
            kind = kinds[row].upper() if kinds[row].upper() in (START, STOP) or not state else POINT
            found.append(Event(*facts, float(times[0][row]), kind, line))
    return found


def _column(text: LabelText, name: str) -> Sequence[str]:
    column = text.names.get(name)
    rows = len(next(iter(text.cells.values())))
    return [""] * rows if column is None else text.cells[column]


def _state_column(text: LabelText) -> str:
    """Return the column that says START and STOP: "Status" of old exports, "Behavior type" of new ones."""
    for name in ("status", "behavior type"):
        column = text.names.get(name)
        if column is not None and {one.upper() for one in text.cells[column]} & {START, STOP}:
            return column
    return ""


def _seconds(text: LabelText, name: str) -> NDArray[np.float64]:
    cells = text.cells[name]
    mark = "," if any("," in cell for cell in cells) else "."
    values = numbers(np.array(cells, dtype=object), mark)
    refuse_odd(text.path, name, cells, values, text.line, "a number of seconds")
    return values


def _observations(text: LabelText) -> list[Observation]:
    """Return what the rows, or the lines above the header, say of each observation, once.

    Raises UserError where rows of one observation differ in it.
    """
    dates, bare = _dates(text)
    ids, kinds, offsets = (_column(text, name) for name in ("observation id", "observation type", _OFFSET))
    found: dict[str, tuple[int, Observation]] = {}
    for row, name in enumerate(ids):
        offset = _offset(text, offsets[row], f"line {text.line + row}")
        this = Observation(
            name,
            None if dates is None else float(dates[row]),
            bare,
            _live(kinds[row], text.form.preamble),
            offset if offset is not None else _offset_above(text),
        )
        line, first = found.setdefault(name, (text.line + row, this))
        if first != this:
            raise UserError(
                f"{text.path}, lines {line} and {text.line + row}: {this.words} has another date, type or "
                "time "
                "offset; give each observation an id of its own"
            )
    return [one for _, one in found.values()]


def _live(kind: str, preamble: Sequence[str]) -> bool | None:
    """Tell whether an observation was live, None where neither its row nor the lines above say it."""
    for said in (kind, *preamble):
        words = said.strip().strip('"').lower()
        if words.startswith("live"):
            return True
        if words.startswith(("media file", "from ")):
            return False
    return None


def _offset(text: LabelText, cell: str, where: str) -> float | None:
    if cell.strip() in MISSING:
        return None
    value = float(numbers(np.array([cell], dtype=object), "," if "," in cell else ".")[0])
    if not np.isfinite(value):
        raise UserError(
            f"{text.path}, {where}: the time offset is {cell!r} where a number of seconds is expected; "
            "correct it"
        )
    return value


def _offset_above(text: LabelText) -> float:
    said = _said_above(text, _OFFSET)
    return (_offset(text, said, "above the header") or 0.0) if said is not None else 0.0


def _dates(text: LabelText) -> tuple[NDArray[np.float64] | None, bool]:
    """Return seconds since 1970 of each row's observation (n,), None where the file does not say them.

    Beside them: whether they are on a local clock whose zone is not known.
    """
    column = text.names.get("observation date")
    rows = len(next(iter(text.cells.values())))
    above = _said_above(text, "observation date") if column is None else None
    stamps = text.cells[column] if column else [above or ""] * rows
    if not any(stamps):
        return None, False
    name = column or "Observation date"
    times = read_times(TimeColumns(text.path, [name], [stamps], text.line, text.form.decimal, text.asked))
    return times.columns[0], times.bare


def _said_above(text: LabelText, name: str) -> str | None:
    """Return what a line above the header says, as old tabular exports say an observation's date."""
    for line in text.form.preamble:
        cells = [cell.strip().strip('"') for cell in line.split(text.form.delimiter)]
        if cells[0].lower() == name and len(cells) > 1:
            return cells[1]
    return None
