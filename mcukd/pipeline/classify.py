"""Classify stage: many recordings, in this process, in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Optional
from uuid import uuid4

from mcukd.classify.recording import open_recording
from mcukd.classify.results import ClassifyJob, classify_file
from mcukd.errors import UserError
from mcukd.parallel.executor import DaskCluster, Executor, InProcess, LocalProcesses, Task, run_tasks


def classify_files(
    jobs: Sequence[ClassifyJob], workers: int = 1, scheduler: Optional[str] = None
) -> list[dict[str, Any]]:
    """Classify files and return their summaries in the order of the jobs.

    workers: processes of this computer. scheduler: address of a Dask scheduler instead, whose workers have
    mcukd installed and see the same folders. A file that cannot be classified does not keep the others from
    it; UserError, raised when all else is done, tells the first and how many more.
    """
    _check_names(jobs)
    tasks = [
        Task(str(number), one.path.name, classify_file, (one,), units=_length(one))
        for number, one in enumerate(jobs)
    ]
    results = run_tasks(tasks, _executor(jobs, workers, scheduler), "Classifying", keep_going=True)
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


def _executor(jobs: Sequence[ClassifyJob], workers: int, scheduler: Optional[str]) -> Executor:
    if scheduler is not None:
        # All files of a command are written to one folder, made here so that workers can be asked for it.
        folder = jobs[0].out if jobs else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # Keys of this call's own: another user of the cluster may classify files of the same names.
        return DaskCluster(scheduler, folder, f"mcukd-classify-{uuid4().hex}")
    return LocalProcesses(workers, "--jobs") if workers > 1 and len(jobs) > 1 else InProcess()


def _length(job: ClassifyJob) -> int:
    """Return the samples of a recording; 0 for one that cannot be opened, which its job reports."""
    try:
        return open_recording(job.path, job.layout).samples
    except UserError:
        return 0


def _check_names(jobs: Sequence[ClassifyJob]) -> None:
    """Check that no file would overwrite the results of another."""
    stems = Counter(one.path.stem for one in jobs)
    twice = next((stem for stem, count in stems.items() if count > 1), None)
    if twice is not None:
        paths = [str(one.path) for one in jobs if one.path.stem == twice]
        raise UserError(
            f"{paths[0]} and {paths[1]} would have the same individual and results '{twice}'; rename one."
        )
