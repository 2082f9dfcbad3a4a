"""Rows of a CSV file whose columns are known by their names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from mcukd.errors import UserError

#: Bytes in which a header ends.
_HEADER = 1 << 12


def header_of(content: bytes) -> list[str]:
    """Return the names of the columns that bytes begin with; none where the first line is no row."""
    first = content[:_HEADER].decode("utf-8-sig", "replace").splitlines()[:1]
    try:
        return next(csv.reader(first), [])
    except csv.Error:
        return []


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, by column; cells that a short row lacks are None, as `csv` has them.

    Raises UserError for a file that is no UTF-8 text or no CSV, and for two columns of one name.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
        table = csv.DictReader(io.StringIO(content, newline=""))
        names = list(table.fieldnames or ())
        rows = list(table)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as CSV ({error}); write it again") from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path} has {names.count(twice)} columns named {twice!r}; rename all but one")
    return rows
