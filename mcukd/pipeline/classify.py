"""Classify stage: many recordings, in this process, in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mcukd.classify.inputs import find_recordings
from mcukd.classify.job import ClassifyJob, zone_of
from mcukd.classify.recording import INT16, Layout, open_recording
from mcukd.classify.results import classify_file
from mcukd.data.card import load_card
from mcukd.data.counts import count_limits
from mcukd.data.worn import WORN, worn_from
from mcukd.errors import UserError
from mcukd.extras import require
from mcukd.files import make_folder
from mcukd.fixedpoint.model import ARRAYS_FILE, FACTS_FILE, IntegerModel, load_model
from mcukd.models.student import require_integers
from mcukd.parallel.executor import DaskCluster, Executor, InProcess, LocalProcesses, Task, run_tasks
from mcukd.progress import tell
from mcukd.study import Study


@dataclass(frozen=True)
class RecordingOptions:
    """How recordings are read, and which of their windows are classified and kept.

    columns: of the axes, in the model's order. time_column: of stamps; without it `start` (ISO 8601) and
    rate_hz give the times. timezone: of the budget's days, and of `start`. hop: samples between windows; the
    model's own without it. sample_windows: windows to keep over all recordings.
    """

    columns: tuple[str, ...] = ("x", "y", "z")
    time_column: str | None = None
    start: str | None = None
    rate_hz: float | None = None
    timezone: str = "UTC"
    hop: int | None = None
    sample_windows: int = 0


def classifiable_model(study: Study) -> IntegerModel:
    """Return a study's integer model; UserError where it has none."""
    require_integers(study, "'mcukd classify'")
    return load_model(study.path)


def classify_jobs(
    study: Study, model: IntegerModel, paths: Sequence[Path], out: Path, options: RecordingOptions
) -> list[ClassifyJob]:
    """Return a job for each recording at `paths`: files, cards, or folders with a card.

    Raises UserError for options that do not go together and paths that hold no recordings.
    """
    require("pyarrow", "classifying recordings")
    recordings = find_recordings(paths, _layout(study, model, options))
    worn = worn_from(study.manifest.get(WORN))
    count, wanted = len(recordings), options.sample_windows
    return [
        ClassifyJob(
            one.path.absolute(),
            study.path.absolute(),
            out.absolute(),
            one.layout,
            options.hop,
            options.timezone,
            wanted * (number + 1) // count - wanted * number // count,
            individual=one.individual,
            worn=worn,
            recorded_hz=one.recorded_hz,
            simulated=one.simulated,
        )
        for number, one in enumerate(recordings)
    ]


def _layout(study: Study, model: IntegerModel, options: RecordingOptions) -> Layout:
    if options.time_column is not None and (options.start is not None or options.rate_hz is not None):
        raise UserError("--time-column already gives the times; leave --start and --rate out.")
    if (options.start is None) != (options.rate_hz is None):
        raise UserError(
            "--start and --rate go together: when the first sample was taken, and how many a second."
        )
    try:
        card = load_card(study.card)
        limits = count_limits(card.signal) if card.counts_per_g == model.counts_per_g else INT16
    except UserError:
        limits = INT16  # the card is gone, so all that is known of the sensor is its counts' type
    rate_hz = options.rate_hz or model.rate_hz
    first = None if options.start is None else _nanoseconds(options.start, options.timezone)
    return Layout(options.columns, rate_hz, model.counts_per_g, options.time_column, first, limits)


def _nanoseconds(start: str, timezone: str) -> int:
    """Return a time in ISO 8601 as ns since 1970; one without an offset is of the time zone."""
    zone = zone_of(timezone)
    try:
        moment = datetime.fromisoformat(start.strip())
    except ValueError:
        raise UserError(f"--start is '{start}', expected a time such as 2026-05-01T06:30:00+00:00.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    since = moment - epoch
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def classify_files(
    jobs: Sequence[ClassifyJob], workers: int = 1, scheduler: str | None = None
) -> list[dict[str, Any]]:
    """Classify files and return their summaries in the order of the jobs.

    workers: processes of this computer. scheduler: address of a Dask scheduler instead, whose workers have
    mcukd installed and see the same folders. A file that cannot be classified does not keep the others from
    it; UserError, raised when all else is done, tells the first and how many more.
    """
    _check_names(jobs)
    tasks = [
        # A recording that is not here either is the error of its own job.
        Task(
            str(number),
            one.path.name,
            classify_file,
            (one,),
            units=_length(one),
            files=(one.path,) if one.path.is_file() else (),
        )
        for number, one in enumerate(jobs)
    ]
    told = _tell_failure if len(tasks) > 1 else lambda task, result: None
    place = _executor(jobs, workers, scheduler)
    results = run_tasks(tasks, place, "Classifying", keep_going=True, on_result=told)
    summaries = [results[task.key] for task in tasks]
    failed = [one for one in summaries if isinstance(one, UserError)]
    if failed:
        if len(tasks) == 1:
            raise failed[0]
        raise UserError(
            f"{str(failed[0]).rstrip('.')}; {len(failed)} of {len(tasks)} files failed, results of the other "
            f"{len(tasks) - len(failed)} are written."
        ) from failed[0]
    return summaries


def _tell_failure(task: Task, result: Any) -> None:
    """Write what is wrong with a file as soon as it is known: the command's error tells of one of them."""
    if isinstance(result, UserError):
        tell(str(result))


def _executor(jobs: Sequence[ClassifyJob], workers: int, scheduler: str | None) -> Executor:
    if scheduler is not None:
        # Folders of results are made here so that workers can be asked for them.
        folders = sorted({one.out for one in jobs})
        for folder in folders:
            make_folder(folder)
        studies = sorted({one.study for one in jobs})
        models = [study / name for study in studies for name in (ARRAYS_FILE, FACTS_FILE)]
        # Keys of this call's own: another user of the cluster may classify files of the same names.
        return DaskCluster(scheduler, (*folders, *models), f"mcukd-classify-{uuid4().hex}")
    return LocalProcesses(workers, "--jobs") if workers > 1 and len(jobs) > 1 else InProcess()


def _length(job: ClassifyJob) -> int:
    """Return the samples of a recording; 0 for one that cannot be opened, which its job reports."""
    try:
        return open_recording(job.path, job.layout).samples
    except UserError:
        return 0


def _check_names(jobs: Sequence[ClassifyJob]) -> None:
    """Check that no file would overwrite the results of another.

    Names that differ in capitals only are one file on many shares.
    """
    first: dict[str, Path] = {}
    for one in jobs:
        name = one.path.stem.casefold()
        if name in first:
            other = first[name]
            if other == one.path or (other.is_file() and one.path.is_file() and other.samefile(one.path)):
                raise UserError(f"{one.path} is named twice; name it once.")
            raise UserError(
                f"{other} and {one.path} would have the same individual and results '{one.path.stem}'; "
                "rename one, or classify each folder into an --out of its own."
            )
        first[name] = one.path
