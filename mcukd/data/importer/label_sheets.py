"""Label tables with lines above the names of their columns: sheets of workbooks, exports of BORIS 7."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import Any

from mcukd.data.importer.label_clocks import Asked
from mcukd.data.importer.label_text import LabelText
from mcukd.data.importer.lines import head_of
from mcukd.data.importer.text import NoRows, TextForm
from mcukd.errors import UserError
from mcukd.files import naming

_WORKBOOK = "xl/workbook.xml"
#: How a table of BORIS 7 begins.
_OLD = re.compile(r'\ufeff?"?observation id"?([\t,;])', re.IGNORECASE)
_TAB = "\t"


def is_sheet(path: Path) -> bool:
    """Tell whether a file is a workbook, by its content. Raises UserError for one of another program."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if _WORKBOOK in archive.namelist():
            return True
    raise UserError(f"{path} is an archive that is no .xlsx workbook; save the table as .xlsx or CSV")


def label_sheet(path: Path, asked: Asked) -> LabelText:
    """Return the table of labels in a workbook's first sheet.

    Raises UserError where it cannot be read, has no rows, or has no row of names above them.
    """
    return _text_of_rows(path, _rows(path), "its first sheet", asked)


def is_old_export(path: Path) -> bool:
    """Tell whether a file is a table of events by BORIS 7, with what concerns the observation above it."""
    text, _, _ = head_of(path)
    return _OLD.match(text) is not None and "behavior" not in text.partition("\n")[0].lower()


def old_export(path: Path, asked: Asked) -> LabelText:
    """Return the table of such a file. Raises UserError where it has no rows, or no names above them."""
    text, coding, _ = head_of(path)
    found = _OLD.match(text)
    assert found is not None
    opened = gzip.open if coding.gzip else open
    with naming(path), opened(path, "rt", encoding=coding.encoding, newline="") as stream:
        rows = [[cell.strip() for cell in row] for row in csv.reader(stream, delimiter=found[1])]
    return _text_of_rows(path, _even(rows), "it", asked)


def _text_of_rows(path: Path, rows: list[list[str]], what: str, asked: Asked) -> LabelText:
    width = max((_filled(row) for row in rows), default=0)
    # The lines above are narrower.
    above = next(
        (number for number, row in enumerate(rows) if _filled(row) == width and all(row[:width])), None
    )
    if not width or above is None:
        raise UserError(f"{path}: {what} has no row of names above its columns; add one")
    header, body = tuple(rows[above][:width]), rows[above + 1 :]
    if not body:
        raise NoRows(f"{path} has a row of names but no rows below it; export it again")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UserError(f"{path}: two columns are named {twice!r}; rename one")
    cells = {name: [row[place].strip() for row in body] for place, name in enumerate(header)}
    form = TextForm(
        "utf-8",
        False,
        _TAB,
        ".",
        header,
        above,
        b"\n",
        tuple(tuple(row[:width]) for row in body),
        preamble=tuple(_TAB.join(row) for row in rows[:above]),
    )
    return LabelText(path, form, cells, above + 2, asked)


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of the first sheet as texts."""
    from openpyxl import load_workbook

    try:
        # From bytes: of a file the name would have to end in .xlsx.
        book = load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        try:
            rows = [[_text(cell) for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except Exception as error:  # a damaged workbook raises whatever its part of the archive raises
        raise UserError(f"{path} cannot be read as a workbook ({error}); save it again") from None
    return _even(rows)


def _even(rows: list[list[str]]) -> list[list[str]]:
    """Return rows of one length, without empty ones at the end."""
    while rows and not any(rows[-1]):
        rows.pop()
    width = max((len(row) for row in rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _filled(row: list[str]) -> int:
    """Return the cells of a row up to the last one that is filled."""
    return max((number for number, cell in enumerate(row, 1) if cell), default=0)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, float):
        return repr(cell)
    return str(cell).strip()
