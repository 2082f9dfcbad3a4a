"""Numbers in cells, however written: decimal marks, thousands, signs, blanks and units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import filterfalse

#: Values that stand for "nothing was measured".
MISSING = ("", "NA", "N/A", "na", "NaN", "nan", "NAN", "NULL", "null", "None", "#N/A", "-")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: What nearly every cell looks like, by the mark of fractions.
_SIMPLE = {".": re.compile(r"-?\d+(\.\d+)?"), ",": re.compile(r"-?\d+(,\d+)?")}
#: What words and times of day look like, so that they are quickly told from numbers.
_WORD = re.compile(r"\s*[A-Za-z_]|[^:]*:")
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
#: A unit of acceleration behind a number. Longer ones stand first.
_UNIT = re.compile(
    r"\s*(m\s?/\s?s\s?(\^|\*\*)?\s?[2²]|m\s?/\s?sec\s?(\^|\*\*)?[2²]|m[·.*\s]?s\^?[-−]2|ms⁻²|m·s⁻²|m\s?s⁻²|mg|g|G)$"
)
_MINUS = str.maketrans({"−": "-", "–": "-", "﹣": "-", "－": "-", "＋": "+"})
#: Blanks that group thousands: a plain one, no-break, thin, figure and narrow no-break ones.
_BLANKS = "\u00a0\u2009\u2007\u202f\u2008\u200a "
_QUOTES = "'’"
_FIRST = frozenset("+-.,0123456789")
#: Whole numbers of three digits beside which a comma and three digits more is one of thousands.
_GOES_ON = 5
_GROUPS = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?([eE][+-]?\d+)?"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?([eE][+-]?\d+)?"),
}
_SPACED = re.compile(rf"[+-]?[1-9]\d{{0,2}}([{_BLANKS}{_QUOTES}]\d{{3}})+([.,]\d*)?([eE][+-]?\d+)?")


def to_number(cell: str, decimal: str = ".") -> float | None:
    """Return the number that a cell holds, None where it holds none (missing ones are none, too).

    decimal: the mark of the table's fractions; the other of point and comma then groups thousands. A unit of
    acceleration behind the number is let be (`unit_of` tells it).
    """
    if _SIMPLE[decimal].fullmatch(cell):
        return float(cell.replace(decimal, "."))
    if _WORD.match(cell):
        return None
    text = bare(cell)
    if _SPACED.fullmatch(text):
        text = re.sub(rf"[{_BLANKS}{_QUOTES}]", "", text)
    other = "," if decimal == "." else "."
    if other in text:
        if not _GROUPS[decimal].fullmatch(text):
            return None
        text = text.replace(other, "")
    text = text.replace(decimal, ".")
    return float(text) if _NUMBER.fullmatch(text) else None


def is_number(cell: str, decimal: str = ".") -> bool:
    """Tell whether a cell is a number (nothing about missing ones)."""
    return to_number(cell, decimal) is not None


def to_numbers(cells: Sequence[str], decimal: str = ".") -> list[float | None]:
    """Return `to_number` of every cell."""
    if decimal == "." and all(map(_SIMPLE["."].fullmatch, cells)):
        return [*map(float, cells)]
    return [to_number(cell, decimal) for cell in cells]


def count_numbers(cells: Sequence[str], decimal: str = ".") -> int:
    """Return how many cells are numbers, as `is_number` tells."""
    odd = [*filterfalse(_SIMPLE[decimal].fullmatch, cells)]
    return len(cells) - len(odd) + sum(is_number(cell, decimal) for cell in filterfalse(_WORD.match, odd))


def is_plain_number(cell: str) -> bool:
    """Tell whether every program reads a cell as the same number."""
    return bool(_PLAIN.fullmatch(cell.strip(" \t")))


def simple_ones_out(cells: Iterable[str]) -> Iterator[str]:
    """Yield the cells that are not written as nearly all numbers are: digits, perhaps a point and more."""
    return filterfalse(_SIMPLE["."].fullmatch, cells)


def bare(cell: str) -> str:
    """Return a cell without blanks around it and without a unit, its sign as ASCII."""
    text = cell.strip().strip('"').strip().translate(_MINUS)
    if text and text[0] in _FIRST:
        text = _UNIT.sub("", text).rstrip()
    # A sign may stand apart from its number.
    return re.sub(r"^([+-])\s+(?=[\d.,])", r"\1", text)


def unit_of(cell: str) -> str:
    """Return the unit behind the number in a cell, "" where there is none."""
    text = cell.strip().strip('"').strip().translate(_MINUS)
    found = _UNIT.search(text) if text and text[0] in _FIRST else None
    return re.sub(r"\s", "", found[1]) if found else ""


def decimal_mark(columns: Iterable[Iterable[str]]) -> tuple[str | None, str]:
    """Return the mark of fractions that fits the cells of all columns of a table, and a cell that shows it.

    "." where no cell says otherwise. None where both marks fit and mean different numbers: the cell returned
    is such a one, as "1,024", which is 1024 or 1.024.
    """
    point = either = ""
    columns = [list(column) for column in columns]
    if not any("," in cell for column in columns for cell in column):
        return ".", ""
    for column in columns:
        doubtful, whole = "", 0
        for cell in column:
            text = bare(cell)
            if text[:1] not in _FIRST:
                continue
            with_point, with_comma = to_number(text, "."), to_number(text, ",")
            if "," not in text and "." not in text:
                whole += with_point is not None and 100 <= abs(with_point) < 1000
            elif with_point is not None and with_comma is None:
                point = point or cell
            elif with_comma is not None and with_point is None:
                return ",", cell
            elif with_point is not None and "," in text:
                doubtful = doubtful or cell
        # Beside 106 and 969, a cell of 1,013 goes on counting and does not fall to 1.013.
        if doubtful and whole >= _GOES_ON:
            point = point or doubtful
        either = either or doubtful
    if point or not either:
        return ".", point
    return None, either
