"""Clocks of label tables: what the numbers, dates and times of day in their columns stand for.

Unlike the stamps of samples, times of labels have no rate that tells their unit: what they say is compared
with when the recordings were made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.clocks import Clock
from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.time_units import CALENDARS, OWN_ZERO, SINCE_1970, Unit, stated_unit, words_of
from mcukd.data.importer.times import (
    Column,
    TimeForm,
    could_be_dates,
    holds_clocks,
    is_number,
    numbers,
    time_forms,
    zone_of,
)
from mcukd.data.stamps import read_dates
from mcukd.errors import UserError

_DAY = 86400.0
#: Seconds since 1970 of 1990 and 2100, between which labels lie.
_DATES = (631152000.0, 4102444800.0)
DATED, OWN, OF_DAY = "dates", "seconds", "times of day"


@dataclass(frozen=True)
class Spans:
    """When animals were recorded.

    animals: first and last seconds. begins: where each stretch without a gap does. dated: whether seconds
    count from 1970; else from the recordings' own zero. bare: whether a zone is not known. of_day: from
    midnight.
    """

    animals: dict[str, tuple[float, float]]
    begins: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    dated: bool = True
    bare: bool = False
    of_day: bool = False

    @property
    def all(self) -> tuple[float, float]:
        """First and last seconds of all animals."""
        return min(a for a, _ in self.animals.values()), max(b for _, b in self.animals.values())

    @property
    def words(self) -> str:
        """Say when the recordings were made."""
        first, last = self.all
        if self.dated:
            return f"from {moment(first)} to {moment(last)} UTC"
        return f"from {first:.6g} to {last:.6g} s on a clock of their own"


@dataclass(frozen=True)
class Times:
    """Columns of a label table in seconds, one array (n,) each.

    kind: DATED, OWN or OF_DAY. reason: what was found and why. bare: whether they are on a local clock whose
    zone is not known.
    """

    columns: tuple[NDArray[np.float64], ...]
    kind: str
    reason: str
    bare: bool = False


@dataclass(frozen=True)
class Asked:
    """What reading a label table needs beside the table: what is stated, who answers, when was recorded.

    files: path below the folder, name, and name without its ending of every file of one animal → the animal.
    animals: of the recordings, as far as they are known. observations: of a BORIS file that are read; empty:
    all. strict: whether a local time that came twice is refused even where the order of the rows suggests
    which of both it was.
    """

    options: Options
    dialog: Dialog
    spans: Callable[[], Spans] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    animals: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()
    strict: bool = False

    @property
    def timezone(self) -> str | None:
        """Zone of labels that do not say theirs."""
        return self.options.labels_timezone or self.options.timezone

    @property
    def stated(self) -> Options:
        """Return the options as they hold for labels."""
        return replace(self.options, timezone=self.timezone, time_unit=None, rate_hz=None)


@dataclass(frozen=True)
class TimeColumns:
    """Columns of a label table that are on one clock.

    names, cells: of the columns, (n,) texts each. line: of the first row. decimal: mark of numbers. animals:
    of each row, where known; where their rows stand together, the clock of each starts anew.
    """

    path: Path
    names: Sequence[str]
    cells: Sequence[Sequence[str]]
    line: int
    decimal: str
    asked: Asked
    animals: Sequence[str | None] = ()

    def fresh(self) -> NDArray[np.bool_] | None:
        """Tell where another animal's rows begin (n,); None where those of animals do not stand together.

        Where nothing is to be told from the order of rows, each begins anew.
        """
        if self.asked.strict:
            return np.ones(len(self.cells[0]), dtype=bool)
        named = np.array([str(animal) for animal in self.animals], dtype=object)
        if not len(named):
            return None
        fresh = np.concatenate([[False], named[1:] != named[:-1]])
        return fresh if fresh.sum() + 1 == len(set(named.tolist())) else None


def named_units(words: Collection[str], unit: Unit) -> bool:
    """Tell whether one of the words of a column's name is a unit's."""
    # In "ss.msec" and the like the milliseconds are a fraction of seconds.
    own = {"s"} if "ss" in words else set(words)
    return any(re.fullmatch(unit.pattern, word) for word in own)


def moment(seconds: float) -> str:
    """Write seconds since 1970 as a date and a time, to the second."""
    return str(np.datetime64(int(np.floor(seconds)), "s")).replace("T", " ")


def offset_of(seconds: float, timezone: str | None) -> float:
    """Return by how many seconds a zone's clock is ahead of UTC at a moment."""
    import datetime as dt

    if timezone is None:
        return 0.0
    there = dt.datetime.fromtimestamp(seconds, zone_of(timezone)).utcoffset()
    return there.total_seconds() if there is not None else 0.0


def read_times(columns: TimeColumns) -> Times:
    """Read columns of a label table that are on one clock.

    Raises UserError that names the line of a cell that is no time, and where the columns are on different
    clocks or on one that cannot be told.
    """
    names, path = columns.names, columns.path
    kinds = [_kind(cells, columns.decimal) for cells in columns.cells]
    if len(set(kinds)) > 1:
        first, other = names[0], names[kinds.index(next(kind for kind in kinds if kind != kinds[0]))]
        raise UserError(
            f"{path}: of {first} and {other}, one holds {kinds[0]} and the other "
            f"{kinds[names.index(other)]}; use one of both"
        )
    if kinds[0] == OWN:
        return _counted(columns)
    if kinds[0] == OF_DAY:
        return Times(
            tuple(_of_day(path, name, cells, columns.line) for name, cells in zip(names, columns.cells)),
            OF_DAY,
            "times of day without a date",
        )
    return _dated(columns)


def _kind(cells: Sequence[str], decimal: str) -> str:
    filled = [cell for cell in cells if cell.strip() not in MISSING]
    if sum(is_number(cell, decimal) or is_number(cell, ",") for cell in filled) > 0.5 * len(filled):
        packed = sum(bool(read_dates([cell]).known[0]) for cell in filled)
        return DATED if packed > 0.5 * len(filled) else OWN
    return OF_DAY if holds_clocks(filled) else DATED


def _dated(columns: TimeColumns) -> Times:
    path, line, fresh = columns.path, columns.line, columns.fresh()
    pairs = list(zip(columns.names, columns.cells))
    for name, cells in pairs:
        known = np.where(could_be_dates(cells), 1.0, np.nan)
        refuse_odd(path, name, cells, known, line, "a date and time")
    forms = time_forms(
        [Column(path, name, tuple(cells), columns.decimal) for name, cells in pairs],
        columns.asked.stated,
        columns.asked.dialog,
    )
    found = []
    for (name, cells), form in zip(pairs, forms):
        stamps: NDArray[Any] = np.array(cells, dtype=object)
        seconds = Clock(path, name, form).seconds(stamps, line, fresh)
        refuse_odd(path, name, cells, seconds, line, "a date and time")
        found.append(seconds)
    zone = next((form.timezone for form in forms if form.timezone), None)
    bare = any(form.bare for form in forms)
    return Times(tuple(found), DATED, "dates" + (f", as local time of {zone}" if zone else ""), bare)


def _of_day(path: Path, name: str, cells: Sequence[str], line: int) -> NDArray[np.float64]:
    dates = read_dates([f"1970-01-01 {cell.strip()}" for cell in cells])
    seconds = np.where(dates.known, dates.local / 1e9, np.nan)
    refuse_odd(path, name, cells, seconds, line, "a time of day like 13:33:17")
    return seconds


def refuse_odd(
    path: Path, name: str, cells: Sequence[str], values: NDArray[np.float64], line: int, wanted: str
) -> None:
    """Raise UserError for the first of the cells that was read as no number."""
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        row = int(odd[0])
        raise UserError(
            f"{path}, line {line + row}: column {name} is {cells[row]!r} where {wanted} is expected; "
            "correct it, "
            f"or remove the row"
        )


def _counted(columns: TimeColumns) -> Times:
    """Read numbers: seconds or another unit, from 1970, a calendar's zero or the recordings' own zero."""
    path, line, asked, fresh = columns.path, columns.line, columns.asked, columns.fresh()
    marks = ["," if any("," in cell for cell in cells) else columns.decimal for cells in columns.cells]
    stripped = [np.array([cell.strip() for cell in cells], dtype=object) for cells in columns.cells]
    found = []
    for name, cells, texts, mark in zip(columns.names, columns.cells, stripped, marks):
        values = numbers(texts, mark)
        refuse_odd(path, name, cells, values, line, "a number of seconds")
        found.append(values)
    unit = _unit(path, columns.names, found, asked)
    zone = asked.timezone if unit.local else None
    clocks = [
        Clock(path, name, TimeForm("number", unit, decimal=mark, timezone=zone))
        for name, mark in zip(columns.names, marks)
    ]
    seconds = [clock.seconds(texts, line, fresh) for clock, texts in zip(clocks, stripped)]
    local = f", as local time of {asked.timezone}" if unit.local and asked.timezone else ""
    kind = OWN if unit.zero is None else DATED
    return Times(tuple(seconds), kind, unit.words + local, unit.local and asked.timezone is None)


def _unit(path: Path, names: Sequence[str], values: Sequence[NDArray[np.float64]], asked: Asked) -> Unit:
    """Decide what the numbers of labels count: by the name, by the date they give, by when was recorded."""
    stated = asked.options.labels_unit
    if stated is not None:
        return stated_unit(f"the column {names[0]}", "--labels-unit", stated, np.concatenate(list(values)))
    words = {word for name in names for word in words_of(name)}
    everything = np.concatenate(list(values))
    usual = np.array([float(np.median(everything))])
    found = [
        unit
        for unit in (*SINCE_1970, *CALENDARS)
        if unit.common and _DATES[0] <= float(unit.to_seconds(usual)[0]) < _DATES[1]
    ]
    own = [unit for unit in OWN_ZERO if unit.name == "s"]
    # Other units than seconds are named: 0, 30000 … may be anything.
    for unit in OWN_ZERO:
        if unit.name in ("ms", "us", "ns", "min", "h") and named_units(words, unit):
            own = [unit]
    since_1970 = [unit for unit in found if unit.zero == 0.0]
    if since_1970 or not found or asked.options.labels_from_start:
        return (own if asked.options.labels_from_start else since_1970 or own)[0]
    # Days of a calendar are as large as the seconds of half a day: the recordings tell them apart.
    spans = asked.spans() if asked.spans is not None else None
    return found[0] if spans is None or _fits(found[0], values, spans) else own[0]


def _fits(unit: Unit, values: Sequence[NDArray[np.float64]], spans: Spans) -> bool:
    """Whether a unit puts any label within the recordings (a day's difference of zones is let pass)."""
    if (unit.zero is not None) != spans.dated:
        return False
    first, last = spans.all
    slack = _DAY if unit.zero is not None else 0.0
    seconds = [unit.to_seconds(one) for one in values]
    inside = (seconds[0] <= last + slack) & (seconds[-1] >= first - slack)
    return bool(np.any(inside))
