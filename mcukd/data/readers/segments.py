"""Reader "segments": a folder of CSV files, one recording of one behaviour each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import field_validator

from mcukd.data.drop import Drop
from mcukd.data.extra import extra_columns, extra_values
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import FolderSource, Reader, Request
from mcukd.data.sections import Columns, Signal
from mcukd.data.tables import read_table, seconds_of
from mcukd.errors import UserError
from mcukd.progress import Advance, progress

#: Files of more bytes in all take longer than about two seconds to read.
_SLOW_BYTES = 60_000_000


class SegmentsSource(FolderSource):
    """A folder of CSV files, one continuous recording of one behaviour each.

    pattern: regular expression that the whole path below the folder must match ("/" between
    folders), with the named groups `label` and `animal`. exclude_files: paths below the folder, or
    shell patterns, of faulty recordings.
    """

    reader: Literal["segments"]
    pattern: str
    exclude_files: tuple[str, ...] = ()
    drop: Drop | None = None

    @field_validator("pattern")
    @classmethod
    def _has_groups(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"a regular expression is expected ({error})") from None
        missing = [name for name in ("label", "animal") if name not in groups]
        if missing:
            raise ValueError(f"the named group (?P<{missing[0]}>…) is expected in it")
        return pattern


class SegmentsReader(Reader[SegmentsSource]):
    """Reads label and animal from each file's path, samples and stamps from its columns."""

    name = "segments"
    source = SegmentsSource
    columns = True
    extra_channels = True
    exclude_key = "exclude_files"

    def check(self, columns: Columns | None, signal: Signal, simulated: bool) -> None:
        """Refuse columns for what the path says."""
        assert columns is not None
        for key in ("animal", "label", "segment"):
            if getattr(columns, key):
                raise ValueError(f'columns.{key} is there, but the reader "segments" takes it from the path')

    def files(self, request: Request[SegmentsSource]) -> list[Path]:
        """Return the CSV files that are not excluded."""
        return [path for path, _, _ in _matched(request)]

    def read(self, request: Request[SegmentsSource]) -> Iterator[RawSegment]:
        """Yield each wanted file as one segment."""
        columns = request.columns
        assert columns is not None
        more = extra_columns(request.extra)
        times = [columns.time] if columns.time else []
        files = [one for one in _matched(request) if request.keep(one[1], one[2], str(one[0]))]
        with _progress_if_slow([path for path, _, _ in files], request.progress) as advance:
            for path, label, animal in files:
                table = read_table(path, columns.acceleration, times, columns.delimiter, more)
                yield RawSegment(
                    animal,
                    label,
                    path.relative_to(request.root).as_posix(),
                    np.stack([table[name] for name in columns.acceleration], axis=1),
                    seconds_of(path, columns.time, table[columns.time]) if columns.time else None,
                    str(path),
                    extra=extra_values(request.extra, table) if more else None,
                )
                advance(1)


def _matched(request: Request[SegmentsSource]) -> list[tuple[Path, str, str]]:
    """Return path, label and animal of every file that is not excluded; UserError for other paths."""
    source, folder = request.source, request.root
    pattern = re.compile(source.pattern)
    found = []
    for path in sorted(folder.rglob("*.csv")):
        relative = path.relative_to(folder).as_posix()
        if any(fnmatchcase(relative, excluded) for excluded in source.exclude_files):
            continue
        match = pattern.fullmatch(relative)
        if not match:
            raise UserError(
                f"{path}: the path {relative!r} below {folder} does not match source.pattern "
                f"{source.pattern!r} of card {request.card}; correct the pattern or move the file elsewhere"
            )
        found.append((path, match["label"], match["animal"]))
    if not found:
        raise UserError(
            f"there is no .csv file below {folder}; expected one per segment, as card {request.card} says"
        )
    return found


def _progress_if_slow(files: list[Path], wanted: bool) -> AbstractContextManager[Advance]:
    slow = wanted and sum(path.stat().st_size for path in files) > _SLOW_BYTES
    return progress("Reading segments", len(files)) if slow else nullcontext(lambda steps, note="": None)
