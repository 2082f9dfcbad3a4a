"""Reader "parquet": the files that `mcukd data import` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mcukd.data.drop import Drop
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import FolderSource, Reader, Request
from mcukd.data.tables import row_runs
from mcukd.errors import UserError

PART_PATTERN = "part-*.parquet"
PART_COLUMNS = ("animal", "label", "segment", "time", "x", "y", "z")


class ParquetSource(FolderSource):
    """A folder of Parquet files as `mcukd data import` writes them, read in the order of their names.

    Columns: animal, label (null where nothing is known), segment, time in seconds (null where unknown), x, y,
    z in `signal.units`. exclude_segments: numbers of faulty recordings.
    """

    reader: Literal["parquet"]
    exclude_segments: tuple[int, ...] = ()
    drop: Drop | None = None


class ParquetReader(Reader[ParquetSource]):
    """Reads animal, label, segment, stamps and samples from columns of fixed names."""

    name = "parquet"
    source = ParquetSource
    labels_change = True
    exclude_key = "exclude_segments"

    def files(self, request: Request[ParquetSource]) -> list[Path]:
        """Return the parts of the import."""
        return parquet_files(request.root)

    def read(self, request: Request[ParquetSource]) -> Iterator[RawSegment]:
        """Yield the segments of all parts, joined where one goes on in the next part."""
        return parquet_segments(request.root, request.source.exclude_segments, request.limit)


def parquet_files(folder: Path) -> list[Path]:
    """Return the parts of an import in order; UserError where there is none or the import is unfinished."""
    files = sorted(folder.glob(PART_PATTERN))
    if not files:
        raise UserError(
            f"there is no {PART_PATTERN} in {folder}; expected the files that 'mcukd data import' writes: "
            f"import the data again"
        )
    return files


def parquet_segments(
    folder: Path, exclude_segments: Sequence[int] = (), limit: int | None = None
) -> Iterator[RawSegment]:
    """Yield the segments of an import, joined where one goes on in the next part.

    limit: hand a segment on in pieces of about this many samples, for a bounded memory; None: whole.
    Raises UserError for a part that cannot be read or lacks a column.
    """
    held: list[RawSegment] = []
    for path in parquet_files(folder):
        for segment in _part_segments(path, frozenset(exclude_segments)):
            if held and _key(held[0]) != _key(segment):
                yield _joined(held, whole=True)
                held = []
            if limit is not None and sum(len(one.samples) for one in held) > limit:
                yield _joined(held, whole=False)
                held = []
            held.append(segment)
    if held:
        yield _joined(held, whole=True)


def _key(segment: RawSegment) -> tuple[str | None, ...]:
    return segment.animal, segment.label, segment.place


def _joined(segments: list[RawSegment], whole: bool) -> RawSegment:
    first = segments[0]
    seconds = [segment.seconds for segment in segments if segment.seconds is not None]
    return RawSegment(
        first.animal,
        first.label,
        first.place,
        np.concatenate([segment.samples for segment in segments]) if len(segments) > 1 else first.samples,
        np.concatenate(seconds) if len(seconds) == len(segments) else None,
        first.origin,
        whole,
    )


def _part_segments(path: Path, exclude_segments: frozenset[int]) -> Iterator[RawSegment]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in PART_COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise UserError(
                    f"{path} has no column {missing[0]!r}; expected a file that 'mcukd data import' wrote: "
                    f"import the data with it"
                )
            start = 0
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=list(PART_COLUMNS))
                yield from _table_segments(path, table, start, exclude_segments)
                start += table.num_rows
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); import the data again") from None


def _table_segments(
    path: Path, table: Any, first_row: int, exclude_segments: frozenset[int]
) -> Iterator[RawSegment]:
    animals, animal_names = _coded(table.column("animal"))
    labels, label_names = _coded(table.column("label"))
    numbers = table.column("segment").to_numpy()
    known = table.column("time").null_count == 0
    seconds = table.column("time").to_numpy() if known else None
    samples = np.stack([table.column(axis).to_numpy() for axis in "xyz"], axis=1).astype(np.float64)
    if not len(samples):
        return
    for start, stop in row_runs([animals, labels, numbers], len(samples)):
        animal = str(animal_names[animals[start]])
        if int(numbers[start]) in exclude_segments:
            continue
        yield RawSegment(
            animal,
            label_names[labels[start]],
            f"{animal}, segment {numbers[start]}",
            samples[start:stop],
            None if seconds is None else seconds[start:stop],
            f"{path}, rows {first_row + start + 1} to {first_row + stop}",
        )


def _coded(column: Any) -> tuple[NDArray[np.int64], list[str | None]]:
    """Return (n,) the place of each cell's text in a list, and the list, whose last is None for no text."""
    import pyarrow

    # As strings first: the parts of a dictionary column may number their texts in different ways.
    coded = column.cast(pyarrow.string()).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [*coded.dictionary.to_pylist(), None]
