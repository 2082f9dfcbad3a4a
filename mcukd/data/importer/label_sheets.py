"""Label tables in a workbook (.xlsx): its first sheet as texts."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

from mcukd.data.importer.label_clocks import Asked
from mcukd.data.importer.label_text import LabelText
from mcukd.data.importer.text import NoRows, TextForm
from mcukd.errors import UserError

_WORKBOOK = "xl/workbook.xml"
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
    rows = _rows(path)
    width = max((_filled(row) for row in rows), default=0)
    # Old exports of BORIS have narrower lines above the names of the columns.
    above = next(
        (number for number, row in enumerate(rows) if _filled(row) == width and all(row[:width])), None
    )
    if not width or above is None:
        raise UserError(f"{path}: its first sheet has no row of names above its columns; add one")
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
    """Return the cells of the first sheet as texts, all rows equally long, without empty ones at its end."""
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
