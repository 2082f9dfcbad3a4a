"""Output for recordings without labels, for `mcukd classify`: Parquet per animal, cut at gaps, and a card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.config_files import toml_string
from mcukd.data.card import UNLABELLED
from mcukd.data.gaps import LONG_STEP, stretches
from mcukd.data.importer import card_text
from mcukd.data.importer.options import Options
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.parquet import parquet_segments
from mcukd.data.resample import resample, resampling
from mcukd.files import replacing

#: Samples of a segment that are held at a time; gaps are told within them. Resampling holds a segment whole.
_PIECE = 4_000_000
#: Seconds by which two recordings of an animal may not overlap.
_SLACK = 1e-6
#: Files written to at a time; an animal that comes back after so many others gets another file.
_MOST_OPEN = 200


@dataclass
class Written:
    """One Parquet file: its name, animal, rows, and the sum of its vectors (3,) in the source's units."""

    file: str
    animal: str
    samples: int
    total: NDArray[np.float64]


def write_recordings(parts: Path, folder: Path, options: Options, rate_hz: float) -> list[Written]:
    """Write a Parquet file per animal to `folder` from the parts of an import; return them in order.

    An animal has several where its recordings overlap in time, as those whose clocks start at zero do.
    Columns: segment (int64, another after every gap), time (float64, seconds), x, y, z (in the source's
    units; float32 as imported, float64 where resampled).
    """
    factor = resampling(options.resample_hz, rate_hz)
    board_hz = options.resample_hz or rate_hz
    files: list[Written] = []
    writers = _Writers(folder, files, np.float32 if factor == 1 else np.float64)
    try:
        for stretch in _stretches(parts, options, factor, board_hz):
            writers.add(stretch)
    finally:
        writers.close()
    return files


@dataclass(frozen=True)
class _Stretch:
    """Samples (n, 3) without a gap, or a piece of one. seconds: (n,). fresh: whether a stretch begins."""

    animal: str
    seconds: NDArray[np.float64]
    samples: NDArray[np.float64]
    fresh: bool


def _stretches(parts: Path, options: Options, factor: Fraction, board_hz: float) -> Iterator[_Stretch]:
    counted: dict[str, int] = {}
    last: tuple[str, str] | None = None
    before = np.empty(0)
    for segment in parquet_segments(parts, limit=_PIECE if factor == 1 else None):
        if segment.animal in options.exclude_animals:
            continue
        goes_on = last == (segment.animal, segment.place) and not _parted(before, segment)
        last = (segment.animal, segment.place)
        before = np.empty(0) if segment.seconds is None else segment.seconds[-1:]
        for number, piece in enumerate(stretches(len(segment.samples), segment.seconds)):
            samples = segment.samples[piece]
            first = None if segment.seconds is None else segment.seconds[piece]
            if factor != 1:
                samples = resample(samples, factor)
                start = 0.0 if first is None else first[0]
                first = None if first is None else start + np.arange(len(samples)) / board_hz
            if first is None:
                begun = counted.get(segment.animal, 0)
                counted[segment.animal] = begun + len(samples)
                first = (begun + np.arange(len(samples))) / board_hz
            yield _Stretch(segment.animal, first, samples, not goes_on or number > 0)


def _parted(before: NDArray[np.float64], segment: RawSegment) -> bool:
    """Tell whether a gap lies between two pieces of a segment."""
    if segment.seconds is None or not len(before) or len(segment.seconds) < 2:
        return False
    usual = float(np.median(np.diff(segment.seconds)))
    return float(segment.seconds[0] - before[0]) > LONG_STEP * usual > 0


class _Writers:
    """Open files, one per animal, begun anew where time goes back."""

    def __init__(self, folder: Path, files: list[Written], kind: Any) -> None:
        self._folder, self._files, self._kind = folder, files, kind
        self._open: dict[str, tuple[Any, Any, Written, float, int]] = {}
        self._taken: set[str] = set()

    def add(self, stretch: _Stretch) -> None:
        """Write a stretch behind the one before it of the same animal."""
        held = self._open.get(stretch.animal)
        if held is not None and stretch.seconds[0] < held[3] - _SLACK:
            self._finish(stretch.animal)
            held = None
        if held is None and len(self._open) >= _MOST_OPEN:
            self._finish(next(iter(self._open)))
        if held is None:
            context = replacing(self._folder / self._name(stretch.animal))
            writer = _writer(context.__enter__(), self._kind)
            written = Written(self._last_name, stretch.animal, 0, np.zeros(3))
            self._files.append(written)
            held = (context, writer, written, 0.0, -1)
        context, writer, written, _, segment = held
        segment += stretch.fresh or segment < 0
        writer.write_table(_table(stretch, segment, self._kind))
        written.samples += len(stretch.samples)
        written.total = written.total + stretch.samples.sum(axis=0)
        self._open[stretch.animal] = (context, writer, written, float(stretch.seconds[-1]), segment)

    def close(self) -> None:
        """Finish all files."""
        for animal in list(self._open):
            self._finish(animal)

    def _finish(self, animal: str) -> None:
        context, writer, *_ = self._open.pop(animal)
        writer.close()
        context.__exit__(None, None, None)

    def _name(self, animal: str) -> str:
        stem = card_text.card_name(animal)
        number = 1
        while (name := f"{stem}.parquet" if number == 1 else f"{stem}-{number}.parquet") in self._taken:
            number += 1
        self._taken.add(name)
        self._last_name = name
        return name


def _writer(path: Path, kind: Any) -> Any:
    import pyarrow
    from pyarrow import parquet

    schema = [("segment", pyarrow.int64()), ("time", pyarrow.float64())]
    schema += [(axis, pyarrow.from_numpy_dtype(np.dtype(kind))) for axis in "xyz"]
    # Readers of single parts of a file would not notice damage without checksums.
    return parquet.ParquetWriter(path, pyarrow.schema(schema), compression="zstd", write_page_checksum=True)


def _table(stretch: _Stretch, segment: int, kind: Any) -> Any:
    import pyarrow

    columns = {
        "segment": pyarrow.array(np.full(len(stretch.samples), segment, np.int64)),
        "time": pyarrow.array(stretch.seconds),
    }
    columns.update(
        {axis: pyarrow.array(stretch.samples[:, place].astype(kind)) for place, axis in enumerate("xyz")}
    )
    return pyarrow.table(columns)


def unlabelled_card(
    name: str,
    signal: tuple[str, float | None, float],
    written: Sequence[Written],
    per_g: float,
    imported_from: Path,
    folder: str,
    options: Options,
    notes: Sequence[str],
) -> str:
    """Return the TOML of a card of recordings without labels. signal: units, counts per g and rate."""
    units, counts_per_g, rate_hz = signal
    mean = sum((one.total for one in written), np.zeros(3)) / sum(one.samples for one in written) / per_g
    heaviest = int(np.argmax(np.abs(mean)))
    meanings = ["orientation not known to the import"] * 3
    meanings[heaviest] = f"gravity axis: reads {mean[heaviest]:+.2f} g on average"
    axes = "\n".join(
        f"  {{ name = {toml_string(axis)}, meaning = {toml_string(text)} }},"
        for axis, text in zip("xyz", meanings)
    )
    head = card_text.head(
        name, f"Imported from {imported_from.name}, without labels.", options, notes, UNLABELLED
    )
    lines = [
        *head,
        "",
        "[source]",
        f"folder = {toml_string(folder)}",
        f"imported_from = {toml_string(str(imported_from.resolve()))}",
        "",
        "[signal]",
        f'units = "{units}"',
        *([f"counts_per_g = {counts_per_g:.10g}   # of the files"] if counts_per_g is not None else []),
        f"rate_hz = {options.resample_hz or rate_hz:.10g}"
        + (f"   # resampled from {rate_hz:.10g} Hz" if options.resample_hz else ""),
        f"axes = [\n{axes}\n]",
    ]
    for one in written:
        gravity = ", ".join(f"{value:.4f}" for value in one.total / one.samples / per_g)
        lines += [
            "",
            "[[recordings]]",
            f"file = {toml_string(one.file)}",
            f"animal = {toml_string(one.animal)}",
            f"samples = {one.samples}",
            f"gravity_g = [{gravity}]   # mean vector",
        ]
    return "\n".join(lines) + "\n"
