"""Stamps written as dates: a column of texts turned into nanoseconds, whatever parts each cell has.

Clock, fraction of a second and zone are optional in every cell. The order of day, month and year matters only
for dates like 03/04/2024; whoever calls decides it for the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The orders in which the three numbers of a date may stand.
ORDERS = ("dmy", "mdy", "ymd")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NAME = "(?P<name>" + "|".join(sorted([*_FULL_MONTHS, *_MONTHS, "sept"], key=len, reverse=True)) + r")\.?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+)|:(?P<millis>\d{3}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
)
_PACKED_CLOCK = r"(?P<hour>\d{2})(?P<minute>\d{2})(?:(?P<second>\d{2})(?:[.,]?(?P<fraction>\d{1,9}))?)?"
_ZONE = (
    r"(?:\s*(?:(?P<utc>z|utc|gmt)|(?:utc|gmt)?(?P<sign>[+-])(?P<zone_hours>\d{1,2})(?::?(?P<zone_minutes>\d{2}))?)"
    r"(?:\s*[\[(][a-z_/+-]+[\])])?)?"
)
_REST = rf"(?:(?:\s*t\s*|,?\s+|[_,-]){_CLOCK}{_ZONE})?"
_YEAR_FIRST = rf"(?P<year>\d{{4}})(?P<mark>[-/.: ])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_REST}"
_PACKED = rf"(?P<year>\d{{4}})(?P<month>\d{{2}})(?P<day>\d{{2}})(?:[t_ -]?{_PACKED_CLOCK}{_ZONE})"
_PACKED_DATE = rf"(?P<year>\d{{4}})(?P<month>\d{{2}})(?P<day>\d{{2}})(?:(?:t|\s+|_){_CLOCK}{_ZONE})"
_NAMED = tuple(
    rf"{_WEEKDAY}{day}{_REST}"
    for day in (
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[-/. ]?\s*{_NAME}[-/., ]?\s*(?P<year>\d{{4}}|\d{{2}})",
        rf"{_NAME}[-/. ]?\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[-/., ]\s*(?P<year>\d{{4}}|\d{{2}})",
        rf"(?P<year>\d{{4}})[-/. ]?{_NAME}[-/. ]?(?P<day>\d{{1,2}})",
    )
)
_C_TIME = rf"{_WEEKDAY}{_NAME}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}{_ZONE}\s+(?P<year>\d{{4}})"
_MARK = r"(?P<mark>[-/.])"
_IN_ORDER = {
    "dmy": rf"(?P<day>\d{{1,2}}){_MARK}(?P<month>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}}){_REST}",
    "mdy": rf"(?P<month>\d{{1,2}}){_MARK}(?P<day>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}}){_REST}",
    "ymd": rf"(?P<year>\d{{2}}){_MARK}(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_REST}",
}
_ANY_ORDER = tuple(re.compile(one) for one in (_YEAR_FIRST, _PACKED, _PACKED_DATE, *_NAMED, _C_TIME))
_ORDERED = {order: re.compile(pattern) for order, pattern in _IN_ORDER.items()}
_ABBREVIATION = re.compile(r".*\d\s*\(?([a-z]{3,5})\)?")
_NANOSECONDS = 1_000_000_000
_WIDEST = 64
_COMPARED = 16
#: How a cell is written is the same for all of its digits, and a column is written in a few ways.
_ALIKE = str.maketrans("123456789", "0" * 9)
_REMEMBERED = 1024


@dataclass(frozen=True)
class Dates:
    """What a column of dates says, cell by cell.

    local: (n,) int64, nanoseconds since 1970 as the clock showed them. offset: (n,) float64, seconds by which
    that clock was ahead of UTC, NaN where the cell says none. known: (n,) bool, False where a cell is no date
    (its other values then mean nothing).
    """

    local: NDArray[np.int64]
    offset: NDArray[np.float64]
    known: NDArray[np.bool_]

    @property
    def zoned(self) -> NDArray[np.bool_]:
        """(n,) whether a cell says its offset from UTC."""
        return self.known & ~np.isnan(self.offset)

    def utc(self) -> NDArray[np.int64]:
        """Return (n,) int64, nanoseconds since 1970 UTC; cells without a zone as if they were in UTC."""
        offset = np.where(np.isnan(self.offset), 0.0, self.offset)
        return self.local - offset.astype(np.int64) * _NANOSECONDS


def read_dates(texts: Sequence[Any], order: str | None = None) -> Dates:
    """Read cells (n,) as dates.

    order: "dmy", "mdy" or "ymd", of dates whose numbers do not show it themselves (03/04/2024, 24-05-15);
    None: such dates are not known.
    """
    count = len(texts)
    found = Dates(
        np.zeros(count, np.int64), np.full(count, np.nan, np.float64), np.zeros(count, dtype=np.bool_)
    )
    if not count:
        return found
    characters = _characters(texts)
    for rows, example in _shapes(characters):
        match = _match(example, order)
        if match is not None:
            _read_shape(found, characters, rows, match)
    return found


def depends_on_order(text: str) -> bool:
    """Tell whether a cell is a date that more than one order of day, month and year could be read from."""
    return _depends_on_order(text.strip().lower().translate(_ALIKE))


def zone_abbreviation(text: str) -> str | None:
    """Return the letters after a date that name a zone without fixing its offset, such as CET or EST."""
    return _zone_abbreviation(text.strip().lower().translate(_ALIKE))


@lru_cache(_REMEMBERED)
def _depends_on_order(low: str) -> bool:
    return _match(low, None) is None and any(pattern.fullmatch(low) for pattern in _ORDERED.values())


@lru_cache(_REMEMBERED)
def _zone_abbreviation(low: str) -> str | None:
    match = _ABBREVIATION.fullmatch(low)
    if match is None or match[1] in ("utc", "gmt"):
        return None
    before = low[: match.start(1)].rstrip(" (")
    return match[1].upper() if any(_match(before, order) for order in ORDERS) else None


def _characters(texts: Sequence[Any]) -> NDArray[np.uint8]:
    """Cells as a matrix (n, width) of lower-case ASCII codes, 0 beyond their end."""
    try:
        packed = np.array(texts, dtype="S")
    except UnicodeEncodeError:
        packed = np.array([_ascii(text) for text in texts], dtype="S")
    codes = packed.reshape(-1, 1).view(np.uint8)
    blank = codes == 32
    if codes.shape[1] > _WIDEST or blank[:, 0].any() or (blank[:, :-1] & (codes[:, 1:] == 0)).any():
        packed = np.array([_ascii(text) for text in texts], dtype="S")
        codes = packed.reshape(-1, 1).view(np.uint8)
    capital = (codes >= 65) & (codes <= 90)
    return np.where(capital, codes + np.uint8(32), codes) if capital.any() else codes


def _ascii(text: Any) -> bytes:
    # Longer cells are no stamps; a minus sign of typographers stands for that of keyboards.
    cell = str(text).strip()[:_WIDEST]
    return cell.encode() if cell.isascii() else cell.replace("\u2212", "-").encode("ascii", "replace")


def _shapes(characters: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Yield the rows of each way in which cells are written, whatever their digits, and one of the cells."""
    shapes = characters.copy()
    shapes[(characters >= 48) & (characters <= 57)] = 48
    left = np.arange(len(shapes))
    if (shapes == shapes[0]).all():
        yield left, _text(characters[0])
        return
    for _ in range(_COMPARED):
        if not len(left):
            return
        same = (shapes[left] == shapes[left[0]]).all(axis=1)
        yield left[same], _text(characters[left[0]])
        left = left[~same]
    if len(left):
        _, place = np.unique(shapes[left], axis=0, return_inverse=True)
        place = place.ravel()
        order = np.argsort(place, kind="stable")
        for rows in np.split(left[order], np.flatnonzero(np.diff(place[order])) + 1):
            yield rows, _text(characters[rows[0]])


def _text(row: NDArray[np.uint8]) -> str:
    return bytes(row).rstrip(b"\0").decode("ascii")


def _match(example: str, order: str | None) -> re.Match[str] | None:
    for pattern in _ANY_ORDER:
        match = pattern.fullmatch(example)
        if match is not None:
            return match
    return _ORDERED[order].fullmatch(example) if order is not None else None


def _read_shape(
    found: Dates, characters: NDArray[np.uint8], rows: NDArray[np.int64], match: re.Match[str]
) -> None:
    """Read all rows of one shape at once: their numbers stand where those of `match` do."""
    groups = match.groupdict()
    cells = characters if len(rows) == len(characters) else characters[rows]

    def number(name: str, otherwise: int = 0) -> NDArray[np.int64]:
        if groups.get(name) is None:
            return np.full(len(rows), otherwise, np.int64)
        start, stop = match.span(name)
        powers = 10 ** np.arange(stop - start - 1, -1, -1, dtype=np.int64)
        return (cells[:, start:stop].astype(np.int64) - 48) @ powers

    year = number("year")
    if len(groups["year"]) == 2:
        year += np.where(year < 70, 2000, 1900)
    name = groups.get("name")
    month = number("month") if name is None else np.full(len(rows), _MONTHS.index(name[:3]) + 1, np.int64)
    day, hour, minute, second = number("day"), number("hour"), number("minute"), number("second")
    good = (month >= 1) & (month <= 12) & (day >= 1) & (minute < 60) & (second < 60)
    good &= (year >= 1900) & (year < 2200)
    if groups.get("half"):
        good &= (hour <= 23) & ((hour <= 12) | (groups["half"] == "p"))
        hour = np.where(hour > 12, hour, hour % 12 + (12 if groups["half"] == "p" else 0))
    # Midnight may end a day as 24:00.
    good &= (hour < 24) | ((hour == 24) & (minute == 0) & (second == 0))
    # Months as a count, so that the first of the next one tells their length.
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    good &= day <= (months + 1).astype("datetime64[D]").astype(np.int64) - first
    seconds = (first + day - 1) * 86400 + hour * 3600 + minute * 60 + second
    found.local[rows] = seconds * _NANOSECONDS + _nanoseconds(cells, match)
    found.known[rows] = good
    if groups.get("utc"):
        found.offset[rows] = 0.0
    elif groups.get("sign"):
        ahead = number("zone_hours") * 3600 + number("zone_minutes") * 60
        found.offset[rows] = -ahead if groups["sign"] == "-" else ahead
        found.known[rows] &= ahead <= 15 * 3600


def _nanoseconds(cells: NDArray[np.uint8], match: re.Match[str]) -> NDArray[np.int64]:
    groups = match.groupdict()
    name = "fraction" if groups.get("fraction") else "millis" if groups.get("millis") else None
    if name is None:
        return np.zeros(len(cells), np.int64)
    start, stop = match.span(name)
    stop = min(stop, start + 9)
    powers = 10 ** np.arange(8, 8 - (stop - start), -1, dtype=np.int64)
    return (cells[:, start:stop].astype(np.int64) - 48) @ powers
