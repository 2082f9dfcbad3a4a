"""CSV files read fast, with errors that name file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.stamps import read_dates
from mcukd.errors import UserError


def read_table(
    path: Path,
    numbers: Sequence[str],
    texts: Sequence[str] = (),
    delimiter: str = ",",
    extra: Sequence[str] = (),
) -> dict[str, Any]:
    """Read the named columns of a CSV file with a header line.

    Returns column → (n,) float64 for `numbers` and `extra`, the columns of [[extra]], and (n,) object array
    of str for `texts`.
    Raises UserError naming the file for a missing column, and file and line for a short row or a value that
    is not a finite number.
    """
    from pyarrow import ArrowException, float64, string
    from pyarrow import csv as arrow_csv

    _check_columns(path, [*numbers, *texts], delimiter, "[columns]")
    _check_columns(path, extra, delimiter, "[[extra]]")
    numbers = [*numbers, *extra]
    # Duplicates would be asked for twice when, say, the time column also is a number column.
    types = {**dict.fromkeys(texts, string()), **dict.fromkeys(numbers, float64())}
    options = arrow_csv.ConvertOptions(
        include_columns=list(types), column_types=types, strings_can_be_null=False
    )
    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
            convert_options=options,
            read_options=arrow_csv.ReadOptions(use_threads=False),
        )
    except (ArrowException, UnicodeDecodeError) as error:
        raise _explain(path, numbers, texts, delimiter, str(error)) from None
    columns: dict[str, Any] = {name: table.column(name).to_numpy() for name in types}
    if table.num_rows == 0:
        raise UserError(f"{path} has a header but no samples; remove the file or fill it")
    for name in numbers:
        if not np.isfinite(columns[name]).all():
            raise _explain(path, numbers, texts, delimiter, f"column {name} has a value that is not finite")
    return columns


def seconds_of(path: Path, column: str, stamps: Sequence[str]) -> NDArray[np.float64]:
    """Turn a time column into seconds (n,): numbers are seconds already, anything else is a date and time.

    Dates without a zone are in UTC. Raises UserError naming file and line of the first stamp that is neither,
    and of the first without a zone where others have one.
    """
    import pandas as pd

    if _is_finite(stamps[0]):
        numbers = pd.to_numeric(pd.Series(stamps), errors="coerce")
        _check_stamps(path, column, stamps, np.asarray(numbers.isna()))
        return np.asarray(numbers, dtype=np.float64)
    dates = read_dates(stamps)
    _check_stamps(path, column, stamps, ~dates.known)
    if dates.zoned.any() and not dates.zoned.all():
        row = int(np.argmin(dates.zoned))
        raise UserError(
            f"{path}, line {row + 2}: column {column} is {stamps[row]!r}, which says no offset from UTC "
            "where others "
            f"do; write it there too, or import the file with 'mcukd data import --timezone'"
        )
    since = dates.utc() - dates.utc()[0]
    return np.asarray(since / 1e9)


def row_runs(keys: Sequence[Any], rows: int) -> list[tuple[int, int]]:
    """Return start and stop of every run of rows in which no key changes. keys: arrays (rows,)."""
    changes = np.flatnonzero(np.any([key[1:] != key[:-1] for key in keys], axis=0)) + 1
    edges = [0, *changes.tolist(), rows]
    return list(zip(edges[:-1], edges[1:]))


def _check_stamps(path: Path, column: str, stamps: Sequence[str], bad: NDArray[np.bool_]) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"{path}, line {row + 2}: column {column} is {stamps[row]!r}; "
            f"expected a number of seconds or a date and time like 2024-05-15 13:33:17.1"
        )


def _check_columns(path: Path, wanted: Sequence[str], delimiter: str, section: str) -> None:
    if not wanted:
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream, delimiter=delimiter), [])
    except FileNotFoundError:
        raise UserError(f"the file {path} does not exist; check source.file and the data root") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; expected a CSV file with a header line") from None
    if not header:
        raise UserError(f"{path} is empty; expected a CSV file with a header line")
    for name in wanted:
        if name not in header:
            hint = ""
            if len(header) == 1 and any(other in header[0] for other in ";\t"):
                hint = ", and the file seems to use another columns.delimiter"
            raise UserError(
                f"{path} has no column {name!r}{hint}; its columns are {', '.join(header)}: "
                f"correct {section} in the card"
            )
        if header.count(name) > 1:
            raise UserError(
                f"{path} has {header.count(name)} columns named {name!r}; expected one: rename the others"
            )


def _explain(
    path: Path, numbers: Sequence[str], texts: Sequence[str], delimiter: str, otherwise: str
) -> UserError:
    """Find the first bad line the slow way; the fast reader does not say reliably where it stopped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            header = next(reader)
            at = [header.index(name) for name in numbers]
            for row in reader:
                if row and len(row) != len(header):
                    return UserError(
                        f"{path}, line {reader.line_num}: the row has {len(row)} fields where the header has "
                        f"{len(header)}; complete or remove it"
                    )
                for place in at if row else ():
                    if not _is_finite(row[place]):
                        return UserError(
                            f"{path}, line {reader.line_num}: column {header[place]} is {row[place]!r} where "
                            f"a finite number is expected; fill it, or cut the recording in two there"
                        )
    except (UnicodeDecodeError, csv.Error) as error:
        otherwise = str(error)
    return UserError(f"{path} cannot be read as CSV: {otherwise}")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
