"""Reader "ucihar": the layout of UCI HAR, text files with a window per line and an official split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mcukd.data.extra import extra_columns, extra_values
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import FolderSource, Reader, Request
from mcukd.errors import UserError

PARTS = ("train", "test")


class UciHarSource(FolderSource):
    """Files `total_acc_[xyz]_train.txt` and the like below `train` and `test`."""

    reader: Literal["ucihar"]


class UciHarReader(Reader[UciHarSource]):
    """Reads windows that come cut; windows of one bout share a group."""

    name = "ucihar"
    source = UciHarSource
    extra_channels = True
    fixed_rate = "windows come cut"

    def files(self, request: Request[UciHarSource]) -> list[Path]:
        """Return the files of the acceleration, labels and subjects, then those of the extra channels."""
        files = [path for part in PARTS for path in _files(request.root, part)]
        return files + [path for part in PARTS for path in _extra_files(request, part)]

    def read(self, request: Request[UciHarSource]) -> Iterator[RawSegment]:
        """Yield every window as one segment."""
        folder, group = request.root, -1
        for part in PARTS:
            *signals, label_file, subject_file = _files(folder, part)
            windows = np.stack([_numbers(path, request.window) for path in signals], axis=2)
            labels, subjects = _numbers(label_file, 1)[:, 0], _numbers(subject_file, 1)[:, 0]
            if not len(windows) == len(labels) == len(subjects):
                raise UserError(
                    f"{folder / part}: {len(windows)} windows, {len(labels)} labels and "
                    f"{len(subjects)} subjects; expected as many of each"
                )
            extra = _extra(request, part, len(windows)) if request.extra else None
            previous: tuple[str, str] | None = None
            for number, (window, label, subject) in enumerate(zip(windows, labels, subjects)):
                key = (f"{subject:g}", f"{label:g}")
                group += key != previous
                previous = key
                yield RawSegment(
                    key[0],
                    key[1],
                    f"{part} {group}",
                    window,
                    None,
                    f"{signals[0]}, line {number + 1}",
                    group=group,
                    split=part,
                    extra=None if extra is None else extra[number],
                )


def _files(folder: Path, part: str) -> list[Path]:
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


def _extra_files(request: Request[UciHarSource], part: str) -> list[Path]:
    signals = request.root / part / "Inertial Signals"
    files = [signals / f"{name}_{part}.txt" for name in extra_columns(request.extra)]
    for path in files:
        if not path.is_file():
            raise UserError(f"the file {path} does not exist; correct [[extra]] in the card {request.card}")
    return files


def _extra(request: Request[UciHarSource], part: str, number: int) -> NDArray[np.float64]:
    table = {}
    for name, path in zip(extra_columns(request.extra), _extra_files(request, part)):
        table[name] = _numbers(path, request.window)
        if len(table[name]) != number:
            raise UserError(f"{path}: {len(table[name])} windows where the acceleration has {number}")
    return extra_values(request.extra, table)


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
