"""Readers of the two exports of BORIS (Friard and Gamba 2016, doi 10.1111/2041-210X.12584).

Aggregated events ("Start (s)", "Stop (s)") and tabular events (one row where a behaviour starts and one where
it stops). Their seconds count from the "Observation date", or from 1970 where BORIS was told to take the time
offset of the observation from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import (
    DATED,
    OWN,
    Asked,
    TimeColumns,
    Times,
    moment,
    offset_of,
    read_times,
    refuse_odd,
)
from mcukd.data.importer.label_text import LabelText
from mcukd.data.importer.text import TextForm
from mcukd.data.importer.times import numbers
from mcukd.errors import UserError

_EPOCH = 631152000.0  # 1990: larger numbers of seconds count from 1970
_NOBODY = ("", "No focal subject")


def aggregated_events(text: LabelText) -> tuple[list[Interval], Times]:
    """Return the intervals of aggregated events, and what clock they are on."""
    names = text.names
    (starts, ends), clock = _seconds(text, [names["start (s)"], names["stop (s)"]])
    animals = _subjects(text, len(starts))
    return [
        Interval(who, float(a), float(b), what, text.line + row)
        for row, (who, a, b, what) in enumerate(zip(animals, starts, ends, text.cells[names["behavior"]]))
    ], clock


def tabular_events(text: LabelText) -> tuple[list[Interval], Times]:
    """Return the intervals of tabular events, and what clock they are on.

    Raises UserError for a behaviour that starts without stopping or stops without having started.
    """
    path, first_line, table, names = text.path, text.line, text.cells, text.names
    (times,), clock = _seconds(text, [names["time"]])
    states = table[_state_column(text)]
    observations = table[names["observation id"]] if "observation id" in names else [""] * len(times)
    animals = _subjects(text, len(times))
    behaviours = table[names["behavior"]]
    begun: dict[tuple[Any, ...], int] = {}
    intervals = []
    for row, (state, time) in enumerate(zip(states, times)):
        key = (observations[row], animals[row], behaviours[row])
        line = first_line + row
        if state.upper() == "START":
            if key in begun:
                raise UserError(
                    f"{path}, line {line}: {key[2]} starts again before it has stopped; correct the events"
                )
            begun[key] = row
        elif state.upper() == "STOP":
            if key not in begun:
                raise UserError(
                    f"{path}, line {line}: {key[2]} stops but has not started; correct the events"
                )
            first = begun.pop(key)
            intervals.append(
                Interval(animals[row], float(times[first]), float(time), key[2], first_line + first)
            )
        else:
            intervals.append(Interval(animals[row], float(time), float(time), key[2], line))
    if begun:
        (_, _, behaviour), row = next(iter(begun.items()))
        raise UserError(
            f"{path}, line {first_line + row}: {behaviour} starts and never stops; correct the events"
        )
    return intervals, clock


def has_states(text: LabelText) -> bool:
    """Tell whether a table of events says where behaviours start and stop."""
    return _state_column(text) != ""


def _state_column(text: LabelText) -> str:
    """Return the column that says START and STOP: "Status" of old exports, "Behavior type" of new ones."""
    for name in ("status", "behavior type"):
        column = text.names.get(name)
        if column is not None and {one.upper() for one in text.cells[column]} & {"START", "STOP"}:
            return column
    return ""


def _subjects(text: LabelText, rows: int) -> Sequence[Optional[str]]:
    column = text.names.get("subject")
    if column is None:
        return [None] * rows
    return [None if one in _NOBODY else one for one in text.cells[column]]


def _seconds(text: LabelText, columns: list[str]) -> tuple[list[NDArray[np.float64]], Times]:
    """Return columns of events in seconds: from 1970 where they are that large, else from the date."""
    path, table, line, asked = text.path, text.cells, text.line, text.asked
    found = []
    for name in columns:
        values = numbers(np.array(table[name], dtype=object), "," if _commas(table[name]) else ".")
        refuse_odd(path, name, table[name], values, line, "a number of seconds")
        found.append(values)
    dates = _observation_dates(text)
    first = found[0]
    if len(first) and float(np.median(first)) >= _EPOCH:
        if dates is not None and asked.timezone is not None:
            _check_epoch(path, columns[0], float(first[0]), float(dates.columns[0][0]), line, asked)
        return found, Times(tuple(found), DATED, "seconds since 1970, in UTC by definition")
    if dates is None:
        return found, Times(tuple(found), OWN, "seconds from the observation's start")
    zone = dates.reason.partition(", ")[2]
    words = "seconds from the observation's date" + (f", {zone}" if zone else "")
    return [values + dates.columns[0] for values in found], Times(tuple(found), DATED, words, dates.bare)


def _commas(cells: Sequence[str]) -> bool:
    return any("," in cell for cell in cells)


def _check_epoch(path: Path, column: str, epoch: float, observed: float, line: int, asked: Asked) -> None:
    """UserError where seconds since 1970 are those of a local clock: off from the date by just its zone."""
    ahead = offset_of(observed, asked.timezone)
    if ahead and abs(epoch - observed - ahead) < 60 <= abs(epoch - observed):
        raise UserError(
            f"{path}, line {line}: {column} is {moment(epoch)} UTC in seconds since 1970, and the "
            "observation's date "
            f"in {asked.timezone} is {moment(observed)} UTC: one of them is on a clock that is "
            f"{ahead / 3600:+g} h "
            f"ahead; if the date is in UTC too, say --labels-timezone UTC, else export without the offset"
        )


def _observation_dates(text: LabelText) -> Optional[Times]:
    """Return seconds since 1970 of each row's observation; None where the export does not say it."""
    column = text.names.get("observation date")
    above = _date_above(text.path, text.form)
    stamps = text.cells[column] if column else [above or ""] * len(text.cells[text.names["behavior"]])
    if not any(stamps):
        return None
    return read_times(
        TimeColumns(
            text.path, [column or "Observation date"], [stamps], text.line, text.form.decimal, text.asked
        )
    )


def _date_above(path: Path, form: TextForm) -> Optional[str]:
    """Old tabular exports say the observation's date in a line above the header."""
    if not form.above:
        return None
    with path.open(encoding=form.encoding, newline="") as stream:
        for _ in range(form.above):
            cells = [cell.strip() for cell in stream.readline().split(form.delimiter)]
            if cells[0].lower() == "observation date" and len(cells) > 1:
                return cells[1]
    return None
