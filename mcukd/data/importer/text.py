"""Tables of text: their form, and their columns as numbers and words."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mcukd.data.importer.dialect import BLANKS, HEAD_ROWS, find_header, fitted, separator_of, table_of
from mcukd.data.importer.lines import Block, Coding, head_of
from mcukd.data.importer.lines import read_blocks as _read_blocks
from mcukd.data.importer.numerals import (
    MISSING,
    count_numbers,
    decimal_mark,
    is_number,
    is_plain_number,
    simple_ones_out,
    to_number,
    unit_of,
)
from mcukd.errors import UserError

_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
#: Rows whose numbers are looked at; the readers of a card refuse what comes later, and the import converts.
_LOOKED_AT = 60
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks"}

#: In place of an encoding, where a table is no text.
PARQUET = "parquet"


class NoRows(UserError):
    """A file that holds no rows; beside others it is passed over."""


@dataclass(frozen=True)
class TextForm:
    """How a table is written.

    header: the columns' names, one for every cell of a row. above, below: lines before the header and between
    it and the first row. rows: the first ones, as text. header_lines: the header and what stands below it, as
    they are in the file; preamble: the lines above. units: what a line of units says of each column, or
    empty. start: local start in seconds since 1970 and rate in Hz, where the lines above say so.
    odd: whether only the import understands how header or numbers are written.
    """

    encoding: str  # PARQUET where the file is no text
    gzip: bool
    delimiter: str
    decimal: str
    header: tuple[str, ...]
    above: int
    newline: bytes
    rows: tuple[tuple[str, ...], ...]
    below: int = 0
    header_lines: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    odd: bool = False
    start: tuple[float, float] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the readers of a card can read such a file as it is."""
        return (
            self.encoding in ("utf-8", "utf-8-sig")
            and not self.gzip
            and self.decimal == "."
            and self.above == 0
            and self.newline == b"\n"
            and not self.odd
        )

    @property
    def description(self) -> str:
        """Tell the form in a few words."""
        if self.encoding == PARQUET:
            return "Parquet"
        words = [f"{self.encoding} text with {_NAMES[self.delimiter]}"]
        words += ["decimal commas"] if self.decimal == "," else []
        words += ["gzip inside"] if self.gzip else []
        words += [f"{self.above} lines above the header"] if self.above else []
        words += ["units below the header"] if self.units else []
        return ", ".join(words)

    @property
    def first_line(self) -> int:
        """Number of the line of the first row."""
        return self.above + self.below + 2

    def column(self, name: str) -> list[str]:
        """Return the first values of a column, stripped."""
        return self._columns[self.header.index(name)]

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns whose first values are numbers, most of them."""
        found = []
        for name, cells in zip(self.header, self._columns):
            filled = [cell for cell in cells if cell not in MISSING]
            if filled and count_numbers(filled, self.decimal) > 0.6 * len(filled):
                found.append(name)
        return tuple(found)

    @cached_property
    def _columns(self) -> list[list[str]]:
        # Kept, for every question about a column's role goes through them.
        columns = [[*map(str.strip, column)] for column in zip(*self.rows)]
        return columns or [[] for _ in self.header]


def sniff(path: Path) -> TextForm:
    """Find out how a table is written.

    Raises UserError for an empty file, one without rows or a header, one that is no text, one whose rows do
    not agree on a delimiter, and one whose numbers have two readings.
    """
    text, coding, more = head_of(path)
    if not text.strip():
        raise NoRows(f"{path} is empty; remove it, or export it again with a header line and samples")
    lines = re.split(r"\r\n|\n|\r", text)
    # The last line of what was read may be cut short.
    lines = lines[:-1] if more or not lines[-1].strip() else lines
    delimiter, width = separator_of(path, lines)
    header = find_header(path, lines, delimiter, width)
    start = header.above + header.below + 1
    known = {line.strip() for line in header.lines}
    head = [one for one in lines[start : start + HEAD_ROWS] if one.strip() not in known]
    table = _table(path, "\n".join(head), delimiter)
    rows = tuple(tuple(row) for row in (_fit(row, len(header.names)) for row in table) if row is not None)
    if not rows:
        raise NoRows(f"{path} has a header but no samples; remove it, or export it again")
    decimal, shown = decimal_mark(zip(*rows))
    if decimal is None:
        raise UserError(
            f"{path} has cells such as {shown!r}, which may be {shown.replace(',', '')} or "
            f"{shown.replace(',', '.')}: nothing tells whether its commas mark thousands or fractions; "
            f"export it without marks of thousands"
        )
    odd = (
        not header.plain
        or header.below > 0
        or delimiter == BLANKS
        or _odd_numbers(rows[:_LOOKED_AT], decimal)
    )
    return TextForm(
        coding.encoding,
        coding.gzip,
        delimiter,
        decimal,
        header.names,
        header.above,
        coding.newline,
        rows,
        header.below,
        header.lines,
        header.preamble,
        header.units,
        odd or len(known & {line.strip() for line in lines[start:]}) > 0,
    )


def read_blocks(
    path: Path, form: TextForm, start: int = 0, line: int = 0, size: int = 1 << 24
) -> Iterator[Block]:
    """Yield the rows of a table in blocks of about `size` bytes that end where a line ends.

    start, line: `stop` of the last block that was dealt with and the number of the line after it, to go on
    from there. Raises UserError where the file cannot be read or decoded.
    """
    coding = Coding(form.encoding, form.gzip, form.newline)
    marks = form.delimiter + '"'
    yield from _read_blocks(
        path, coding, form.first_line - 1, form.header_lines, marks, start=start, line=line, size=size
    )


def parse(
    path: Path, form: TextForm, block: Block, numbers: Sequence[str], texts: Sequence[str]
) -> dict[str, Any]:
    """Return column → (n,) float64, NaN where missing, for `numbers`, and object array of str for `texts`.

    Raises UserError that names file and line for a row of another length and for text among numbers.
    """
    from pyarrow import ArrowException, BufferReader, float64, string
    from pyarrow import csv as arrow_csv

    types = {**dict.fromkeys(texts, string()), **dict.fromkeys(numbers, float64())}
    content = _one_blank(block.content) if form.delimiter == BLANKS else block.content
    try:
        table = arrow_csv.read_csv(
            BufferReader(content),
            read_options=arrow_csv.ReadOptions(column_names=list(form.header), use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=form.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                null_values=list(MISSING),
                strings_can_be_null=False,
                decimal_point=form.decimal,
            ),
        )
    except (ArrowException, UnicodeDecodeError):
        return _parse_slowly(path, form, block, numbers, texts)
    return {name: table.column(name).to_numpy() for name in types}


def odd_cell(form: TextForm, name: str) -> tuple[int, str] | None:
    """Return line and text of a column's first cell that is neither a number nor missing."""
    for row, cell in enumerate(form.column(name)):
        if cell not in MISSING and not is_number(cell, form.decimal):
            return form.first_line + row, cell
    return None


def _table(path: Path, content: str, delimiter: str) -> list[list[str]]:
    if delimiter == BLANKS:
        return table_of(path, [line for line in content.split("\n") if line.strip()], delimiter)
    try:
        return list(csv.reader(content.split("\n"), delimiter=delimiter))
    except csv.Error as error:
        raise UserError(f"{path}: a line is no row of cells ({error}); correct or remove it") from None


def _fit(row: list[str], width: int) -> list[str] | None:
    """Return a row with the separators behind its last cell taken off, None where its length is another."""
    row = fitted(row, width)
    return row if len(row) == width and any(cell.strip() for cell in row) else None


def _odd_numbers(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether a column of numbers has cells that the readers of a card do not take for numbers."""
    for column in zip(*rows):
        filled = [cell for cell in column if cell.strip() not in MISSING]
        if all(is_plain_number(cell) for cell in simple_ones_out(filled)):
            continue
        if count_numbers(filled, decimal) > 0.6 * len(filled):
            return True
    return False


def _one_blank(content: bytes) -> bytes:
    """Leave one blank between cells and none around a line."""
    return re.sub(rb"(?m)^ +| +$", b"", re.sub(rb"[ \t]+", b" ", content))


def _parse_slowly(
    path: Path, form: TextForm, block: Block, numbers: Sequence[str], texts: Sequence[str]
) -> dict[str, Any]:
    """Read a block cell by cell: understand numbers however they are written, or name the first bad cell."""
    import numpy as np

    try:
        lines = block.content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, near line {block.line}: not {form.encoding} text ({error.reason}); save as UTF-8"
        ) from None
    if form.delimiter == BLANKS:
        lines = [" ".join(line.split()) for line in lines]
    width = len(form.header)
    reader = csv.reader(lines, delimiter=form.delimiter)
    number_at = [(form.header.index(name), []) for name in numbers]  # type: list[tuple[int, list[float]]]
    text_at = [(form.header.index(name), []) for name in texts]  # type: list[tuple[int, list[str]]]
    units: dict[int, str] = {}
    known: dict[str, float | None] = {}
    for row in reader:
        if not row:
            continue
        line = block.line + reader.line_num - 1
        cells = fitted(row, width)
        if len(cells) != width:
            raise UserError(
                f"{path}, line {line}: the row has {len(row)} fields where the header has {width}; "
                f"complete or remove it"
            )
        for place, values in number_at:
            cell = cells[place]
            if cell not in known:
                known[cell] = _value(cell, form.decimal)
            value = known[cell]
            if value is None:
                raise _no_number(path, line, form, place, cell)
            if value == value and (unit := unit_of(cell)) != units.setdefault(place, unit):
                raise UserError(
                    f"{path}, line {line}: column {form.header[place]} is {cell.strip()!r}, and the cells "
                    f"above it have {_unit_words(units[place])}; bring the column to one unit"
                )
            values.append(value)
        for place, words in text_at:
            words.append(cells[place])
    columns: dict[str, Any] = {}
    for name, (_, values) in zip(numbers, number_at):
        columns[name] = np.array(values, dtype=np.float64)
    for name, (_, words) in zip(texts, text_at):
        columns[name] = np.array([*words, None], dtype=object)[:-1]
    return columns


def _unit_words(unit: str) -> str:
    return f"the unit {unit}" if unit else "no unit"


def _value(cell: str, decimal: str) -> float | None:
    text = cell.strip()
    if text in MISSING:
        return float("nan")
    return float(text) if _INFINITE.fullmatch(text) else to_number(text, decimal)


def _no_number(path: Path, line: int, form: TextForm, place: int, cell: str) -> UserError:
    mark = " with a decimal comma" if form.decimal == "," else ""
    return UserError(
        f"{path}, line {line}: column {form.header[place]} is {cell!r} where a number{mark} is expected; "
        f"correct it, or leave it empty"
    )
