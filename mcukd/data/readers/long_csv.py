"""Reader "long-csv": one CSV file with a row per sample, which names animal and behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from mcukd.data.drop import Drop
from mcukd.data.extra import extra_columns, extra_values
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import FolderSource, Reader, Request
from mcukd.data.sections import Columns, Signal
from mcukd.data.tables import read_table, row_runs, seconds_of


class LongCsvSource(FolderSource):
    """One CSV file with a row per sample and columns that name the animal and the behaviour."""

    reader: Literal["long-csv"]
    file: str
    drop: Drop | None = None


class LongCsvReader(Reader[LongCsvSource]):
    """Cuts the rows where animal, label or segment change."""

    name = "long-csv"
    source = LongCsvSource
    columns = True
    extra_channels = True
    labels_change = True

    def check(self, columns: Columns | None, signal: Signal, simulated: bool) -> None:
        """Ask for the columns of animal and label."""
        assert columns is not None
        if not (columns.animal and columns.label):
            raise ValueError('columns.animal and columns.label are expected with the reader "long-csv"')

    def files(self, request: Request[LongCsvSource]) -> list[Path]:
        """Return the one file."""
        return [request.root / request.source.file]

    def read(self, request: Request[LongCsvSource]) -> Iterator[RawSegment]:
        """Yield a segment for each run of rows that agree in animal, label and segment."""
        columns, path = request.columns, request.root / request.source.file
        assert columns is not None and columns.animal and columns.label
        texts = [name for name in (columns.animal, columns.label, columns.segment, columns.time) if name]
        more = extra_columns(request.extra)
        table = read_table(path, columns.acceleration, texts, columns.delimiter, more)
        samples = np.stack([table[name] for name in columns.acceleration], axis=1)
        extra = extra_values(request.extra, table) if more else None
        seconds = seconds_of(path, columns.time, table[columns.time]) if columns.time else None
        keys = [table[name] for name in (columns.animal, columns.label, columns.segment) if name]
        segment = table[columns.segment] if columns.segment else None
        for start, stop in row_runs(keys, len(samples)):
            animal = str(table[columns.animal][start])
            yield RawSegment(
                animal,
                str(table[columns.label][start]),
                animal if segment is None else f"{animal}, segment {segment[start]}",
                samples[start:stop],
                None if seconds is None else seconds[start:stop],
                f"{path}, lines {start + 2} to {stop + 1}",
                extra=None if extra is None else extra[start:stop],
            )
