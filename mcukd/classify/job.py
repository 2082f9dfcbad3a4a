"""One recording to classify: its options, checks against the model, and whether its results are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.classify.recording import BLOCK, Layout, Recording
from mcukd.classify.windows import Counters
from mcukd.data.worn import Fit, Worn, compare
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel

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
    """One file to classify, in plain values that can be sent to other processes and computers.

    study: directory with the integer model. hop: samples between windows; the model's own without it.
    zone: name of the time zone of the budget's days. sample: windows to keep with counts and logits.
    block: samples read at a time. individual: who was recorded; the file's name without it. worn: how sensors
    sat in the training data, to compare with. recorded_hz, simulated: the recording's rate, and whether no
    animal wore its sensor, where its card states it.
    """

    path: Path
    study: Path
    out: Path
    layout: Layout
    hop: int | None = None
    zone: str = "UTC"
    sample: int = 0
    block: int = BLOCK
    individual: str | None = None
    worn: Worn | None = None
    recorded_hz: float | None = None
    simulated: bool = False

    @property
    def who(self) -> str:
        """The animal's name."""
        return self.individual or self.path.stem

    def file(self, suffix: str) -> Path:
        """Return the path of a result."""
        return self.out / f"{self.path.stem}{suffix}"


def check_orientation(job: ClassifyJob, recording: Recording, counters: Counters) -> Fit:
    """Compare a recording's gravity with the training data's, once all its samples were read.

    counters: of the whole recording; an animal may lie for hours as no other did, so a part tells little.
    Raises UserError where an axis is swapped or points the other way.
    """
    if job.worn is None:
        return Fit(None, "axes are not compared, for the study does not say how sensors sat in its data")
    if len(job.layout.columns) != 3:
        return Fit(None, "axes are not compared, for they are not three")
    mean = np.asarray(counters.sums) / max(counters.samples, 1)
    fit = compare(job.worn, recording.in_g(mean), job.layout.columns)
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
    if job.sample and model.stream:
        raise UserError(
            f"--sample-windows is {job.sample}, but the state of this model is carried from window to "
            "window, so that no board could repeat one alone; leave the option out."
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


def identity_of(job: ClassifyJob, model: IntegerModel) -> dict[str, Any]:
    """Return all that decides the results: the file as it is now, the model and the options."""
    layout = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(job.layout).items()}
    return {
        "version": VERSION,
        "input": input_of(job),
        "model_sha256": model.sha256,
        "classes": list(model.classes),
        "layout": layout,
        "hop": job.hop or model.hop,
        "timezone": job.zone,
        "sample": job.sample,
        "individual": job.who,
        "worn": None if job.worn is None else job.worn.as_dict(),
        # Left out where it is not so, for that older results have no such key.
        **({"simulated": True} if job.simulated else {}),
    }


def input_of(job: ClassifyJob) -> dict[str, Any]:
    """Return which file a recording is and its state; UserError where it is gone."""
    try:
        return {**stat_of(job.path), "path": str(job.path.resolve())}
    except OSError as error:
        raise UserError(f"{job.path}: cannot be read ({error.strerror}); was it moved?") from error


def check_unchanged(job: ClassifyJob, identity: Mapping[str, Any]) -> None:
    """Raise UserError where a recording is no longer the file whose identity was taken."""
    if input_of(job) != identity["input"]:
        raise UserError(
            f"{job.path}: changed while it was classified, so that its results would be of no one file; run "
            "the same command again once nothing writes to it."
        )


def stat_of(path: Path) -> dict[str, int]:
    """Return size and time of modification, by which a changed file is noticed."""
    facts = path.stat()
    return {"bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def finished_summary(job: ClassifyJob, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Return the summary where all results are there and of this file, model and options, else None."""
    try:
        summary = json.loads(job.file(SUMMARY).read_text(encoding="utf-8"))
        if summary.pop("identity") != identity:
            return None
        for name, seen in summary.pop("outputs").items():
            if stat_of(job.file(OUTPUTS[name])) != seen:
                return None
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return dict(summary)
