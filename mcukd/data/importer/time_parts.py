"""Stamps split over several columns: hours, minutes and seconds, with or without a date."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcukd.data.importer.columns import holds_clocks_with_date, number_columns, time_column
from mcukd.data.importer.numerals import MISSING, to_number
from mcukd.data.importer.text import TextForm
from mcukd.data.importer.times import holds_dates

#: Part of a stamp → names of columns that hold it, without marks, in lower case.
_NAMES = {
    "year": "year|yyyy|jahr|ann[eé]e|a[nñ]o",
    "month": "month|monat|mois|mes",
    "day": "day|dd|tag|jour|d[ií]a",
    "hour": "h|hh|hr|hrs|hours?|stunden?|heures?|horas?",
    "minute": "min|mins|mm|minutes?|minuten|minutos?",
    "second": "s|ss|secs?|seconds?|sekunden?|secondes?|segundos?",
    "fraction": "decimalseconds?|fractional?seconds?|secondsfraction|fraction|decimals?",
    "milli": "ms|msecs?|millis|milliseconds?|millisec",
}
_CLOCK = ("hour", "minute", "second")
_DAY = ("year", "month", "day")
_LIMITS = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 60.9999999)}


@dataclass(frozen=True)
class TimeParts:
    """Columns that make up a stamp. columns: part ("year", …, or "date" for a whole one) → name."""

    columns: Mapping[str, str]
    decimal: str

    def join(self, cells: Mapping[str, Sequence[Any]]) -> list[str]:
        """Return stamps (n,) for name → cells (n,); "" where a part is missing or no number."""
        parts = {part: cells[name] for part, name in self.columns.items()}
        count = len(next(iter(parts.values())))
        return [
            self._stamp({part: str(column[row]) for part, column in parts.items()}) for row in range(count)
        ]

    def _stamp(self, cells: dict[str, str]) -> str:
        day = cells.pop("date", None)
        numbers = {part: to_number(cell.strip(), self.decimal) for part, cell in cells.items()}
        known = {part: number for part, number in numbers.items() if number is not None}
        if len(known) < len(numbers) or (day is not None and day.strip() in MISSING):
            return ""
        seconds = known["second"] + known.get("fraction", 0.0) + known.get("milli", 0.0) / 1000
        micros = round(seconds * 1e6)
        clock = (
            f"{int(known['hour']):02d}:{int(known['minute']):02d}:{micros // 10**6:02d}.{micros % 10**6:06d}"
        )
        if day is not None:
            return f"{day.strip()} {clock}"
        if "year" in known:
            year = int(known["year"]) + (2000 if known["year"] < 100 else 0)
            return f"{year:04d}-{int(known['month']):02d}-{int(known['day']):02d} {clock}"
        return clock


def with_clocks(days: Sequence[Any], clocks: Sequence[Any]) -> list[str]:
    """Return stamps (n,) of dates and times of day; "" where one is missing, for a date alone is midnight."""
    missing = (
        str(day).strip() in MISSING or str(clock).strip() in MISSING for day, clock in zip(days, clocks)
    )
    return ["" if lost else f"{day} {clock}" for lost, day, clock in zip(missing, days, clocks)]


def time_parts(form: TextForm) -> TimeParts | None:
    """Return the columns that make up stamps, None where there are none or one column holds whole stamps."""
    numbers = set(number_columns(form))
    found: dict[str, str] = {}
    for part, names in _NAMES.items():
        for name in form.header:
            plain = re.sub(r"[^a-zé-ü]|utc|gmt", "", re.sub(r"[\[(].*", "", name.lower()))
            if (
                name in numbers
                and part not in found
                and re.fullmatch(names, plain)
                and _within(form, name, part)
            ):
                found[part] = name
    if not all(part in found for part in _CLOCK):
        return None
    others = [name for name in form.header if name not in found.values()]
    kept = [form.header.index(name) for name in others]
    rest = replace(
        form, header=tuple(others), rows=tuple(tuple(row[place] for place in kept) for row in form.rows)
    )
    whole, _ = time_column(rest)
    if whole is not None and (holds_clocks_with_date(rest, whole) or not holds_dates(rest.column(whole))):
        return None
    parts = [*_CLOCK, *(part for part in ("fraction", "milli") if part in found)][:4]
    if whole is not None:
        return TimeParts({"date": whole, **{part: found[part] for part in parts}}, form.decimal)
    day = list(_DAY) if all(part in found for part in _DAY) else []
    return TimeParts({part: found[part] for part in [*day, *parts]}, form.decimal)


def _within(form: TextForm, name: str, part: str) -> bool:
    """Tell whether the first values of a column may be this part of a stamp."""
    cells = [cell for cell in form.column(name) if cell not in MISSING]
    values = [number for number in (to_number(cell, form.decimal) for cell in cells) if number is not None]
    if part == "fraction":
        return all(0 <= value < 1 for value in values)
    if part == "milli":
        return all(0 <= value < 1000 for value in values)
    if part == "year":
        return all(1990 <= value < 2100 or 0 <= value < 100 for value in values)
    low, high = _LIMITS[part]
    return all(low <= value <= high for value in values)
