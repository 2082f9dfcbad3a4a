"""Runs of samples as they lie in the files, before the contract is checked.

A run is what stands together: one animal, one label (or none), one segment. It may have gaps, a wrong rate or
wrong units; `mcukd.data.readers` refuses those, and `mcukd.data.quality.survey` reports them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, LongCsvSource, ParquetSource, SegmentsSource, SimulatorSource
from mcukd.data.drop import Drop, breaks_of, dropped
from mcukd.data.tables import read_table, seconds_of
from mcukd.errors import UserError

PART_PATTERN = "part-*.parquet"
PART_COLUMNS = ("animal", "label", "segment", "time", "x", "y", "z")


@dataclass(frozen=True)
class Run:
    """Samples (n, 3) float64 in the source's units; seconds (n,) or None; label None where none is known.

    place: the continuous recording it was cut from, so that runs of one place follow each other.
    whole: False where a long run is handed on in pieces and this one is not the last. breaks: samples before
    which it is cut. dropped: rows that the card leaves out as no measurement.
    """

    animal: str
    label: Optional[str]
    place: str
    samples: NDArray[np.float64]
    seconds: Optional[NDArray[np.float64]]
    origin: str
    whole: bool = True
    breaks: tuple[int, ...] = ()
    dropped: int = 0


def read_runs(
    card: Card, data_root: Optional[Path], seed: int = 0, limit: Optional[int] = None
) -> Iterator[Run]:
    """Yield every run of a data set but those of excluded animals and files, whatever its label.

    limit: hand long runs of Parquet on in pieces of about this many samples, for a bounded memory.
    Raises UserError only for what cannot be read.
    """
    source = card.source
    if isinstance(source, SimulatorSource):
        from mcukd.data.simulation.simulator import simulate

        for recording in simulate(card, seed):
            yield Run(
                recording.animal,
                recording.label,
                recording.origin,
                recording.samples,
                None,
                recording.origin,
            )
        return
    from mcukd.data.readers import source_folder

    folder = source_folder(card, data_root)
    if isinstance(source, SegmentsSource):
        runs = _segment_runs(card, source, folder)
    elif isinstance(source, LongCsvSource):
        runs = _long_runs(card, folder / source.file)
    elif isinstance(source, ParquetSource):
        # A stretch that stands still may go on in the next piece, so that runs are looked at whole.
        runs = parquet_runs(folder, source.exclude_segments, limit if source.drop is None else None)
    else:
        runs = _uci_runs(card, folder)
    for run in runs:
        if run.animal not in source.exclude_animals:
            yield without(run, getattr(source, "drop", None))


def without(run: Run, drop: Optional[Drop]) -> Run:
    """Return a run without the rows that are left out as no measurement."""
    lost = dropped(run.samples, drop)
    if not lost.any():
        return run
    return replace(
        run,
        samples=run.samples[~lost],
        seconds=None if run.seconds is None else run.seconds[~lost],
        breaks=tuple(breaks_of(lost).tolist()),
        dropped=int(lost.sum()),
    )


def _segment_runs(card: Card, source: SegmentsSource, folder: Path) -> Iterator[Run]:
    from mcukd.data.readers import segment_files

    columns = card.columns
    assert columns is not None
    for path, label, animal in segment_files(card, source, folder):
        times = [columns.time] if columns.time else []
        table = read_table(path, columns.acceleration, times, columns.delimiter)
        seconds = seconds_of(path, columns.time, table[columns.time]) if columns.time else None
        samples = np.stack([table[name] for name in columns.acceleration], axis=1)
        yield Run(animal, label, path.relative_to(folder).as_posix(), samples, seconds, str(path))


def _long_runs(card: Card, path: Path) -> Iterator[Run]:
    columns = card.columns
    assert columns is not None and columns.animal and columns.label
    texts = [name for name in (columns.animal, columns.label, columns.segment, columns.time) if name]
    table = read_table(path, columns.acceleration, texts, columns.delimiter)
    samples = np.stack([table[name] for name in columns.acceleration], axis=1)
    seconds = seconds_of(path, columns.time, table[columns.time]) if columns.time else None
    keys = [table[name] for name in (columns.animal, columns.label, columns.segment) if name]
    segment = table[columns.segment] if columns.segment else None
    for start, stop in _stretches(keys, len(samples)):
        animal = str(table[columns.animal][start])
        yield Run(
            animal,
            str(table[columns.label][start]),
            animal if segment is None else f"{animal}, segment {segment[start]}",
            samples[start:stop],
            None if seconds is None else seconds[start:stop],
            f"{path}, lines {start + 2} to {stop + 1}",
        )


def _uci_runs(card: Card, folder: Path) -> Iterator[Run]:
    from mcukd.data.readers import uci_windows

    for window in uci_windows(card, folder):
        yield Run(
            window.animal, window.label, f"{window.split} {window.group}", window.samples, None, window.origin
        )


def _stretches(keys: list[Any], rows: int) -> list[tuple[int, int]]:
    """Return start and stop of every stretch of rows in which no key changes."""
    changes = np.flatnonzero(np.any([key[1:] != key[:-1] for key in keys], axis=0)) + 1
    edges = [0, *changes.tolist(), rows]
    return list(zip(edges[:-1], edges[1:]))


def parquet_files(folder: Path) -> list[Path]:
    """Return the parts of an import in order; UserError where there is none or the import is unfinished."""
    files = sorted(folder.glob(PART_PATTERN))
    if not files:
        raise UserError(
            f"there is no {PART_PATTERN} in {folder}; expected the files that 'mcukd data import' writes: "
            f"import the data again"
        )
    return files


def parquet_runs(
    folder: Path, exclude_segments: Sequence[int] = (), limit: Optional[int] = None
) -> Iterator[Run]:
    """Yield the runs of an import, joined where one goes on in the next part.

    limit: hand a run on in pieces of about this many samples, for a bounded memory; None: whole.
    Raises UserError for a part that cannot be read or lacks a column.
    """
    held: list[Run] = []
    for path in parquet_files(folder):
        for run in _part_runs(path, frozenset(exclude_segments)):
            if held and _key(held[0]) != _key(run):
                yield _joined(held, whole=True)
                held = []
            if limit is not None and sum(len(one.samples) for one in held) > limit:
                yield _joined(held, whole=False)
                held = []
            held.append(run)
    if held:
        yield _joined(held, whole=True)


def _key(run: Run) -> tuple[Optional[str], ...]:
    return run.animal, run.label, run.place


def _joined(runs: list[Run], whole: bool) -> Run:
    first = runs[0]
    seconds = [run.seconds for run in runs if run.seconds is not None]
    return Run(
        first.animal,
        first.label,
        first.place,
        np.concatenate([run.samples for run in runs]) if len(runs) > 1 else first.samples,
        np.concatenate(seconds) if len(seconds) == len(runs) else None,
        first.origin,
        whole,
    )


def _part_runs(path: Path, exclude_segments: frozenset[int]) -> Iterator[Run]:
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
                yield from _table_runs(path, table, start, exclude_segments)
                start += table.num_rows
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); import the data again") from None


def _table_runs(path: Path, table: Any, first_row: int, exclude_segments: frozenset[int]) -> Iterator[Run]:
    animals, labels = _texts(table.column("animal")), _texts(table.column("label"))
    segments = table.column("segment").to_numpy()
    known = table.column("time").null_count == 0
    seconds = table.column("time").to_numpy() if known else None
    samples = np.stack([table.column(axis).to_numpy() for axis in "xyz"], axis=1).astype(np.float64)
    if not len(samples):
        return
    codes = [np.unique(names.astype(str), return_inverse=True)[1] for names in (animals, labels)]
    blank = np.array([label is None for label in labels])
    for start, stop in _stretches([*codes, segments, blank], len(samples)):
        animal = str(animals[start])
        if int(segments[start]) in exclude_segments:
            continue
        yield Run(
            animal,
            None if labels[start] is None else str(labels[start]),
            f"{animal}, segment {segments[start]}",
            samples[start:stop],
            None if seconds is None else seconds[start:stop],
            f"{path}, rows {first_row + start + 1} to {first_row + stop}",
        )


def _texts(column: Any) -> NDArray[np.object_]:
    import pyarrow

    # As strings first: NumPy's view of a dictionary column puts another text where one is missing.
    values: NDArray[np.object_] = column.cast(pyarrow.string()).to_numpy(zero_copy_only=False).astype(object)
    return values
