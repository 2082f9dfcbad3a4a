"""One reader per kind of source: each turns files into recordings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, Columns, LongCsvSource, ParquetSource, SegmentsSource, UciHarSource
from mcukd.data.drop import breaks_of, dropped
from mcukd.data.extra import extra_columns, extra_values
from mcukd.data.gaps import stretches as stretches_of
from mcukd.data.recordings import Recording, class_of, continuous
from mcukd.data.runs import parquet_files, parquet_runs
from mcukd.data.tables import read_table, seconds_of
from mcukd.errors import UserError
from mcukd.progress import Advance, progress

_SLOW_BYTES = 60_000_000


def source_folder(card: Card, data_root: Optional[Path]) -> Path:
    """Find the card's data folder.

    Looked for under `data_root`, else the environment's MCUKD_DATA, and then beside the card itself; a
    folder that starts with "." is always beside the card, and an absolute one is just that. Raises UserError
    that lists the places.
    """
    source = card.source
    if not isinstance(source, (SegmentsSource, LongCsvSource, UciHarSource, ParquetSource)):
        raise ValueError("a simulated herd has no folder")
    return find_folder(card.name, source.folder, card.path, data_root)


def find_folder(name: str, folder: str, card_path: Optional[Path], data_root: Optional[Path]) -> Path:
    """Find `folder` as `source_folder` says; UserError that lists the places where it was looked for."""
    if Path(folder).is_absolute():
        if Path(folder).is_dir():
            return Path(folder)
        raise UserError(f"the data of card {name} is not in {folder}; correct source.folder in the card")
    roots = []
    if not folder.startswith("."):
        root = data_root or (Path(os.environ["MCUKD_DATA"]) if os.environ.get("MCUKD_DATA") else None)
        roots += [root] if root else []
    roots += [card_path.parent] if card_path else []
    places = [root / folder for root in roots]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"the data of card {name} is not in {' or '.join(str(place) for place in places)}; "
        f"name the folder that holds "
        f"{folder!r} with --data-root or in the environment variable MCUKD_DATA"
    )


def source_files(card: Card, data_root: Optional[Path], extra: bool = False) -> list[Path]:
    """Return the files the card's samples come from, in the order they are read.

    extra: those of the extra channels as well.
    Raises UserError for a missing folder or file, or a CSV file whose path does not match the card's pattern.
    """
    folder, source = source_folder(card, data_root), card.source
    if isinstance(source, SegmentsSource):
        return [path for path, _, _ in segment_files(card, source, folder)]
    if isinstance(source, LongCsvSource):
        return [folder / source.file]
    if isinstance(source, ParquetSource):
        return parquet_files(folder)
    files = [path for part in ("train", "test") for path in _uci_files(folder, part)]
    if extra:
        files += [path for part in ("train", "test") for path in _uci_extra_files(card, folder, part)]
    return files


def read_recordings(card: Card, data_root: Optional[Path], extra: bool = False) -> list[Recording]:
    """Read every recording whose label the card does not ignore, in the card's units.

    extra: with the extra channels.
    Raises UserError for anything that is not as the card says, naming file and line.
    """
    folder, source = source_folder(card, data_root), card.source
    if isinstance(source, SegmentsSource):
        recordings = _read_segments(card, source, folder, extra)
    elif isinstance(source, LongCsvSource):
        recordings = _read_long_csv(card, source, folder / source.file, extra)
    elif isinstance(source, UciHarSource):
        recordings = _read_uci(card, source, folder, extra)
    elif isinstance(source, ParquetSource):
        recordings = _read_parquet(card, source, folder)
    else:
        raise ValueError("a simulated herd has no files")
    return recordings


def segment_files(card: Card, source: SegmentsSource, folder: Path) -> list[tuple[Path, str, str]]:
    """Return path, label and animal of every file of a folder of segments that is not excluded."""
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
                f"{source.pattern!r} of card {card.name}; correct the pattern or move the file elsewhere"
            )
        found.append((path, match["label"], match["animal"]))
    if not found:
        raise UserError(
            f"there is no .csv file below {folder}; expected one per segment, as card {card.name} says"
        )
    return found


def _read_segments(card: Card, source: SegmentsSource, folder: Path, extra: bool) -> list[Recording]:
    assert card.columns is not None
    columns = card.columns
    recordings: list[Recording] = []
    files = [
        (path, label, animal)
        for path, label, animal in segment_files(card, source, folder)
        if class_of(card, label, str(path)) is not None and animal not in source.exclude_animals
    ]
    with _progress_if_slow([path for path, _, _ in files]) as advance:
        for path, label, animal in files:
            recordings += _read_segment(card, columns, path, label, animal, extra)
            advance(1)
    return recordings


def _read_segment(
    card: Card, columns: Columns, path: Path, label: str, animal: str, extra: bool
) -> list[Recording]:
    """Read one file; more than one recording where its time stamps have a gap."""
    more = extra_columns(card.extra) if extra else []
    times = [columns.time] if columns.time else []
    table = read_table(path, columns.acceleration, times, columns.delimiter, more)
    samples = _stack(table, columns.acceleration)
    others = extra_values(card.extra, table) if more else None
    seconds = seconds_of(path, columns.time, table[columns.time]) if columns.time else None
    stretches = _stretches(card, samples, seconds, str(path))
    return [
        Recording(
            animal,
            label,
            samples[each],
            str(path),
            extra=None if others is None else others[each],
            place=str(path),
        )
        for each in stretches
    ]


def _stretches(
    card: Card, samples: NDArray[np.float64], seconds: Optional[NDArray[np.float64]], origin: str
) -> list[NDArray[np.int64]]:
    """Return the rows of each stretch without a gap, those left out that are no measurement."""
    lost = dropped(samples, getattr(card.source, "drop", None))
    kept, breaks = np.flatnonzero(~lost), breaks_of(lost).tolist()
    if not len(kept):
        return []
    if seconds is None:
        cut = stretches_of(len(kept), None, breaks)
    else:
        cut = continuous(card, seconds[kept], origin, breaks)
    return [kept[each] for each in cut]


def _progress_if_slow(files: list[Path]) -> AbstractContextManager[Advance]:
    """A bar for what takes longer than about two seconds to read."""
    slow = sum(path.stat().st_size for path in files) > _SLOW_BYTES
    return progress("Reading segments", len(files)) if slow else nullcontext(lambda steps, note="": None)


def _read_long_csv(card: Card, source: LongCsvSource, path: Path, extra: bool) -> list[Recording]:
    assert card.columns is not None and card.columns.animal and card.columns.label
    columns, animal_column, label_column = card.columns, card.columns.animal, card.columns.label
    texts = [name for name in (animal_column, label_column, columns.segment, columns.time) if name]
    more = extra_columns(card.extra) if extra else []
    table = read_table(path, columns.acceleration, texts, columns.delimiter, more)
    samples = _stack(table, columns.acceleration)
    others = extra_values(card.extra, table) if more else None
    seconds = seconds_of(path, columns.time, table[columns.time]) if columns.time else None
    keys = [table[name] for name in (animal_column, label_column, columns.segment) if name]
    changes = np.flatnonzero(np.any([key[1:] != key[:-1] for key in keys], axis=0)) + 1
    edges = [0, *changes.tolist(), len(samples)]
    recordings: list[Recording] = []
    for start, stop in zip(edges[:-1], edges[1:]):
        animal, label = table[animal_column][start], table[label_column][start]
        origin = f"{path}, lines {start + 2} to {stop + 1}"
        if class_of(card, label, origin) is None or animal in source.exclude_animals:
            continue
        own = None if seconds is None else seconds[start:stop]
        for each in _stretches(card, samples[start:stop], own, origin):
            rows = start + each
            more_rows = None if others is None else others[rows]
            place = animal if columns.segment is None else f"{animal}, {table[columns.segment][start]}"
            recordings.append(Recording(animal, label, samples[rows], origin, extra=more_rows, place=place))
    return recordings


def _read_parquet(card: Card, source: ParquetSource, folder: Path) -> list[Recording]:
    recordings: list[Recording] = []
    for run in parquet_runs(folder, source.exclude_segments):
        if run.label is None or run.animal in source.exclude_animals:
            continue
        if class_of(card, run.label, run.origin) is None:
            continue
        stretches = _stretches(card, run.samples, run.seconds, run.origin)
        recordings += [
            Recording(run.animal, run.label, run.samples[stretch], run.origin, place=run.place)
            for stretch in stretches
        ]
    return recordings


def _uci_files(folder: Path, part: str) -> list[Path]:
    signals = [folder / part / "Inertial Signals" / f"total_acc_{axis}_{part}.txt" for axis in "xyz"]
    # The subset in use had its subject files restored from the feature files, under another name.
    subjects = folder / part / f"subject_{part}_recovered.txt"
    if not subjects.is_file():
        subjects = folder / part / f"subject_{part}.txt"
    files = [*signals, folder / part / f"y_{part}.txt", subjects]
    for path in files:
        if not path.is_file():
            raise UserError(f"the file {path} does not exist; expected the layout of UCI HAR below {folder}")
    return files


def _uci_extra_files(card: Card, folder: Path, part: str) -> list[Path]:
    files = [folder / part / "Inertial Signals" / f"{name}_{part}.txt" for name in extra_columns(card.extra)]
    for path in files:
        if not path.is_file():
            raise UserError(f"the file {path} does not exist; correct [[extra]] in the card {card.name}")
    return files


def _read_uci(card: Card, source: UciHarSource, folder: Path, extra: bool) -> list[Recording]:
    return [
        window
        for window in uci_windows(card, folder, extra)
        if class_of(card, window.label, window.origin) is not None
        and window.animal not in source.exclude_animals
    ]


def uci_windows(card: Card, folder: Path, extra: bool = False) -> Iterator[Recording]:
    """Yield every window of the layout of UCI HAR; windows of one bout share a group."""
    group = -1
    for part in ("train", "test"):
        *signals, label_file, subject_file = _uci_files(folder, part)
        windows = np.stack([_numbers(path, card.window) for path in signals], axis=2)
        labels, subjects = _numbers(label_file, 1)[:, 0], _numbers(subject_file, 1)[:, 0]
        if not len(windows) == len(labels) == len(subjects):
            raise UserError(
                f"{folder / part}: {len(windows)} windows, {len(labels)} labels and "
                f"{len(subjects)} subjects; expected as many of each"
            )
        others = _uci_extra(card, folder, part, len(windows)) if extra and card.extra else None
        previous: Optional[tuple[str, str]] = None
        for number, (window, label, subject) in enumerate(zip(windows, labels, subjects), start=1):
            key = (f"{subject:g}", f"{label:g}")
            group += key != previous
            previous = key
            more = None if others is None else others[number - 1]
            yield Recording(key[0], key[1], window, f"{signals[0]}, line {number}", group, part, more)


def _uci_extra(card: Card, folder: Path, part: str, number: int) -> NDArray[np.float64]:
    table = {}
    for name, path in zip(extra_columns(card.extra), _uci_extra_files(card, folder, part)):
        table[name] = _numbers(path, card.window)
        if len(table[name]) != number:
            raise UserError(f"{path}: {len(table[name])} windows where the acceleration has {number}")
    return extra_values(card.extra, table)


def _numbers(path: Path, width: int) -> NDArray[np.float64]:
    """Read a text file of `width` numbers per line into (lines, width)."""
    lines = path.read_bytes().split(b"\n")
    rows = [line.split() for line in (lines[:-1] if not lines[-1].strip() else lines)]
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise UserError(
                f"{path}, line {number}: {len(row)} values where {width} are expected; restore the file"
            )
    try:
        values = np.array(rows, dtype="S32").astype(np.float64)
    except ValueError:
        values = np.full((len(rows), width), np.nan)
    if not np.isfinite(values).all():
        raise UserError(_first_bad_number(path, rows))
    return values


def _first_bad_number(path: Path, rows: list[list[bytes]]) -> str:
    for number, row in enumerate(rows, start=1):
        for text in row:
            try:
                finite = bool(np.isfinite(float(text)))
            except ValueError:
                finite = False
            if not finite:
                found = text.decode(errors="replace")
                return f"{path}, line {number}: {found!r} where a finite number is expected"
    return f"{path}: a value is not a finite number"


def _stack(table: dict[str, NDArray[np.float64]], names: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([table[name] for name in names], axis=1)
