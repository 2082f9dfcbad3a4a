"""Results of one recording: windows, time budget, ethogram, annotations, and last the summary.

Each file is written whole or not at all; without a summary of its own the recording counts as not done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.annotations.movebank import stamp
from mcukd.classify.counters import Annotations, TimeBudget, minutes
from mcukd.classify.ethogram import draw_ethogram
from mcukd.classify.job import (
    OUTPUTS,
    SUMMARY,
    ClassifyJob,
    check_options,
    check_orientation,
    check_unchanged,
    finished_summary,
    identity_of,
    stat_of,
    zone_of,
)
from mcukd.classify.outputs import WindowSample, windows_table, windows_writer, write_budget
from mcukd.classify.recording import Recording, open_recording
from mcukd.classify.windows import Counters, classify_recording
from mcukd.files import replacing, write_json
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.inference.batch import backend, window_count


def classify_file(job: ClassifyJob, on_progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Classify a file and return its summary, with `ran` False where all results were there already.

    on_progress: called with the samples done since the last call. Writes the files of `OUTPUTS` and the
    summary.
    Raises UserError where file, stamps or options do not fit the model.
    """
    model = load_model(job.study)
    check_options(model, job)
    recording = open_recording(job.path, job.layout)
    identity = identity_of(job, model)
    if done := finished_summary(job, identity):
        if on_progress:
            on_progress(recording.samples)
        return {**done, "ran": False}
    counters, budget = Counters(), TimeBudget(len(model.outcomes))
    hop = job.hop or model.hop
    sample = WindowSample(job.sample, window_count(recording.samples, model.window, hop), model.window)
    with ExitStack() as files:
        windows = files.enter_context(windows_writer(files.enter_context(_new(job, "windows")), model, hop))
        text = files.enter_context(_new(job, "annotations")).open("w", encoding="utf-8", newline="")
        annotations = Annotations(files.enter_context(text), job.who, model.outcomes)
        reported = 0
        for batch in classify_recording(model, recording, hop, counters, job.block):
            windows.write(windows_table(model, batch))
            budget.add(batch.starts, batch.ends, batch.classes)
            annotations.add(batch.starts, batch.ends, batch.classes)
            sample.add(batch)
            if on_progress and counters.samples > reported:
                on_progress(counters.samples - reported)
                reported = counters.samples
        check_unchanged(job, identity)
        fit = check_orientation(job, recording, counters)
        annotations.close()
        days = budget.days(zone_of(job.zone))
        with _new(job, "budget") as path:
            write_budget(days, model.outcomes, path)
        with _new(job, "ethogram") as path:
            simulated = ["model made from SIMULATED data"] if model.simulated else []
            simulated += ["SIMULATED recording"] if job.simulated else []
            note = f" ({', '.join(simulated)})" if simulated else ""
            title = f"{job.who}: behaviour by quarter of an hour, {job.zone}{note}"
            draw_ethogram(days, model.outcomes, title, path)
        if job.sample:
            with _new(job, "sample") as path:
                sample.save(path)
        # Until here, earlier results of another model or other options are whole.
        job.file(SUMMARY).unlink(missing_ok=True)
    if on_progress:
        on_progress(recording.samples - reported)
    summary = _summary(job, model, recording, counters, hop, days, annotations.bouts, sample)
    summary["orientation"] = fit.note
    names = [name for name in OUTPUTS if name != "sample" or job.sample]
    outputs = {name: stat_of(job.file(OUTPUTS[name])) for name in names}
    write_json(job.file(SUMMARY), {**summary, "outputs": outputs, "identity": identity})
    return {**summary, "ran": True}


def _new(job: ClassifyJob, name: str) -> Any:
    return replacing(job.file(OUTPUTS[name]))


def _summary(
    job: ClassifyJob, model: IntegerModel, recording: Recording, counters: Counters, hop: int,
    days: Mapping[date, NDArray[np.int64]], bouts: int, sample: WindowSample,
) -> dict[str, Any]:  # fmt: skip
    total = np.sum([time.sum(axis=0) for time in days.values()], axis=0)
    classified = float(minutes(total.sum()))
    assert counters.first_ns is not None and counters.last_ns is not None
    return {
        "file": job.path.name,
        "individual": job.who,
        "units": recording.units,
        "counts_per_g": model.counts_per_g,
        "saturated_samples": counters.saturated,
        "samples": counters.samples,
        "stretches": counters.stretches,
        "start": stamp(counters.first_ns),
        "end": stamp(counters.last_ns),
        "recorded_minutes": round(float(minutes(counters.recorded_ns)), 4),
        "classified_minutes": round(classified, 4),
        "windows": counters.windows,
        "window": model.window,
        "hop": hop,
        "rate_hz": model.rate_hz,
        "timezone": job.zone,
        "days": sum(bool(time.sum()) for time in days.values()),
        "bouts": bouts,
        "minutes": {name: round(float(minutes(ns)), 4) for name, ns in zip(model.outcomes, total)},
        "share": {name: round(float(ns / total.sum()), 6) for name, ns in zip(model.outcomes, total)},
        "sampled_windows": sample.count,
        "computed_with": backend(model).name,
        "model_sha256": model.sha256,
        "model_of_simulated_data": model.simulated,
        "simulated_recording": job.simulated,
    }
