"""Long recordings, read as blocks of the sensor's counts with a time for every sample.

Parquet is read by batches and `.npy` by rows, so memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mcukd.data.counts import unclipped_counts
from mcukd.data.recordings import RECORDING_BAND
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

SUFFIXES = (".parquet", ".npy")
#: Samples of a block; three axes, stamps and copies of it take some tens of MB.
BLOCK = 1 << 19
INT16 = (-32768, 32767)
#: Key of the metadata of a Parquet file of results.
RESULTS = b"mcukd"
_NS = 10**9


@dataclass(frozen=True)
class Layout:
    """How to read a file.

    columns: of the axes, in the model's order; of a `.npy` file they are what its columns hold.
    time_column: of stamps (timestamps; or numbers: seconds since 1970). Without it start_ns (since 1970, UTC)
    and rate_hz give the times. counts_per_g, limits: scale of the model's sensor, and its lowest and highest
    count; samples in g are rounded half up and saturated at these. per_g: what 1 g is in the samples' units,
    where a card states it. segment_column: of numbers that change where a recording ends or has a gap.
    """

    columns: tuple[str, ...]
    rate_hz: float
    counts_per_g: float
    time_column: str | None = None
    start_ns: int | None = None
    limits: tuple[int, int] = INT16
    per_g: float | None = None
    segment_column: str | None = None


@dataclass(frozen=True)
class Block:
    """Consecutive samples: counts (n, C) int16, times (n,) int64 in ns since 1970 UTC, those saturated.

    sums: (C,) of the samples as they lie in the file. segments: (n,) int64 where the file tells its stretches
    itself.
    """

    counts: NDArray[np.int16]
    times: NDArray[np.int64]
    saturated: int
    sums: NDArray[np.float64]
    segments: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Recording:
    """An opened file, before its samples are read. units: "counts", "g" or "card" (stated there)."""

    path: Path
    layout: Layout
    samples: int
    units: str

    def row_groups(self) -> list[int]:
        """Return the rows of each part of a Parquet file that can be read on its own."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            facts = file.metadata
            return [facts.row_group(number).num_rows for number in range(facts.num_row_groups)]

    def blocks(
        self, size: int = BLOCK, groups: Sequence[int] | None = None, first: int = 0
    ) -> Iterator[Block]:
        """Read the samples in blocks of `size` at most. groups: row groups of a Parquet file, default all.

        first: the row with which they begin, for messages.
        Raises UserError for samples that are missing or not finite, samples that are not about 1 g, and
        stamps that are missing or go back.
        """
        begin, last_time = first, None
        read = _parquet(self, size, groups, first) if _is_parquet(self.path) else _npy(self, size)
        for values, times, segments in read:
            if first == begin:
                _check_gravity(self, values)
            counts, saturated = _counts(self, values, first)
            if times is None:
                times = sample_times(self.layout, first, len(counts))
            else:
                last_time = _check_order(self, times, last_time, first)
            yield Block(counts, times, saturated, values.sum(axis=0, dtype=np.float64), segments)
            first += len(counts)

    def in_g(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return samples (n, C) as they lie in the file in g."""
        per_g = self.layout.per_g or (1.0 if self.units == "g" else self.layout.counts_per_g)
        return values.astype(np.float64) / per_g


def open_recording(path: Path, layout: Layout) -> Recording:
    """Check a file's columns, types and length.

    Raises UserError for a file that is missing, damaged, of another kind, without the columns, or without
    anything that tells the times of its samples.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; name Parquet or .npy files.")
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path}: '{path.suffix}' files are not classified directly, only {listed(SUFFIXES)}; "
            f"'mcukd data import {path.name} --unlabelled' converts others to Parquet."
        )
    if layout.time_column is None and layout.start_ns is None:
        raise UserError(
            f"{path}: nothing tells when its samples were taken; name the column of stamps with "
            "--time-column, or give --start and --rate."
        )
    try:
        samples, types = (_look_parquet if _is_parquet(path) else _look_npy)(path, layout)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]}); is it damaged?") from error
    kinds, names = {kind.kind for kind in types}, listed(kind.name for kind in types)
    if kinds - set("iuf"):
        raise UserError(f"{path}: samples are {names}, expected int16 counts or numbers in g.")
    if len(kinds & set("iu")) and "f" in kinds:
        raise UserError(f"{path}: axes are {names}; make all of them counts (integers) or all g.")
    if layout.per_g is not None:
        return Recording(path, layout, samples, "card")
    return Recording(path, layout, samples, "g" if kinds == {"f"} else "counts")


def sample_times(layout: Layout, first: int, count: int) -> NDArray[np.int64]:
    """Return the times (count,) in ns of samples from number `first` on, by start and rate."""
    assert layout.start_ns is not None
    numbers = np.arange(first, first + count, dtype=np.int64)
    # Whole seconds apart: floats of months in nanoseconds would be off by half a microsecond.
    seconds = (numbers / layout.rate_hz).astype(np.int64)
    rest = np.rint((numbers - seconds * layout.rate_hz) * (_NS / layout.rate_hz)).astype(np.int64)
    return layout.start_ns + seconds * _NS + rest


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _look_parquet(path: Path, layout: Layout) -> tuple[int, list[Any]]:
    from pyarrow import parquet, types

    with parquet.ParquetFile(path) as file:
        schema, samples = file.schema_arrow, file.metadata.num_rows
    wanted = [*layout.columns, *(one for one in (layout.time_column, layout.segment_column) if one)]
    for name in wanted:
        if name not in schema.names:
            if RESULTS in (schema.metadata or {}):
                raise UserError(
                    f"{path}: holds windows that 'mcukd classify' has written, not a recording; leave it "
                    "out, and name another folder with --out."
                )
            raise UserError(
                f"{path}: no column '{name}'{did_you_mean(name, schema.names)}, only {listed(schema.names)}; "
                "name the columns with --columns and --time-column."
            )
    for name in layout.columns:
        kind = schema.field(name).type
        if not (types.is_integer(kind) or types.is_floating(kind)):
            raise UserError(f"{path}: column '{name}' is {kind}, expected int16 counts or numbers in g.")
    if layout.time_column:
        kind = schema.field(layout.time_column).type
        if not (types.is_timestamp(kind) or types.is_integer(kind) or types.is_floating(kind)):
            raise UserError(
                f"{path}: column '{layout.time_column}' is {kind}, expected timestamps or seconds since 1970."
            )
    return samples, [np.dtype(schema.field(name).type.to_pandas_dtype()) for name in layout.columns]


_Read = Iterator[tuple[NDArray[Any], NDArray[np.int64] | None, NDArray[np.int64] | None]]


def _parquet(recording: Recording, size: int, groups: Sequence[int] | None = None, first: int = 0) -> _Read:
    import pyarrow as pa
    from pyarrow import parquet

    layout = recording.layout
    names = [*layout.columns, *(one for one in (layout.time_column, layout.segment_column) if one)]
    # A buffered stream instead of whole column chunks: some writers make one row group of the whole file.
    with parquet.ParquetFile(
        recording.path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
    ) as file:
        try:
            columns = list(dict.fromkeys(names))
            for batch in file.iter_batches(size, groups, columns, use_threads=False):
                for name in names:
                    if nulls := batch.column(name).null_count:
                        raise UserError(
                            f"{recording.path}: column '{name}' has {nulls} empty values in rows {first + 1} "
                            f"to {first + batch.num_rows}; leave these rows out, their time then is a gap."
                        )
                axes = [batch.column(name).to_numpy(zero_copy_only=False) for name in layout.columns]
                values = np.empty((batch.num_rows, len(axes)), np.result_type(*axes))
                for number, axis in enumerate(axes):
                    values[:, number] = axis
                times = _stamps(batch.column(layout.time_column)) if layout.time_column else None
                segments = None
                if layout.segment_column:
                    segments = batch.column(layout.segment_column).to_numpy().astype(np.int64)
                yield values, times, segments
                first += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"{recording.path}: damaged after row {first} ({str(error).splitlines()[0]})."
            ) from error


def _stamps(column: Any) -> NDArray[np.int64]:
    """Return stamps as ns since 1970; stamps without a zone are taken as UTC."""
    from pyarrow import types

    if types.is_timestamp(column.type):
        stamps = column.to_numpy(zero_copy_only=False)
        return np.asarray(stamps.astype("datetime64[ns]").view(np.int64))
    seconds = column.to_numpy(zero_copy_only=False)
    if seconds.dtype.kind in "iu":
        return np.asarray(seconds.astype(np.int64) * _NS)
    seconds = seconds.astype(np.float64)
    if not np.isfinite(seconds).all():
        return np.full(len(seconds), np.iinfo(np.int64).min)
    whole = np.floor(seconds)
    return np.asarray(whole.astype(np.int64) * _NS + np.rint((seconds - whole) * _NS).astype(np.int64))


def _look_npy(path: Path, layout: Layout) -> tuple[int, list[Any]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != len(layout.columns):
        found = getattr(array, "shape", "an archive")
        raise UserError(f"{path}: found {found}, expected (samples, {len(layout.columns)}).")
    if layout.time_column:
        raise UserError(f"{path}: a .npy file has no column of stamps; give --start and --rate.")
    return len(array), [array.dtype]


def _npy(recording: Recording, size: int) -> _Read:
    # Read, not mapped: a map of a file that is cut off ends the process, and its pages count as memory.
    try:
        mapped = np.load(recording.path, mmap_mode="r", allow_pickle=False)
        begin, dtype, by_rows = mapped.offset, mapped.dtype, mapped.flags.c_contiguous
        del mapped
        with recording.path.open("rb") as stream:
            for first in range(0, recording.samples, size):
                count = min(size, recording.samples - first)
                yield _npy_rows(stream, recording, begin, dtype, by_rows, first, count), None, None
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{recording.path}: cannot be read ({str(error).splitlines()[0]}).") from error


def _npy_rows(
    stream: BinaryIO, recording: Recording, begin: int, dtype: Any, by_rows: bool, first: int, count: int
) -> NDArray[Any]:
    """Return `count` rows from number `first` on. begin: where the values begin, by rows or by columns."""
    columns = len(recording.layout.columns)
    starts = [first * columns] if by_rows else [first + n * recording.samples for n in range(columns)]
    parts = []
    for start in starts:
        stream.seek(begin + start * dtype.itemsize)
        part = np.fromfile(stream, dtype, count * columns // len(starts))
        if len(part) < count * columns // len(starts):
            raise UserError(
                f"{recording.path}: ends after {stream.tell()} bytes, though it says that it holds "
                f"{recording.samples} samples; was it cut off, or is it still being written?"
            )
        parts.append(part)
    return parts[0].reshape(count, columns) if by_rows else np.stack(parts, axis=1)


def _counts(recording: Recording, values: NDArray[Any], first: int) -> tuple[NDArray[np.int16], int]:
    """Return values (n, C) as counts, and how many were saturated."""
    if recording.layout.per_g is None and values.dtype.newbyteorder("=") == np.int16:
        return values.astype(np.int16, copy=False), 0
    low, high = recording.layout.limits
    if values.dtype.kind == "f" or recording.layout.per_g is not None:
        finite = np.isfinite(values)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise UserError(
                f"{recording.path}: row {first + row + 1}, column '{recording.layout.columns[column]}' is "
                f"{values[row, column]}, expected a number; leave such rows out, their time then is a gap."
            )
        values_g = values.astype(np.float64, copy=False)
        if recording.layout.per_g is not None:
            values_g = values_g / recording.layout.per_g
        scaled = unclipped_counts(values_g, recording.layout.counts_per_g)
    else:
        low, high = INT16
        scaled = values
        outside = (values < low) | (values > high)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise UserError(
                f"{recording.path}: row {first + row + 1}, column '{recording.layout.columns[column]}' is "
                f"{values[row, column]}, which is no count of a 16-bit sensor."
            )
    saturated = int(np.count_nonzero((scaled < low) | (scaled > high)))
    return np.clip(scaled, low, high).astype(np.int16), saturated


def _check_gravity(recording: Recording, values: NDArray[Any]) -> None:
    """Check that the acceleration of the first block is about 1 g long; other units give other behaviours."""
    if values.shape[1] != 3 or not len(values):
        return
    scale = recording.layout.counts_per_g
    some = recording.in_g(values[:: max(1, len(values) // 10_000)])
    length = float(np.nanmedian(np.linalg.norm(some, axis=1)))
    low, high = RECORDING_BAND
    if low <= length <= high or not np.isfinite(length):
        return  # of what is not finite `_counts` tells the row
    if recording.units == "card":
        remedy = "correct signal.units of its card, or import the data again with --units"
    elif recording.units == "g":
        remedy = "are these m/s² or mg? Give them in g ('mcukd data import' converts them)"
    else:
        remedy = (
            f"the model's sensor has {scale:g} counts per g; give samples in g where yours has another scale"
        )
    raise UserError(
        f"{recording.path}: the median length of its acceleration is {length:.3g} g, expected about 1 g; "
        f"{remedy}."
    )


def _check_order(recording: Recording, times: NDArray[np.int64], before: int | None, first: int) -> int:
    if len(times) and times.min() == np.iinfo(np.int64).min:
        raise UserError(
            f"{recording.path}: column '{recording.layout.time_column}' has stamps that are no time."
        )
    steps = np.diff(times, prepend=times[:1] if before is None else np.array([before]))
    if (steps < 0).any():
        row = int(np.argmax(steps < 0))
        raise UserError(
            f"{recording.path}: time goes back by {-steps[row] / _NS:g} s at row {first + row + 1}; sort the "
            "rows by time, and give each animal a file of its own."
        )
    return int(times[-1])
