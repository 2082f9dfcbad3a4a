"""Durations of labels, where a table gives a start and a duration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.clocks import resolution
from mcukd.data.importer.label_clocks import named_units, refuse_odd
from mcukd.data.importer.options import Dialog
from mcukd.data.importer.time_units import OWN_ZERO, Unit, words_of
from mcukd.data.importer.times import numbers
from mcukd.errors import UserError

_SECONDS = next(unit for unit in OWN_ZERO if unit.name == "s")
#: Share of labels that have to end where the animal's next one begins for that to tell the unit.
_MOSTLY = 0.5
_WITHOUT_HOURS = re.compile(r"\d{1,2}:\d{2}([.,]\d+)?")


def read_durations(
    path: Path,
    name: str,
    cells: Sequence[str],
    starts: NDArray[np.float64],
    animals: Sequence[str | None],
    line: int,
    decimal: str,
    dialog: Dialog,
) -> NDArray[np.float64]:
    """Return seconds (n,) that a column of durations says, as numbers or as hours, minutes and seconds.

    starts: (n,) seconds. animals: of each label. line: of the first row. The unit of numbers is told by the
    column's name, else by labels that end where the next one begins, else it is seconds. Raises UserError
    that names the line of a cell that is no duration, and for ones like 1:30 that may be either hours and
    minutes or minutes and seconds.
    """
    if sum(":" in cell for cell in cells) > 0.5 * len(cells):
        values = np.array([_clock(path, name, cell, line + row) for row, cell in enumerate(cells)])
        refuse_odd(path, name, cells, values, line, "a duration like 0:01:30")
        return values
    mark = "," if any("," in cell for cell in cells) else decimal
    order: NDArray[Any] = np.array(cells, dtype=object)
    counted: NDArray[np.float64] = numbers(order, mark)
    refuse_odd(path, name, cells, counted, line, "a number of seconds")
    until = _until_next(starts, animals)
    words = words_of(name)
    named = next((unit for unit in OWN_ZERO if named_units(words, unit)), None)
    told = named or _by_next(counted, until) or _SECONDS
    if told.name != "s":
        why = "as its name says" if named else "for most labels then end where the next one begins"
        dialog.note(f"labels: the column {name} holds {told.words.partition(' ')[0]}, {why}")
    values = told.to_seconds(counted)
    # Rounded durations may reach into the next label by a unit of their last place.
    written = float(told.to_seconds(np.array([resolution(order, mark)]))[0])
    touching = (values > until) & (values <= until + written)
    return np.where(touching, until, values)


def _clock(path: Path, name: str, cell: str, line: int) -> float:
    """Return seconds; NaN for what is no duration."""
    text = cell.strip()
    parts = text.replace(",", ".").split(":")
    try:
        numbers_of = [float(part) for part in parts]
    except ValueError:
        return float("nan")
    if _WITHOUT_HOURS.fullmatch(text):
        first, second = numbers_of
        words = set(words_of(name))
        if "." in parts[1] or (words & {"m", "mm"} and not words & {"h", "hh"}):
            return first * 60 + second
        if words & {"h", "hh"}:
            return first * 3600 + second * 60
        raise UserError(
            f"{path}, line {line}: column {name} is {cell!r}, which may be hours and minutes or minutes and "
            f"seconds; write durations as h:mm:ss, or name the column {name} (h:mm) or {name} (mm:ss)"
        )
    return sum(part * 60.0 ** (2 - place) for place, part in enumerate(numbers_of))


def _until_next(starts: NDArray[np.float64], animals: Sequence[str | None]) -> NDArray[np.float64]:
    """Return seconds (n,) from the start of each label to the animal's next one; NaN for the last one."""
    who = np.array([str(animal) for animal in animals], dtype=object)
    until = np.full(len(starts), np.nan)
    for animal in set(who.tolist()):
        own = np.flatnonzero(who == animal)
        own = own[np.argsort(starts[own], kind="stable")]
        until[own[:-1]] = np.diff(starts[own])
    return until


def _by_next(counted: NDArray[np.float64], until: NDArray[np.float64]) -> Unit | None:
    """Return the unit with which most labels end where the animal's next one begins, None for no such."""
    judged = np.isfinite(until) & (counted > 0)
    if judged.sum() < 2:
        return None
    for unit in OWN_ZERO:
        # Starts and durations are often rounded to whole seconds or to two places.
        off = np.abs(unit.to_seconds(counted[judged]) - until[judged])
        if np.mean(off <= 0.02 * until[judged]) > _MOSTLY:
            return unit
    return None
