"""Tables of labels kept apart from the samples: start, end and behaviour, per animal.

Besides any table of intervals, the two exports of BORIS (Friard and Gamba 2016, doi 10.1111/2041-210X.12584):
aggregated events ("Start (s)", "Stop (s)") and tabular events (one row where a behaviour starts and one where
it stops). Their seconds count from the "Observation date".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importing.text import TextForm, is_number, parse, read_blocks, sniff
from mcukd.data.importing.times import Clock, time_form
from mcukd.errors import UserError
from mcukd.wording import listed

_START = re.compile(r"^(start|begin|onset|from)|start[ _]?(time|date)?$")
_END = re.compile(r"^(end|stop|offset|until|to$)|(end|stop)[ _]?(time|date)?$")
_DURATION = re.compile(r"^duration")
_BEHAVIOUR = re.compile(r"behavio|label|activity|class|event|state")
_ANIMAL = re.compile(r"animal|individual|subject|cow|sheep|goat|bird|^id$|tag|collar|device")
_EPOCH = 5e8  # larger numbers count from 1970
_NOBODY = ("", "No focal subject")


@dataclass(frozen=True)
class Interval:
    """One labelled stretch: seconds [start, end) on the recordings' clock, and its line in the table."""

    animal: Optional[str]
    start: float
    end: float
    label: str
    line: int


@dataclass(frozen=True)
class LabelTable:
    """Intervals sorted by start, per animal; the animal None stands for every one.

    dated: whether they are dates, or seconds from the recordings' own zero. left_out: rows without length.
    """

    path: Path
    intervals: dict[Optional[str], tuple[Interval, ...]]
    dated: bool
    left_out: int

    def labels(self, animals: NDArray[Any], seconds: NDArray[np.float64]) -> NDArray[np.object_]:
        """Return the label of each sample, None where no interval holds it."""
        found: NDArray[np.object_] = np.full(len(seconds), None, dtype=object)
        for animal in set(animals.tolist()):
            own = self.intervals.get(animal, self.intervals.get(None, ()))
            if not own:
                continue
            of_it = np.flatnonzero(animals == animal)
            times = seconds[of_it]
            place = np.searchsorted([one.start for one in own], times, side="right") - 1
            ends = np.array([one.end for one in own])
            inside = (place >= 0) & (times < ends[np.maximum(place, 0)])
            names = np.array([one.label for one in own], dtype=object)
            found[of_it[inside]] = names[place[inside]]
        return found

    def all(self) -> list[Interval]:
        """Return every interval in the order of the table."""
        return sorted((one for own in self.intervals.values() for one in own), key=lambda one: one.line)


def read_labels(path: Path, timezone: Optional[str], day_first: Optional[bool]) -> LabelTable:
    """Read a table of labels.

    timezone: of dates that do not say theirs; None: taken as UTC, like the recordings'. Raises UserError for
    missing columns, stamps that are none, intervals that end before they start, that overlap with another
    label, and behaviours that start without stopping.
    """
    form = sniff(path)
    table, lines = _rows(path, form)
    names = {name.lower().strip(): name for name in form.header}
    if "behavior" in names and ("start (s)" in names and "stop (s)" in names):
        intervals, dated = _aggregated(path, table, names, lines, timezone, _date_above(path, form))
    elif "behavior" in names and "time" in names and _has_states(table, names):
        intervals, dated = _tabular(path, table, names, lines, timezone, _date_above(path, form))
    else:
        intervals, dated = _generic(path, form, table, lines, timezone, day_first)
    kept = [one for one in intervals if one.end > one.start]
    wrong = next((one for one in intervals if one.end < one.start), None)
    if wrong is not None:
        raise UserError(
            f"{path}, line {wrong.line}: {wrong.label} ends {wrong.start - wrong.end:g} s before it "
            "starts; swap or "
            f"correct its times"
        )
    if not kept:
        raise UserError(
            f"{path} holds no behaviour with a start and an end; export states, not points in time"
        )
    by_animal: dict[Optional[str], list[Interval]] = {}
    for one in kept:
        by_animal.setdefault(one.animal, []).append(one)
    checked = {animal: _sorted(path, own) for animal, own in by_animal.items()}
    return LabelTable(path, checked, dated, len(intervals) - len(kept))


def _rows(path: Path, form: TextForm) -> tuple[dict[str, list[str]], int]:
    table: dict[str, list[str]] = {name: [] for name in form.header}
    for block in read_blocks(path, form):
        columns = parse(path, form, block, [], list(form.header))
        for name, values in columns.items():
            table[name] += [str(value).strip() for value in values]
    return table, form.above + 2


def _generic(
    path: Path,
    form: TextForm,
    table: dict[str, list[str]],
    first_line: int,
    timezone: Optional[str],
    day_first: Optional[bool],
) -> tuple[list[Interval], bool]:
    start = _named(form.header, _START)
    end = _named(form.header, _END, [start])
    duration = _named(form.header, _DURATION, [start, end])
    behaviour = _named(form.header, _BEHAVIOUR, [start, end, duration])
    animal = _named(form.header, _ANIMAL, [start, end, duration, behaviour])
    if start is None or (end is None and duration is None) or behaviour is None:
        missing = "start" if start is None else "behaviour" if behaviour is None else "end or duration"
        raise UserError(
            f"{path} has no column for the {missing} (columns: {listed(form.header)}); expected start, end, "
            f"behaviour and, where there is more than one, animal"
        )
    starts, dated = _seconds(path, start, table[start], first_line, timezone, day_first)
    if end is not None:
        ends, also = _seconds(path, end, table[end], first_line, timezone, day_first)
        if also != dated:
            raise UserError(
                f"{path}: of {start} and {end}, one holds dates and the other seconds; use one of both"
            )
    else:
        assert duration is not None
        ends = starts + _numbers(path, duration, table[duration], first_line)
    animals = table[animal] if animal else [None] * len(starts)
    return [
        Interval(who, float(a), float(b), what, first_line + row)
        for row, (who, a, b, what) in enumerate(zip(animals, starts, ends, table[behaviour]))
    ], dated


def _aggregated(
    path: Path,
    table: dict[str, list[str]],
    names: dict[str, str],
    first_line: int,
    timezone: Optional[str],
    above: Optional[str],
) -> tuple[list[Interval], bool]:
    zero = _observation_dates(path, table, names, first_line, timezone, above)
    starts = zero + _numbers(path, names["start (s)"], table[names["start (s)"]], first_line)
    ends = zero + _numbers(path, names["stop (s)"], table[names["stop (s)"]], first_line)
    animals = _subjects(table, names, len(starts))
    return [
        Interval(who, float(a), float(b), what, first_line + row)
        for row, (who, a, b, what) in enumerate(zip(animals, starts, ends, table[names["behavior"]]))
    ], bool(np.any(zero))


def _tabular(
    path: Path,
    table: dict[str, list[str]],
    names: dict[str, str],
    first_line: int,
    timezone: Optional[str],
    above: Optional[str],
) -> tuple[list[Interval], bool]:
    zero = _observation_dates(path, table, names, first_line, timezone, above)
    times = zero + _numbers(path, names["time"], table[names["time"]], first_line)
    states = table[_state_column(table, names)]
    observations = table[names["observation id"]] if "observation id" in names else [""] * len(times)
    animals = _subjects(table, names, len(times))
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
    return intervals, bool(np.any(zero))


def _has_states(table: dict[str, list[str]], names: dict[str, str]) -> bool:
    return _state_column(table, names) != ""


def _state_column(table: dict[str, list[str]], names: dict[str, str]) -> str:
    """Return the column that says START and STOP: "Status" of old exports, "Behavior type" of new ones."""
    for name in ("status", "behavior type"):
        if name in names and {one.upper() for one in table[names[name]]} & {"START", "STOP"}:
            return names[name]
    return ""


def _subjects(table: dict[str, list[str]], names: dict[str, str], rows: int) -> Sequence[Optional[str]]:
    if "subject" not in names:
        return [None] * rows
    return [None if one in _NOBODY else one for one in table[names["subject"]]]


def _observation_dates(
    path: Path,
    table: dict[str, list[str]],
    names: dict[str, str],
    first_line: int,
    timezone: Optional[str],
    above: Optional[str],
) -> NDArray[np.float64]:
    """Seconds since 1970 of each row's observation; zeros where the export does not say it."""
    rows = len(table[names["behavior"]])
    column = names.get("observation date")
    stamps = table[column] if column else [above or ""] * rows
    if not any(stamps):
        return np.zeros(rows)
    seconds, _ = _seconds(path, column or "Observation date", stamps, first_line, timezone, None)
    return seconds


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


def _seconds(
    path: Path,
    column: str,
    stamps: list[str],
    first_line: int,
    timezone: Optional[str],
    day_first: Optional[bool],
) -> tuple[NDArray[np.float64], bool]:
    first = next((stamp for stamp in stamps if stamp), "")
    if is_number(first) or is_number(first, ","):
        # Labels come in seconds; only the recordings' own stamps may count a smaller unit.
        values = _numbers(path, column, stamps, first_line)
        if values[0] < _EPOCH:
            return values, False
    form = time_form(path, column, stamps, day_first, timezone)
    order: NDArray[Any] = np.array(stamps, dtype=object)
    return Clock(path, column, form).seconds(order, first_line), True


def _numbers(path: Path, column: str, cells: Sequence[str], first_line: int) -> NDArray[np.float64]:
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell.replace(",", "."))
        except ValueError:
            raise UserError(
                f"{path}, line {first_line + row}: column {column} is {cell!r} where a number of seconds is "
                f"expected; correct it, or remove the row"
            ) from None
    return values


def _named(
    header: Sequence[str], pattern: re.Pattern[str], taken: Sequence[Optional[str]] = ()
) -> Optional[str]:
    return next((name for name in header if name not in taken and pattern.search(name.lower())), None)


def _sorted(path: Path, own: list[Interval]) -> tuple[Interval, ...]:
    """Sort by start and join what touches with the same label; UserError where labels contradict."""
    kept: list[Interval] = []
    for one in sorted(own, key=lambda one: (one.start, one.end)):
        last = kept[-1] if kept else None
        if last is not None and one.start < last.end - 1e-6:
            if one.label != last.label:
                who = f" of animal {one.animal}" if one.animal else ""
                raise UserError(
                    f"{path}, lines {last.line} and {one.line}: {last.label} and {one.label}{who} overlap by "
                    f"{min(last.end, one.end) - one.start:g} s; let one end where the other begins"
                )
            kept[-1] = Interval(last.animal, last.start, max(last.end, one.end), last.label, last.line)
            continue
        kept.append(one)
    return tuple(kept)
