"""Files of results: windows as Parquet, the daily time budget as CSV, and a sample of windows as `.npz`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.classify.counters import minutes
from mcukd.classify.job import OUTPUTS, ClassifyJob
from mcukd.classify.recording import RESULTS
from mcukd.classify.windows import ClassifiedWindows
from mcukd.files import replacing
from mcukd.fixedpoint.model import IntegerModel


def windows_writer(path: Path, model: IntegerModel, hop: int) -> Any:
    """Open a Parquet file for the tables of `windows_table`. hop: samples between windows."""
    import pyarrow as pa
    from pyarrow import parquet

    facts = {
        "classes": list(model.outcomes),
        "model_sha256": model.sha256,
        "window_s": model.window / model.rate_hz,
        "hop_s": hop / model.rate_hz,
    }
    schema = pa.schema(
        [
            ("start", pa.timestamp("us", "UTC")),
            ("class_id", pa.uint8()),
            ("behaviour", pa.dictionary(pa.int16(), pa.string())),
            ("margin", pa.float32()),
        ],
        metadata={RESULTS: json.dumps(facts)},
    )
    return parquet.ParquetWriter(path, schema, compression="zstd")


def windows_table(model: IntegerModel, batch: ClassifiedWindows) -> Any:
    """Return windows as an Arrow table: start, class, behaviour, and the margin of the first logit."""
    import pyarrow as pa

    top = np.sort(batch.logits.astype(np.int32), axis=1)[:, -2:]
    margin = (top[:, -1] - top[:, 0]) * 2.0 ** -model.length("logits")
    indices, names = pa.array(batch.classes.astype(np.int16)), pa.array(list(model.outcomes), pa.string())
    microseconds = pa.array((batch.starts + 500) // 1000, pa.timestamp("us", "UTC"))
    columns = [
        microseconds,
        pa.array(batch.classes),
        pa.DictionaryArray.from_arrays(indices, names),
        pa.array(margin, pa.float32()),
    ]
    return pa.table(columns, names=["start", "class_id", "behaviour", "margin"])


def write_budget(days: Mapping[date, NDArray[np.int64]], classes: tuple[str, ...], path: Path) -> None:
    """Write minutes by class and day as CSV; days without a classified window are left out."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["date", *classes, "minutes"])
        for day, time in days.items():
            by_class = time.sum(axis=0)
            if by_class.sum():
                rows.writerow(
                    [day, *(f"{minutes(ns):.4f}" for ns in by_class), f"{minutes(by_class.sum()):.4f}"]
                )


class WindowSample:
    """Windows spread evenly over a recording, kept with counts and logits so that a board can repeat them."""

    def __init__(self, wanted: int, windows: int, steps: int) -> None:
        count = min(wanted, windows)
        self._numbers = np.unique(np.linspace(0, max(windows - 1, 0), count).astype(np.int64))
        self._steps = steps
        self._kept: list[dict[str, NDArray[Any]]] = []

    @property
    def count(self) -> int:
        """The number of windows kept so far."""
        return sum(len(part["classes"]) for part in self._kept)

    def add(self, batch: ClassifiedWindows) -> None:
        """Keep those windows of a batch that belong to the sample."""
        low, high = np.searchsorted(self._numbers, [batch.first, batch.first + len(batch.classes)])
        rows = self._numbers[low:high] - batch.first
        if len(rows):
            samples = batch.offsets[rows][:, None] + np.arange(self._steps)
            self._kept.append(
                {
                    "counts": batch.counts[samples],
                    "classes": batch.classes[rows],
                    "logits": batch.logits[rows],
                    "starts_ns": batch.starts[rows],
                }
            )

    def save(self, path: Path) -> None:
        """Write the sample as `.npz`: counts, classes, logits and starts_ns of the windows kept."""
        parts = {name: np.concatenate([part[name] for part in self._kept]) for name in self._kept[0]}
        np.savez_compressed(path, **parts)


def merge_samples(jobs: Sequence[ClassifyJob], path: Path) -> int:
    """Write the samples of all files as one, with the file of each window; return the number of windows."""
    parts = []
    for job in jobs:
        with np.load(job.file(OUTPUTS["sample"]), allow_pickle=False) as stored:
            part = {name: stored[name] for name in stored.files}
        parts.append({**part, "files": np.full(len(part["classes"]), job.path.name)})
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **merged)
    return len(merged["classes"])
