"""Reader of label tables kept apart from the samples: start, end and behaviour, per animal.

Any table of intervals, of stamps that each hold for a burst of samples, BORIS's exports and its projects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcukd.data.importer.boris import is_export, read_export
from mcukd.data.importer.boris_project import is_project, read_project
from mcukd.data.importer.intervals import Interval, LabelTable, table_of
from mcukd.data.importer.label_animals import as_recorded
from mcukd.data.importer.label_clocks import DATED, OF_DAY, Asked, TimeColumns, Times, read_times
from mcukd.data.importer.label_days import join_days, join_start
from mcukd.data.importer.label_durations import read_durations
from mcukd.data.importer.label_points import hold_points
from mcukd.data.importer.label_sheets import is_old_export, is_sheet, label_sheet, old_export
from mcukd.data.importer.label_text import LabelText
from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.text import TextForm, parse, read_blocks, sniff
from mcukd.data.importer.times import holds_clocks, holds_dates
from mcukd.errors import UserError
from mcukd.text import listed

_START = re.compile(r"^(start|begin|onset|from|anfang|von$|inicio|inizio|d[eé]but)|start[ _]?(time|date)?$")
_END = re.compile(r"^(end|stop|offset|until|to$|bis$|fin$|fine$|final)|(end|stop)[ _]?(time|date)?$")
_DURATION = re.compile(r"^(duration|dauer|dur[eé]e|duraci[oó]n|durata)")
_BEHAVIOUR = re.compile(r"behavio|label|activity|class|event|state|annotation|verhalten|comport|aktivit")
_ANIMAL = re.compile(
    r"animal|individu|subject|cow|sheep|goat|bird|^id$|tag|collar|device|^(tier|kuh|schaf|ziege|hund|pferd|vogel)"
    r"|vache|mouton|ch[eè]vre|^vaca|^oveja|participant"
)
_STAMP = re.compile(
    r"^(date|utc|local)?[ _-]?(time|timestamp|stamp|t)s?([^a-z].*)?$|^date|^(zeit|uhrzeit|datum)"
)
_DAY = re.compile(r"date|datum|fecha|^(day|tag|jour|d[ií]a|data)$")
_FILE = re.compile(r"^(file|filename|file[ _]name|recording|path)$")


def read_labels(path: Path, asked: Asked) -> LabelTable:
    """Read a table of labels.

    asked: what is stated of it, and what the recordings are. Raises UserError for missing columns, stamps
    that are none, intervals that end before they start, that overlap with another label, behaviours that
    start without stopping, and clocks that fit the recordings in more than one way.
    """
    intervals, times = read_intervals(path, asked)
    intervals = as_recorded(intervals, asked.animals, asked.dialog)
    if times.kind == OF_DAY and not asked.options.labels_from_start:
        intervals, times = join_days(path, intervals, asked)
    elif times.kind != DATED and asked.options.labels_from_start:
        intervals, times = join_start(path, intervals, asked)
    return table_of(path, intervals, times.kind == DATED, times.reason, times.bare)


def read_intervals(path: Path, asked: Asked) -> tuple[list[Interval], Times]:
    """Return the intervals of a file as they stand in it, and what clock they are on.

    Takes a table of labels, as text or as a sheet, an export of BORIS's, or a project of BORIS's. Raises
    UserError as `read_labels`, but not for intervals that overlap or end before they start.
    """
    if is_project(path):
        return read_project(path, asked)
    if is_sheet(path):
        text = label_sheet(path, asked)
    else:
        text = old_export(path, asked) if is_old_export(path) else _text_of(path, asked)
    if is_export(text):
        return read_export(text)
    if asked.observations:
        raise UserError(
            f"{path} is no file of BORIS's, so that it has no observations; leave --observation out"
        )
    return _generic(text)


def _text_of(path: Path, asked: Asked) -> LabelText:
    form = sniff(path)
    table: dict[str, list[str]] = {name: [] for name in form.header}
    for block in read_blocks(path, form):
        columns = parse(path, form, block, [], list(form.header))
        for name, values in columns.items():
            table[name] += [str(value).strip() for value in values]
    return LabelText(path, form, table, form.first_line, asked)


def _generic(text: LabelText) -> tuple[list[Interval], Times]:
    path, form, table, line, asked = text.path, text.form, text.cells, text.line, text.asked
    start = _named(form.header, _START)
    end = _named(form.header, _END, [start])
    duration = _named(form.header, _DURATION, [start, end])
    behaviour = _named(form.header, _BEHAVIOUR, [start, end, duration])
    # "Tag" is a day in German.
    days = [name for name in form.header if holds_dates(table[name])]
    animal = _named(form.header, _ANIMAL, [start, end, duration, behaviour, *days])
    taken = [start, end, duration, behaviour, animal]
    day = next(
        (
            name
            for name in form.header
            if name not in taken and _DAY.search(name.lower()) and holds_dates(table[name])
        ),
        None,
    )
    points = end is None and duration is None
    if points and start is None:
        start = _named(
            form.header, _STAMP, [behaviour, animal, day] if _has_clock(form, table, day) else [behaviour]
        )
        day = None if start == day else day
    if start is None or behaviour is None:
        missing = "start" if start is None else "behaviour"
        raise UserError(
            f"{path} has no column for the {missing} (columns: {listed(form.header)}); expected start, end, "
            f"behaviour and, where there is more than one, animal"
        )
    names = [start] if end is None else [start, end]
    cells = [table[name] for name in names]
    if day is not None and all(holds_clocks(column) for column in cells):
        cells = [_with_day(table[day], column) for column in cells]
    animals: Sequence[str | None] = table[animal] if animal else [None] * len(table[start])
    if animal is None:
        animals = _animals_of_files(text) or animals
    times = read_times(TimeColumns(path, names, cells, line, form.decimal, asked, animals))
    starts = times.columns[0]
    if points:
        return hold_points(path, starts, animals, table[behaviour], line, times, asked), times
    if end is not None:
        ends = times.columns[1]
        if day is not None and times.kind == DATED:
            # With one date for both, what ends before it starts ends on the next day, unless half a day
            # later.
            ends = np.where(ends < starts - 43200.0, ends + 86400.0, ends)
    else:
        assert duration is not None
        ends = starts + read_durations(
            path, duration, table[duration], starts, animals, line, form.decimal, asked.dialog
        )
    return [
        Interval(who, float(a), float(b), what, line + row)
        for row, (who, a, b, what) in enumerate(zip(animals, starts, ends, table[behaviour]))
    ], times


def _animals_of_files(text: LabelText) -> list[str | None] | None:
    """Return each row's animal by the file that it names, None where no column names the files of animals."""
    asked = text.asked
    name = next((one for one in text.form.header if _FILE.search(one.lower())), None)
    if name is None or not asked.files:
        return None
    found: list[str | None] = []
    for row, cell in enumerate(text.cells[name]):
        key = cell.replace("\\", "/").rpartition("/")[2]
        animal = asked.files.get(cell, asked.files.get(key, asked.files.get(key.partition(".")[0])))
        if animal is None:
            known = listed(sorted(set(asked.files))[:6])
            raise UserError(
                f"{text.path}, line {text.line + row}: column {name} is {cell!r}, which is no file of the "
                f"recordings (they are {known}); correct it, or name the animals in a column"
            )
        found.append(animal)
    asked.dialog.note(f"labels: animals by the column {name}, which names the file of each")
    return found


def _has_clock(form: TextForm, table: dict[str, list[str]], day: str | None) -> bool:
    """Whether a table with a column of dates has one of times of day too."""
    return day is not None and any(name != day and holds_clocks(table[name]) for name in form.header)


def _with_day(days: Sequence[str], clocks: Sequence[str]) -> list[str]:
    return ["" if clock in MISSING else f"{day} {clock}" for day, clock in zip(days, clocks)]


def _named(header: Sequence[str], pattern: re.Pattern[str], taken: Sequence[str | None] = ()) -> str | None:
    return next((name for name in header if name not in taken and pattern.search(name.lower())), None)
