"""One recording from its file to its results: everything is written whole or not at all, the summary last."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, tzinfo
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.classify.counters import Annotations, Budget, minutes, stamp
from mcukd.classify.ethogram import draw_ethogram
from mcukd.classify.recording import BLOCK, Layout, Recording, open_recording
from mcukd.classify.windows import Answers, Tally, classify_recording
from mcukd.data.worn import Fit, Worn, compare
from mcukd.errors import UserError
from mcukd.files import replacing, write_json
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.inference.batch import backend, window_count

#: Raised when what is written of the same recording changes, so that old results are made anew.
VERSION = 1
OUTPUTS = {
    "windows": ".windows.parquet",
    "budget": ".budget.csv",
    "ethogram": ".ethogram.png",
    "annotations": ".annotations.csv",
    "sample": ".sample.npz",
}
SUMMARY = ".summary.json"


@dataclass(frozen=True)
class ClassifyJob:
    """One file to classify; plain values, so that it travels to other processes and computers.

    study: directory with the integer model. hop: samples between windows; the model's own without it.
    zone: name of the time zone of the budget's days. sample: windows to keep with counts and logits.
    block: samples read at a time. individual: who was recorded; the file's name without it. worn: how sensors
    sat in the training data, to compare with. recorded_hz: the recording's rate, where its card states it.
    """

    path: Path
    study: Path
    out: Path
    layout: Layout
    hop: Optional[int] = None
    zone: str = "UTC"
    sample: int = 0
    block: int = BLOCK
    individual: Optional[str] = None
    worn: Optional[Worn] = None
    recorded_hz: Optional[float] = None

    @property
    def who(self) -> str:
        """The animal's name."""
        return self.individual or self.path.stem

    def file(self, suffix: str) -> Path:
        """Return the path of a result."""
        return self.out / f"{self.path.stem}{suffix}"


def classify_file(job: ClassifyJob, advance: Optional[Callable[[int], None]] = None) -> dict[str, Any]:
    """Classify a file and return its summary, with `ran` False where it was all there already.

    advance: called with the samples done since the last call. Writes the files of `OUTPUTS` and the summary;
    none is there half-written, and without the summary the file counts as not done.
    Raises UserError where file, stamps or options do not fit the model.
    """
    model = load_model(job.study)
    check_options(model, job)
    recording = open_recording(job.path, job.layout)
    identity = _identity(job, model)
    if done := _finished(job, identity):
        if advance:
            advance(recording.samples)
        return {**done, "ran": False}
    fit = check_orientation(job, recording)
    job.file(SUMMARY).unlink(missing_ok=True)
    tally, budget = Tally(), Budget(len(model.classes))
    hop = job.hop or model.hop
    sample = _Sample(job.sample, window_count(recording.samples, model.window, hop), model.window)
    with ExitStack() as files:
        windows = files.enter_context(_windows_writer(files.enter_context(_new(job, "windows")), model))
        text = files.enter_context(_new(job, "annotations")).open("w", encoding="utf-8", newline="")
        annotations = Annotations(files.enter_context(text), job.who, model.classes)
        seen = 0
        for answers in classify_recording(model, recording, hop, tally, job.block):
            windows.write(_table(model, answers))
            budget.add(answers.starts, answers.ends, answers.classes)
            annotations.add(answers.starts, answers.ends, answers.classes)
            sample.add(answers)
            if advance and tally.samples > seen:
                advance(tally.samples - seen)
                seen = tally.samples
        annotations.close()
        days = budget.days(zone_of(job.zone))
        with _new(job, "budget") as path:
            _write_budget(days, model.classes, path)
        with _new(job, "ethogram") as path:
            simulated = " (model made from SIMULATED data)" if model.simulated else ""
            title = f"{job.who}: behaviour by quarter of an hour, {job.zone}{simulated}"
            draw_ethogram(days, model.classes, title, path)
        if job.sample:
            with _new(job, "sample") as path:
                sample.save(path)
    if advance:
        advance(recording.samples - seen)
    summary = _summary(job, model, recording, tally, hop, days, annotations.bouts, sample)
    summary["orientation"] = fit.note
    names = [name for name in OUTPUTS if name != "sample" or job.sample]
    outputs = {name: _identity_of(job.file(OUTPUTS[name])) for name in names}
    write_json(job.file(SUMMARY), {**summary, "outputs": outputs, "identity": identity})
    return {**summary, "ran": True}


def check_orientation(job: ClassifyJob, recording: Recording) -> Fit:
    """Compare a recording's gravity with the training data's.

    Raises UserError where an axis is swapped or points the other way.
    """
    if job.worn is None:
        return Fit(None, "axes are not compared, for the study does not say how sensors sat in its data")
    if len(job.layout.columns) != 3:
        return Fit(None, "axes are not compared, for they are not three")
    total, count = np.zeros(3), 0
    for values in recording.values():
        finite = values[np.isfinite(values).all(axis=1)]
        total += recording.in_g(finite).sum(axis=0)
        count += len(finite)
    fit = compare(job.worn, total / max(count, 1), job.layout.columns)
    if fit.refused:
        raise UserError(f"{recording.path}: {fit.note}.")
    return fit


def check_options(model: IntegerModel, job: ClassifyJob) -> None:
    """Raise UserError where hop, columns, rate or zone do not fit the model."""
    if job.hop is not None and job.hop < 1:
        raise UserError(f"--hop is {job.hop}, expected at least 1 sample between windows.")
    if len(job.layout.columns) != model.channels:
        raise UserError(
            f"--columns names {len(job.layout.columns)} columns, but the model takes {model.channels} axes."
        )
    rate = job.layout.rate_hz
    if job.recorded_hz is not None and abs(job.recorded_hz - model.rate_hz) > 0.02 * model.rate_hz:
        raise UserError(
            f"{job.path}: its card says {job.recorded_hz:g} Hz, but the model was made for "
            f"{model.rate_hz:g} Hz; import the recordings again with --resample {model.rate_hz:g}."
        )
    if abs(rate - model.rate_hz) > 0.001 * model.rate_hz:
        raise UserError(
            f"--rate is {rate:g} Hz, but the model was made for {model.rate_hz:g} Hz; resample the recording "
            "to that rate first."
        )
    zone_of(job.zone)


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name in the IANA data base."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(f"--timezone is '{name}', expected a name such as Europe/London or UTC.") from None


class _Sample:
    """Windows spread evenly over a recording, kept with all that a board needs to answer them again."""

    def __init__(self, wanted: int, windows: int, steps: int) -> None:
        count = min(wanted, windows)
        self._numbers = np.unique(np.linspace(0, max(windows - 1, 0), count).astype(np.int64))
        self._steps = steps
        self._kept: list[dict[str, NDArray[Any]]] = []

    @property
    def count(self) -> int:
        return sum(len(part["classes"]) for part in self._kept)

    def add(self, answers: Answers) -> None:
        low, high = np.searchsorted(self._numbers, [answers.first, answers.first + len(answers.classes)])
        rows = self._numbers[low:high] - answers.first
        if len(rows):
            samples = answers.offsets[rows][:, None] + np.arange(self._steps)
            self._kept.append(
                {
                    "counts": answers.counts[samples],
                    "classes": answers.classes[rows],
                    "logits": answers.logits[rows],
                    "starts_ns": answers.starts[rows],
                }
            )

    def save(self, path: Path) -> None:
        parts = {name: np.concatenate([part[name] for part in self._kept]) for name in self._kept[0]}
        np.savez_compressed(path, **parts)


def merge_samples(jobs: list[ClassifyJob], path: Path) -> int:
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


def _new(job: ClassifyJob, name: str) -> Any:
    return replacing(job.file(OUTPUTS[name]))


def _windows_writer(path: Path, model: IntegerModel) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    facts = {"classes": list(model.classes), "model_sha256": model.sha256}
    schema = pa.schema(
        [
            ("start", pa.timestamp("us", "UTC")),
            ("class_id", pa.uint8()),
            ("behaviour", pa.dictionary(pa.int16(), pa.string())),
            ("margin", pa.float32()),
        ],
        metadata={"mcukd": json.dumps(facts)},
    )
    return parquet.ParquetWriter(path, schema, compression="zstd")


def _table(model: IntegerModel, answers: Answers) -> Any:
    import pyarrow as pa

    top = np.sort(answers.logits.astype(np.int32), axis=1)[:, -2:]
    margin = (top[:, -1] - top[:, 0]) * 2.0 ** -model.length("logits")
    indices, names = pa.array(answers.classes.astype(np.int16)), pa.array(list(model.classes), pa.string())
    microseconds = pa.array((answers.starts + 500) // 1000, pa.timestamp("us", "UTC"))
    columns = [
        microseconds,
        pa.array(answers.classes),
        pa.DictionaryArray.from_arrays(indices, names),
        pa.array(margin, pa.float32()),
    ]
    return pa.table(columns, names=["start", "class_id", "behaviour", "margin"])


def _write_budget(days: Mapping[date, NDArray[np.int64]], classes: tuple[str, ...], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["date", *classes, "minutes"])
        for day, time in days.items():
            by_class = time.sum(axis=0)
            if by_class.sum():
                rows.writerow(
                    [day, *(f"{minutes(ns):.4f}" for ns in by_class), f"{minutes(by_class.sum()):.4f}"]
                )


def _summary(
    job: ClassifyJob, model: IntegerModel, recording: Recording, tally: Tally, hop: int,
    days: Mapping[date, NDArray[np.int64]], bouts: int, sample: _Sample,
) -> dict[str, Any]:  # fmt: skip
    total = np.sum([time.sum(axis=0) for time in days.values()], axis=0)
    classified = float(minutes(total.sum()))
    assert tally.first_ns is not None and tally.last_ns is not None
    return {
        "file": job.path.name,
        "individual": job.who,
        "units": recording.units,
        "counts_per_g": model.counts_per_g,
        "saturated_samples": tally.saturated,
        "samples": tally.samples,
        "stretches": tally.stretches,
        "start": stamp(tally.first_ns),
        "end": stamp(tally.last_ns),
        "recorded_minutes": round(float(minutes(tally.recorded_ns)), 4),
        "classified_minutes": round(classified, 4),
        "windows": tally.windows,
        "window": model.window,
        "hop": hop,
        "rate_hz": model.rate_hz,
        "timezone": job.zone,
        "days": sum(bool(time.sum()) for time in days.values()),
        "bouts": bouts,
        "minutes": {name: round(float(minutes(ns)), 4) for name, ns in zip(model.classes, total)},
        "share": {name: round(float(ns / total.sum()), 6) for name, ns in zip(model.classes, total)},
        "sampled_windows": sample.count,
        "computed_with": backend(model).name,
        "model_sha256": model.sha256,
        "model_of_simulated_data": model.simulated,
    }


def _identity(job: ClassifyJob, model: IntegerModel) -> dict[str, Any]:
    """Return what decides the results: the file as it is now, the model and the options."""
    layout = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(job.layout).items()}
    return {
        "version": VERSION,
        "input": {**_identity_of(job.path), "path": str(job.path.resolve())},
        "model_sha256": model.sha256,
        "classes": list(model.classes),
        "layout": layout,
        "hop": job.hop or model.hop,
        "timezone": job.zone,
        "sample": job.sample,
        "individual": job.who,
        "worn": None if job.worn is None else job.worn.as_dict(),
    }


def _identity_of(path: Path) -> dict[str, int]:
    facts = path.stat()
    return {"bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def _finished(job: ClassifyJob, identity: dict[str, Any]) -> Optional[dict[str, Any]]:
    """Return the summary of results that are all there and belong to this very file, model and options."""
    try:
        summary = json.loads(job.file(SUMMARY).read_text(encoding="utf-8"))
        if summary.pop("identity") != identity:
            return None
        for name, seen in summary.pop("outputs").items():
            if _identity_of(job.file(OUTPUTS[name])) != seen:
                return None
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return dict(summary)
