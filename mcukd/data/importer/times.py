"""Time columns: how their stamps are written, judged over the column."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.options import Choice, Dialog, Options
from mcukd.data.importer.time_units import Unit, decide_unit, words_of
from mcukd.data.stamps import ORDERS, depends_on_order, read_dates, zone_abbreviation
from mcukd.errors import UserError

#: What the readers of a card take as dates: ISO 8601.
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?\s*(Z|[+-]\d{2}(:?\d{2})?)?", re.IGNORECASE
)
_CLOCK_ONLY = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[AaPp]\.?[Mm]\.?)?")
_MINUTES_ONLY = re.compile(r"\d{1,2}:\d{2}[.,]\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: Packed dates such as 20240515133048 and 20240515133048123.
_PACKED = re.compile(r"(19|20)\d{12}(\d{0,6}|\.\d+)")
_OFFSET = re.compile(r"[+-]([01]\d|2[0-3]):[0-5]\d")
_NAMED_OFFSET = re.compile(
    r"(?P<etc>etc[/_])?(utc|gmt)\s*(?P<sign>[-+−])\s*(?P<hours>1[0-4]|0?\d)"
    r"(:?(?P<minutes>[0-5]\d))?(?![\d:])",
    re.IGNORECASE,
)
#: Stamps whose usual steps differ by so many times are in different units.
_SCALE = 100.0
#: Share of a column's first cells that have to be stamps of one kind.
_MOSTLY = 0.5
_DAY = 86400
ORDER_WORDS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}


@dataclass(frozen=True)
class TimeForm:
    """How stamps are written.

    kind: "number" (in `unit`), "date" (of `order`, where it matters), "clock" (times of day without a date)
    or "logger" (seconds since 1970 on a logger's own clock). decimal: mark in numbers. zoned: most stamps say
    their offset from UTC themselves. timezone: of stamps that do not (IANA name, or an offset
    like +02:00). iso: dates that the readers of a card take. reason: what was found and why.
    """

    kind: str
    unit: Unit | None = None
    order: str | None = None
    decimal: str = "."
    zoned: bool = False
    timezone: str | None = None
    iso: bool = False
    reason: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the readers of a card read such stamps as they are."""
        if self.kind == "number":
            assert self.unit is not None
            return self.unit.seconds == (1.0, 1.0) and not self.unit.zero and self.decimal == "."
        return self.kind == "date" and self.iso and self.timezone is None

    @property
    def dated(self) -> bool:
        """Whether stamps give dates, and not seconds from a zero of their own."""
        return self.kind in ("date", "logger") or (self.unit is not None and self.unit.zero is not None)

    @property
    def bare(self) -> bool:
        """Whether stamps are dates on a local clock whose zone is not known."""
        in_utc = self.unit is not None and not self.unit.local
        return self.dated and self.timezone is None and not self.zoned and not in_utc


@dataclass(frozen=True)
class Column:
    """The first stamps of a time column in one file. name: of the column, or of date and clock."""

    path: Path
    name: str
    stamps: tuple[str, ...]
    decimal: str = "."

    @property
    def filled(self) -> list[str]:
        """Return the stamps that are not missing."""
        return [stamp for stamp in self.stamps if stamp.strip() not in MISSING]


def is_number(stamp: str, decimal: str) -> bool:
    """Tell whether a stamp is a number."""
    return bool(_NUMBER.fullmatch(stamp.strip().replace(decimal, ".")))


def numbers(stamps: NDArray[Any], decimal: str) -> NDArray[np.float64]:
    """Return stamps (n,) as numbers, NaN where a cell is none."""
    packed: Any = stamps
    if decimal != ".":
        packed = [str(stamp).replace(decimal, ".") for stamp in stamps]
    try:
        return np.array(packed, dtype="S").astype(np.float64)
    except (UnicodeEncodeError, ValueError):
        texts = [str(stamp).strip() for stamp in packed]
        return np.array([float(text) if _NUMBER.fullmatch(text) else np.nan for text in texts])


def holds_stamps(stamps: Sequence[str], decimal: str) -> bool:
    """Tell whether most of the cells that are filled are numbers, dates or times of day."""
    filled = [stamp for stamp in stamps if stamp.strip() not in MISSING]
    kinds = _kinds(filled, decimal)
    return bool(filled) and sum(kind is not None for kind in kinds) > _MOSTLY * len(filled)


def holds_dates(stamps: Sequence[str]) -> bool:
    """Tell whether most of the cells that are filled are dates."""
    filled = [stamp for stamp in stamps if stamp.strip() not in MISSING]
    return bool(filled) and sum(_are_dates(filled)) > _MOSTLY * len(filled)


def holds_packed_days(stamps: Sequence[str]) -> bool:
    """Tell whether all cells that are filled are days like 20240515, which are dates only beside a clock."""
    filled = [stamp.strip() for stamp in stamps if stamp.strip() not in MISSING]
    days = all(re.fullmatch(r"(19|20)\d{6}", stamp) for stamp in filled)
    return bool(filled) and days and bool(read_dates([f"{stamp} 00:00" for stamp in filled]).known.all())


def holds_clocks(stamps: Sequence[str]) -> bool:
    """Tell whether most of the cells that are filled are times of day with seconds, or hours and minutes."""
    filled = [stamp for stamp in stamps if stamp.strip() not in MISSING]
    clocks = sum(bool(_CLOCK_ONLY.fullmatch(stamp.strip())) for stamp in filled)
    return bool(filled) and clocks > _MOSTLY * len(filled)


def could_be_dates(stamps: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) whether cells are dates in some order, if with letters for a zone."""
    return np.array([kind == "date" for kind in _kinds(stamps, ".")], dtype=np.bool_)


def time_forms(columns: Sequence[Column], options: Options, dialog: Dialog, burst: int = 1) -> list[TimeForm]:
    """Find out how the time columns of all files are written, judged over all of them.

    burst: samples per stamp. Raises UserError that names file, column and stamp where that cannot be told,
    and where two readings fit about as well and nobody answers.
    """
    if options.timezone is not None:
        zone_of(options.timezone)
    for column in columns:
        if not column.filled:
            raise UserError(
                f"{column.path}: the time column {column.name} is empty; name another with --time-column"
            )
    kinds = [_kind_of(column) for column in columns]
    order = _order([column for column, kind in zip(columns, kinds) if kind == "date"], options, dialog)
    unit: tuple[Unit, str] | None = None
    judged: Column | None = None
    forms = []
    for column, kind in zip(columns, kinds):
        if kind == "number" and unit is None:
            values = _numbers(column)
            _refuse_cut_short(column, values)
            unit, judged = (
                decide_unit(column.name, values, options.time_unit, options.rate_hz, dialog, burst),
                column,
            )
        if kind == "number":
            assert unit is not None and judged is not None
            if burst == 1:
                _check_scale(judged, column)
            form = TimeForm("number", unit[0], decimal=column.decimal, reason=unit[1])
        elif kind == "date":
            form = _date_form(column, order)
        else:
            form = TimeForm("clock", reason="times of day without a date")
        forms.append(_in_zone(column, form, options))
    _check_alike(columns, forms)
    return forms


def zone_of(name: str) -> Any:
    """Return the time zone of an IANA name or of an offset like +02:00; UserError for one that is unknown."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if _OFFSET.fullmatch(name):
        ahead = dt.timedelta(hours=int(name[1:3]), minutes=int(name[4:]))
        return dt.timezone(-ahead if name[0] == "-" else ahead)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(
            f"the time zone {name!r} is unknown; expected a name like Europe/London, or an offset like +02:00"
        ) from None


def zone_in_name(name: str) -> str | None:
    """Return the zone that a column's name says: "UTC", or an offset from it as in "Time, GMT+02:00"."""
    found = _NAMED_OFFSET.search(name)
    if found is not None:
        # The zones of Etc/ count the other way round.
        ahead = (found["sign"] == "+") != bool(found["etc"])
        hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
        if hours or minutes:
            return f"{'+' if ahead else '-'}{hours:02d}:{minutes:02d}"
    return "UTC" if found is not None or {"utc", "gmt"}.intersection(words_of(name)) else None


def zone_words(form: TimeForm, options: Options) -> str:
    """Say which zone stamps are read in, and what of --timezone is not used."""
    if not form.dated:
        return ""
    unused = f"; --timezone {options.timezone} is not used for them" if options.timezone else ""
    if form.unit is not None and not form.unit.local:
        return f", in UTC by definition{unused}"
    if form.zoned:
        rest = f"; those that do not are read as local time of {form.timezone}" if form.timezone else ""
        return f", which say their offset from UTC{rest}"
    if form.timezone != options.timezone:
        where = "in UTC" if form.timezone == "UTC" else f"in UTC{form.timezone}"
        return f", {where} by the column's name{unused}"
    if form.kind == "logger":
        local = f"set to local time of {form.timezone} and taken to run on through changes to summer time"
        return f", {local}" if form.timezone else ", whose zone is not stated: taken as UTC"
    return f", local time of {form.timezone}" if form.timezone else ", without a time zone: taken as UTC"


def _kinds(stamps: Sequence[str], decimal: str) -> list[str | None]:
    """Return "number", "date", "clock" or None for each cell."""
    texts = [stamp.strip() for stamp in stamps]
    known = read_dates(texts).known.tolist()
    return [_kind(text, date, decimal) for text, date in zip(texts, known)]


def _kind(text: str, known: bool, decimal: str) -> str | None:
    """Return the kind of one cell. known: whether it is a date whose order shows."""
    if known and _PACKED.fullmatch(text):
        return "date"
    if is_number(text, decimal):
        return "number"
    if _CLOCK_ONLY.fullmatch(text):
        return "clock"
    return "date" if _is_date(text, known) or zone_abbreviation(text) else None


def _are_dates(stamps: Sequence[str]) -> list[bool]:
    texts = [stamp.strip() for stamp in stamps]
    return [_is_date(text, known) for text, known in zip(texts, read_dates(texts).known.tolist())]


def _is_date(text: str, known: bool) -> bool:
    return (known or depends_on_order(text)) and not _NUMBER.fullmatch(text)


def _kind_of(column: Column) -> str:
    filled = column.filled
    kinds = _kinds(filled, column.decimal)
    best = max(("number", "date", "clock"), key=kinds.count)
    if kinds.count(best) > _MOSTLY * len(filled):
        return best
    wrong = next((stamp for stamp, kind in zip(filled, kinds) if kind is None), filled[0])
    if _MINUTES_ONLY.fullmatch(wrong):
        raise UserError(
            f"{column.path}: the time column {column.name} has {wrong!r}, minutes and seconds as "
            "spreadsheets "
            "show them, without hour and date; give the column the format yyyy-mm-dd hh:mm:ss.000 and "
            "export it "
            f"again, or leave the stamps out with --time-column none and state --rate"
        )
    raise UserError(
        f"{column.path}: the time column {column.name} has {wrong!r}; expected seconds, or a date and time "
        "like "
        f"2024-05-15 13:33:17.1 or 15/05/2024 13:33:17: name another column with --time-column"
    )


def _numbers(column: Column) -> NDArray[np.float64]:
    values = numbers(np.array(column.filled, dtype=object), column.decimal)
    return values[np.isfinite(values)]


def _check_scale(judged: Column, column: Column) -> None:
    """UserError where the numbers of a file are in another unit than those of the file it was judged by."""
    steps = [np.diff(_numbers(one)) for one in (judged, column)]
    usual = [float(np.median(one[one > 0])) if (one > 0).any() else np.nan for one in steps]
    if np.isfinite(usual).all() and not 1 / _SCALE < usual[1] / usual[0] < _SCALE:
        raise UserError(
            f"{column.path}: the usual step of the time column {column.name} is {usual[1]:g}, and that of "
            f"{judged.path} is {usual[0]:g}, so that they are in different units or of very different rates; "
            "bring both to one unit, or import the files apart with --time-unit"
        )


def _refuse_cut_short(column: Column, values: NDArray[np.float64]) -> None:
    """UserError for numbers of which a spreadsheet kept a few digits, so that all are alike."""
    cell = column.filled[0]
    if len(values) > 1 and np.ptp(values) == 0 and "e" in cell.lower():
        raise UserError(
            f"{column.path}: the time column {column.name} has {cell!r} in all of its first {len(values)} "
            "rows, as "
            f"spreadsheets cut long numbers; export it with all digits, or leave the stamps out with "
            f"--time-column none and state --rate"
        )


def _order(columns: Sequence[Column], options: Options, dialog: Dialog) -> str | None:
    """Decide in which order dates like 03/04/2024 are written, None where no stamp depends on it."""
    found: list[tuple[Column, str]] = []
    for column in columns:
        found += [(column, stamp) for stamp in column.filled if depends_on_order(stamp)]
    if not found:
        return None
    if options.year_first or options.day_first is not None:
        return "ymd" if options.year_first else "dmy" if options.day_first else "mdy"
    stamps = [stamp for _, stamp in found]
    read = {order: read_dates(stamps, order).known for order in ORDERS}
    some = np.logical_or.reduce(list(read.values()))
    fitting = [order for order in ORDERS if np.array_equal(read[order], some)]
    first, name = found[0][0].path, found[0][0].name
    if not fitting:
        best = max(ORDERS, key=lambda order: int(read[order].sum()))
        other = stamps[int(np.argmax(some & ~read[best]))]
        agreeing = stamps[int(np.argmax(read[best]))]
        raise UserError(
            f"{first}: the time column {name} has {agreeing!r} and {other!r}, which are not written in one "
            "order "
            f"of day, month and year; write all dates in one, best as 2024-05-15 13:33:17"
        )
    if len(fitting) == 1:
        return fitting[0]
    # With points between them, dates are written with the day first wherever they are usual.
    if "dmy" in fitting and all("." in stamp.partition(" ")[0].partition("T")[0] for stamp in stamps):
        return "dmy"
    choices = [Choice(order, _as_date(stamps[0], order)) for order in fitting]
    question = (
        f"{first}: the time column {name} has dates like {stamps[0]!r}, in which day and month cannot be "
        "told apart"
    )
    flag = "--day-first or --month-first" + (" or --year-first" if "ymd" in fitting else "")
    if dialog.ask is None:
        meant = ", ".join(f"{ORDER_WORDS[one.value]} it is {one.meaning}" for one in choices)
        raise UserError(f"{question} ({meant}); say {flag}")
    return dialog.choose(question, flag, choices)


def _as_date(stamp: str, order: str) -> str:
    return str(read_dates([stamp], order).local.astype("datetime64[ns]").astype("datetime64[D]")[0])


def _date_form(column: Column, order: str | None) -> TimeForm:
    filled = column.filled
    named = [zone_abbreviation(stamp) for stamp in filled]
    if any(named):
        at = next(number for number, one in enumerate(named) if one)
        raise UserError(
            f"{column.path}: the time column {column.name} has {filled[at]!r}, and {named[at]} stands for "
            "more "
            "than one offset from UTC; write the offset as in +02:00, or remove the letters and state "
            "--timezone"
        )
    dates = read_dates(filled, order)
    iso = all(_ISO.fullmatch(stamp) for stamp in filled)
    zoned = int(dates.zoned.sum())
    written = "ISO 8601" if iso else f"the form {filled[0]!r}"
    if order is not None:
        written += f", {ORDER_WORDS[order]}"
    return TimeForm(
        "date",
        order=order,
        zoned=zoned > 0.5 * max(1, int(dates.known.sum())),
        iso=iso,
        reason=f"dates in {written}",
    )


def _in_zone(column: Column, form: TimeForm, options: Options) -> TimeForm:
    """Give a form the zone of stamps without one: from the column's name, or as stated."""
    from dataclasses import replace

    if not form.dated:
        if options.timezone is not None:
            raise UserError(
                f"{column.path}: --timezone says {options.timezone}, but the stamps of the column "
                f"{column.name} "
                f"are {form.reason.partition(' (')[0]}, which have no zone; leave --timezone out"
            )
        return form
    if form.unit is not None and not form.unit.local:
        return form
    named = None if form.zoned else zone_in_name(column.name)
    if named is not None:
        return replace(form, timezone=named)
    return replace(form, timezone=options.timezone)


def _check_alike(columns: Sequence[Column], forms: Sequence[TimeForm]) -> None:
    """UserError where files of one import have stamps that do not go together."""
    for column, form in zip(columns, forms):
        if form.dated != forms[0].dated:
            raise UserError(
                f"{column.path} has {form.reason} in the column {column.name}, and {columns[0].path} has "
                f"{forms[0].reason}; bring both to one clock, or import the files apart"
            )
