"""Readers of tables and of loggers' files, in pieces that can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.dialect import HEAD_ROWS
from mcukd.data.importer.preamble import STAMPS
from mcukd.data.importer.text import PARQUET, NoRows, TextForm, parse, read_blocks, sniff
from mcukd.errors import UserError
from mcukd.extras import load

EOBS_RAW = "eobs:accelerations-raw"
EOBS_AXES = "eobs:acceleration-axes"
EOBS_RATE = "eobs:acceleration-sampling-frequency-per-axis"
_DEVICES = (".cwa", ".gt3x")
_BATCH = 200_000


@dataclass(frozen=True)
class Piece:
    """Some rows of a file. offset, line: where the next piece begins. first_line: of the first row.

    cut: whether another recording begins with it, as behind a header in the middle of a file.
    """

    columns: dict[str, Any]
    rows: int
    first_line: int
    offset: int
    line: int
    cut: bool = False


def plain_name(name: str) -> str:
    """Spell Movebank's names as they are, whatever a program made of the marks in them."""
    words = name.lower().replace(".", "-").replace("_", "-").replace(":", "-")
    return words.replace("eobs-", "eobs:", 1) if words.startswith("eobs-") else words


def is_device(path: Path) -> bool:
    """Tell whether a file is a logger's own (Axivity CWA, ActiGraph GT3X)."""
    return path.suffix.lower() in _DEVICES


def form_of(path: Path) -> TextForm:
    """Return the form of a table of text, or the like for Parquet; UserError for what is neither."""
    if path.suffix.lower() != ".parquet":
        return sniff(path)
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            head = next(file.iter_batches(HEAD_ROWS), None)
            names = file.schema_arrow.names
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); export it again") from None
    if head is None or head.num_rows == 0:
        raise NoRows(f"{path} has columns but no rows; remove it, or export it again")
    table = [_as_text(head.column(place)) for place in range(head.num_columns)]
    return TextForm(PARQUET, False, ",", ".", tuple(names), 0, b"\n", tuple(zip(*table)))


def pieces(
    path: Path, form: TextForm | None, numbers: Sequence[str], texts: Sequence[str], offset: int, line: int
) -> Iterator[Piece]:
    """Yield a file's columns piece by piece, from `offset` on; numbers as float64, texts as str.

    Raises UserError that names file and line for what cannot be read.
    """
    if form is None:
        yield from _device_pieces(path, offset)
    elif form.encoding == PARQUET:
        yield from _parquet_pieces(path, numbers, texts, offset)
    else:
        for block in read_blocks(path, form, offset, line):
            columns = parse(path, form, block, numbers, [one for one in texts if one in form.header])
            rows = len(next(iter(columns.values())))
            if form.start is not None:
                start, rate = form.start
                columns[STAMPS] = start + (block.line - form.first_line + np.arange(rows)) / rate
            after = block.line + block.content.count(b"\n")
            yield Piece(columns, rows, block.line, block.stop, after, block.cut)


def _parquet_pieces(path: Path, numbers: Sequence[str], texts: Sequence[str], offset: int) -> Iterator[Piece]:
    from pyarrow import ArrowException, float64, parquet

    names = list(dict.fromkeys([*numbers, *texts]))
    row = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=names):
                start, row = row, row + batch.num_rows
                if row <= offset:
                    continue
                columns: dict[str, Any] = {}
                for name in names:
                    column = batch.column(batch.schema.get_field_index(name))
                    if name in texts:
                        columns[name] = np.array(_as_text(column), dtype=object)
                    else:
                        number = column.cast(float64(), safe=False)
                        columns[name] = np.asarray(number.to_numpy(zero_copy_only=False))
                yield Piece(columns, batch.num_rows, start + 1, row, row + 1)
    except (ArrowException, OSError) as error:
        raise UserError(f"{path}, near row {row + 1}: cannot be read ({error}); export it again") from None


def _as_text(column: Any) -> list[str]:
    """Cells as text; time stamps in ISO 8601, those of a zone in UTC with a Z; missing ones as nothing."""
    import pyarrow

    column = _spelled(column)
    if pyarrow.types.is_integer(column.type):
        column = column.cast(pyarrow.string())
    if pyarrow.types.is_string(column.type):
        texts: list[str] = column.fill_null("").to_pylist()
        return texts
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _spelled(column: Any) -> Any:
    """Time stamps as text, durations as a number of seconds, anything else as it is."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_duration(kind):
        parts = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        whole = column.cast(pyarrow.int64()).to_pylist()
        return pyarrow.array([None if one is None else repr(one / parts) for one in whole])
    if not pyarrow.types.is_timestamp(kind):
        return column
    # In UTC the text ends in Z, and needs no table of zones.
    zone = None if kind.tz is None else "UTC"
    return column.cast(pyarrow.timestamp(kind.unit, tz=zone)).cast(pyarrow.string())


def evenly(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread stamps evenly between gaps of a second and more.

    Loggers stamp blocks, and their true rate is a little off the nominal one by which readers place samples
    within a block: every block would seem to end in a gap.
    """
    edges = [0, *(np.flatnonzero(np.abs(np.diff(seconds)) >= 1.0) + 1).tolist(), len(seconds)]
    even = seconds.copy()
    for start, stop in zip(edges[:-1], edges[1:]):
        even[start:stop] = np.linspace(seconds[start], seconds[stop - 1], stop - start)
    return even


def _device_pieces(path: Path, offset: int) -> Iterator[Piece]:
    """A logger's file is read whole by its reader; pieces only keep what follows small."""
    actfast = load("actfast", f"{path}, a logger's own file,", "or export the recording as CSV")
    try:
        series = actfast.read(path)["timeseries"]
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}); download it from the logger again") from None
    table = next((one for one in series.values() if "acceleration" in one), None)
    if table is None or not len(table["datetime"]):
        raise UserError(f"{path} holds no acceleration; download it from the logger again")
    seconds = evenly(np.asarray(table["datetime"], dtype=np.float64) / 1e9)
    values = np.asarray(table["acceleration"], dtype=np.float64)
    for start in range(offset, len(seconds), _BATCH):
        stop = min(start + _BATCH, len(seconds))
        columns = {axis: values[start:stop, place] for place, axis in enumerate("xyz")}
        yield Piece({"datetime": seconds[start:stop], **columns}, stop - start, start + 1, stop, stop + 1)
