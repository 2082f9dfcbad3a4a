"""Dialect of a table of text: its separator, and the line that names the columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcukd.data.importer.numerals import MISSING, is_number, simple_ones_out
from mcukd.errors import UserError
from mcukd.text import listed

HEAD_ROWS = 400
#: So many rows tell separator and kinds of columns.
_JUDGED = 40
#: Stands for runs of blanks and tabs.
BLANKS = " "
ROW_NAMES = "row names"
_SEPARATORS = (",", ";", "\t", "|", BLANKS)
_COMMENT = re.compile(r"\s*(#+|%+|//+)\s*")
_BLANK_RUN = re.compile(r"[ \t]+")
_STAMP = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
_DAY = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_HOUR = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?")
#: Cells without any of these are one.
_MARKS = re.compile(r"[,;\t| ]")
_TWO_NUMBERS = re.compile(r"[+-]?\d[\d.,]*[ \t]+[+-]?[\d.,]+")
_RULE = re.compile(r"[-=_+:|;,\s]*[-=_]{3}[-=_+:|;,\s]*")
_UNITS = re.compile(
    r"[\[({<]?\s*(m?g|m/s|m/s/s|c?m[/·.* ]?s(ec)?\s?(\^|\*\*)?[-−]?[2²]|m/\(s(ec)?\^?2\)|m·?s⁻²"
    r"|s|secs?|seconds?"
    r"|ms|milliseconds?|[uµμ]s|ns|min|h|hz|deg/s|°/s|º/s|dps|rad/s|rad|rpm|[uµμ]t|gauss"
    r"|°|º|deg|degrees?|°c|degc|celsius|c|k|m?v|%"
    r"|counts?|lsb|adc|raw|units?|utc|gmt|local"
    r"|unix|epoch|date|time|date ?time|time ?stamp|text|str(ing)?|name"
    r"|float\d*|double|int\d*|uint\d*|bool|factor|numeric|category|lux|lx|h?pa|m|km/h|bits?|none"
    r"|no units?|n/?a|-|cal|uncal|local[_ ]flux|kohms?|bpm"
    r"|y{2,4}\S*( \S+)?|dd?\S*( hh?\S+)?|hh?:m\S+|mm?/dd?\S*( \S+)?)?\s*[\])}>]?\s*\*?",
    re.IGNORECASE,
)
#: A line that only says what follows, such as *DATA and [data].
_MARKER = re.compile(r"[*\[<]\s*[A-Za-z ]+[\]>]?[;,\t ]*")
#: What a line says of columns of calibrated and raw values.
_KINDS = frozenset({"cal", "raw", "uncal", ""})
_AXIS = re.compile(r"(^|[^a-z])a?(cc\w*)?[._ -]?[xyz]($|[^a-z])")
_CLOCK = re.compile(r"^(time|date|t$|stamp)")
_WORDS = re.compile(r"behavio|label|activity|class")
_COUNTER = re.compile(
    r"t|time.*|id|n|nr|no|number|index|frame|sample|row|count(er)?|#|ms|s|seconds?|\"?v1\"?"
)
#: Names of columns of numbers, where the first line counts on from number to number.
_COUNTING = 4


@dataclass(frozen=True)
class Header:
    """The line that names the columns. names: one for every cell of a row, those without one made up.

    above, below: lines before it, and between it and the first row. lines: it and those below, as they stand.
    preamble: the lines above. units: what a line of units says, one each, or empty. plain: whether the names
    are those of the line, cell by cell.
    """

    names: tuple[str, ...]
    above: int
    below: int
    lines: tuple[str, ...]
    preamble: tuple[str, ...]
    units: tuple[str, ...]
    plain: bool


def cells_of(line: str, separator: str) -> list[str]:
    """Split a line, as the rows of a table are split; cells keep the blanks around them but for BLANKS."""
    if separator == BLANKS:
        line = _BLANK_RUN.sub(" ", line.strip())
    return next(csv.reader([line], delimiter=separator), [])


def table_of(path: Path, lines: Sequence[str], separator: str) -> list[list[str]]:
    """Split lines, each as `cells_of` does. Raises UserError for one that is no row."""
    try:
        if any('"' in line for line in lines):
            return [cells_of(line, separator) for line in lines]
        if separator == BLANKS:
            lines = [_BLANK_RUN.sub(" ", line.strip()) for line in lines]
        return [*csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise UserError(f"{path}: a line is no row of cells ({error}); correct or remove it") from None


def separator_of(path: Path, lines: Sequence[str]) -> tuple[str, int]:
    """Return the separator on which most lines agree, and their number of cells; UserError for none."""
    filled = [line for line in lines[:HEAD_ROWS] if line.strip() and not _COMMENT.match(line)]
    # What stands above the header may be longer than what is judged.
    filled = filled[-_JUDGED:] or [line for line in lines if line.strip()][:_JUDGED]
    best: tuple[float, int, str, float] | None = None
    for separator in _SEPARATORS:
        table = table_of(path, filled, separator)
        widths = Counter(len(cells) for cells in table)
        width, agreeing = max(widths.items(), key=lambda item: (item[1], item[0]))
        if width < 2:
            continue
        cells = [cell for row in table if len(row) == width for cell in row]
        torn = sum(_torn(cell, separator) for cell in filter(_MARKS.search, cells))
        whole = (len(cells) - torn) / len(cells)
        # Blanks also stand within cells, so any other separator that fits is likelier.
        score = agreeing / len(filled) * whole * (0.9 if separator == BLANKS else 1.0)
        if best is None or (score, width) > best[:2]:
            best = (score, width, separator, agreeing / len(filled))
        if score > 0.97:
            break
    if best is None or (best[3] < 0.5 and len(filled) > 2):
        raise UserError(
            f"{path} is no table that can be read: no delimiter among commas, semicolons, tabs, bars and "
            f"blanks gives its lines the same number of columns; export it as CSV with one header line"
        )
    table = table_of(path, filled, best[2])
    return best[2], _without_ends(table, best[1])


def fitted(row: list[str], width: int) -> list[str]:
    """Return a row without the empty cells behind `width` ones, which separators at its end make."""
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row


def _without_ends(table: Sequence[list[str]], width: int) -> int:
    """Return the width of rows of which only some end with separators."""
    widths = Counter(len(row) for row in table)
    for less in range(width - 1, 1, -1):
        if widths[less] > 1 and all(len(fitted(row, less)) == less for row in table if len(row) == width):
            return less
    return width


def find_header(path: Path, lines: Sequence[str], separator: str, width: int) -> Header:
    """Find the line that names the columns of rows of `width` cells.

    Raises UserError where no line does, where its names do not fit the rows in one way, and where two columns
    have one name.
    """
    table = table_of(path, lines[:HEAD_ROWS], separator)
    comments = [bool(_COMMENT.match(line)) for line in lines[:HEAD_ROWS]]
    table = [fitted(cells, width) for cells in table]
    rows = [cells for cells, comment in zip(table, comments) if len(cells) == width and not comment]
    typed = _typed(rows)
    first = next(
        (n for n, cells in enumerate(table) if not comments[n] and _is_row(cells, typed, width)), None
    )
    if first is not None and _counts_on(table[first], typed):
        first = next((n for n in range(first + 1, len(table)) if _is_row(table[n], typed, width)), None)
    if first is None:
        # Columns of words only, or no row at all: the first line of that width names them.
        place = next(n for n, cells in enumerate(table) if len(cells) == width)
        return _header(path, lines, place, place + 1, table[place], rows, separator, ())
    units: tuple[str, ...] = ()
    units_at = None
    marked = False
    for place in range(first - 1, -1, -1):
        if not lines[place].strip():
            continue
        cells = (
            cells_of(_COMMENT.sub("", lines[place], count=1), separator) if comments[place] else table[place]
        )
        if _RULE.fullmatch(lines[place]) and place > 0:
            continue
        if _MARKER.fullmatch(lines[place].strip()) and place > 0:
            marked = True
            continue
        if (
            len(cells) < 2
            or 2 * len(cells) <= width
            or (marked and len(cells) < width - 1)
            or (_has_number(cells, typed) and not _counts_on(cells, typed))
        ):
            break
        if (
            units_at is None
            and len(cells) >= width - 1
            and all(_UNITS.fullmatch(one.strip()) for one in cells)
        ):
            units, units_at = tuple(cell.strip() for cell in cells), place
            continue
        if units_at is not None and {cell.strip().lower() for cell in cells} <= _KINDS:
            continue
        return _header(path, lines, place, first, cells, rows, separator, units)
    if units_at is not None:
        return _header(path, lines, units_at, first, list(units), rows, separator, ())
    shown = ", ".join(cell.strip() for cell in table[first][:6])
    where = "its first line" if first == 0 else f"line {first + 1}, the first of the samples,"
    raise UserError(
        f"{path} has no header line: {where} is {shown}, and no line above it names the columns; "
        f"add one with their names, like time,x,y,z (or animal,start,end,behaviour for labels)"
    )


def _header(
    path: Path,
    lines: Sequence[str],
    place: int,
    first: int,
    cells: list[str],
    rows: Sequence[list[str]],
    separator: str,
    units: tuple[str, ...],
) -> Header:
    rows = [row for row in rows if row != cells]
    width = len(rows[0]) if rows else len(cells)
    given = [cell.strip().strip('"') for cell in cells]
    names = _named(path, place + 1, list(given), rows, width, separator)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(
            f"{path} has {names.count(twice[0])} columns named {twice[0]!r} (columns: {listed(names)}); "
            f"rename all but one"
        )
    plain = [cell.strip() for cell in cells_of(lines[place], separator)] == list(names)
    if len(units) == width - 1:
        units = ("", *units)
    return Header(
        tuple(names), place, first - place - 1, tuple(lines[place:first]), tuple(lines[:place]), units, plain
    )


def _named(
    path: Path, line: int, names: list[str], rows: Sequence[list[str]], width: int, separator: str
) -> list[str]:
    """Return a name for each of `width` cells."""
    names = fitted(names, width)
    more = width - len(names)
    if more > 0 and all(not row[-1 - n].strip() for row in rows for n in range(more)):
        names += [""] * more
    elif more == 1:
        names = _one_more(path, line, names, rows, separator)
    elif more:
        raise _misfit(path, line, names, width)
    taken: list[str] = []
    for number, name in enumerate(names, 1):
        taken.append(name or f"unnamed {number}")
    return taken


def _one_more(
    path: Path, line: int, names: list[str], rows: Sequence[list[str]], separator: str
) -> list[str]:
    """Name the cells of rows that have one more than the header."""
    columns = [[row[place].strip() for row in rows] for place in range(len(names) + 1)]
    if separator == BLANKS:
        for place, (day, hour) in enumerate(zip(columns[:-1], columns[1:])):
            if all(map(_DAY.fullmatch, day)) and all(map(_HOUR.fullmatch, hour)):
                return [*names[: place + 1], f"{names[place]} (clock)", *names[place + 1 :]]
    front, behind = [ROW_NAMES, *names], [*names, ""]
    fits = [one for one in (front, behind) if _plausible(one, columns)]
    if fits == [behind]:
        return behind
    doubtful = behind in fits or (not fits and _COUNTER.fullmatch(names[0].lower()))
    if (fits == [front] or not doubtful) and _are_row_names(columns[0]):
        return front
    raise _misfit(path, line, names, len(columns))


def _misfit(path: Path, line: int, names: Sequence[str], width: int) -> UserError:
    return UserError(
        f"{path}, line {line}: the header has {len(names)} names ({listed(names)}) and the rows have {width} "
        f"fields, and nothing tells which of them has no name; write a name for every column"
    )


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether cells number the rows, as R writes in front of them; some rows may have been taken out."""
    try:
        numbers = [int(cell.strip('"')) for cell in cells]
    except ValueError:
        return False
    return len(numbers) > 1 and numbers[0] >= 0 and all(b > a for a, b in zip(numbers[:-1], numbers[1:]))


def _are_numbers(cells: Sequence[str]) -> bool:
    return sum(is_number(cell) or is_number(cell, ",") for cell in cells) > 0.6 * len(cells)


def _plausible(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether, under these names, the axes are numbers, times are stamps and behaviours are words."""
    named, times, words = (
        [column for name, column in zip(names, columns) if pattern.search(name.lower())]
        for pattern in (_AXIS, _CLOCK, _WORDS)
    )
    return (
        len(named) >= 3
        and all(_are_numbers(column) for column in named)
        and all(_are_numbers(one) or all(map(_STAMP.match, one)) for one in times)
        and not any(_are_numbers(one) and any("." in cell for cell in one) for one in words)
    )


def _typed(rows: Sequence[list[str]]) -> list[int]:
    """Return the places of columns that hold numbers or stamps in most rows."""
    # The first rows may be a header and what stands above it.
    rows = rows[:_JUDGED]
    judged = rows[len(rows) // 4 :] if len(rows) > 4 else rows[1:] or rows
    found = []
    for place in range(len(judged[0]) if judged else 0):
        cells = [row[place].strip() for row in judged if row[place].strip() not in MISSING]
        odd = [*simple_ones_out(cells)]
        if cells and len(cells) - len(odd) + sum(map(_is_typed, odd)) >= 0.6 * len(cells):
            found.append(place)
    return found


def _is_typed(cell: str) -> bool:
    cell = cell.strip()
    return is_number(cell) or is_number(cell, ",") or bool(_STAMP.fullmatch(cell))


def _is_row(cells: Sequence[str], typed: Sequence[int], width: int) -> bool:
    if len(cells) != width:
        return False
    filled = [cells[place] for place in typed if cells[place].strip() not in MISSING]
    return bool(filled) and 2 * sum(map(_is_typed, filled)) > len(filled)


def _has_number(cells: Sequence[str], typed: Sequence[int]) -> bool:
    return any(is_number(cells[place]) for place in typed if place < len(cells))


def _counts_on(cells: Sequence[str], typed: Sequence[int]) -> bool:
    """Whether names are numbers that count on, as of columns of a burst."""
    names = [cells[place].strip() for place in typed if place < len(cells)]
    digits = [int(name) for name in names if name.isdigit()]
    return (
        len(digits) >= _COUNTING
        and len(digits) >= len(names) - 1
        and all(b - a == 1 for a, b in zip(digits[:-1], digits[1:]))
    )


def _torn(cell: str, separator: str) -> bool:
    """Whether a cell looks like two, or a part of one, so that another separator is likelier."""
    cell = cell.strip()
    if any(other in cell for other in ";\t|" if other != separator):
        return True
    if separator == BLANKS:
        return "," in cell and not (is_number(cell) or is_number(cell, ","))
    return bool(_TWO_NUMBERS.fullmatch(cell)) and not (is_number(cell) or is_number(cell, ","))
