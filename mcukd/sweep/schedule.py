"""Jobs of a sweep in the order they need each other: which are not done, and running them.

A job writes its result to a file that appears in one step. So whatever is killed, finished jobs stay, and the
others are done again from their beginning; nothing else is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from mcukd.errors import UserError
from mcukd.parallel.executor import DaskCluster, Executor, LocalProcesses, OnProgress, Task, run_tasks


class Job(Protocol):
    """A piece of work that can be pickled. Jobs of one key are the same job."""

    @property
    def key(self) -> str:
        """Identity of all that decides the result."""

    @property
    def name(self) -> str:
        """The name in the progress bar and in errors."""

    @property
    def requires(self) -> tuple[Job, ...]:
        """What has to be done before."""

    def is_done(self) -> bool:
        """Tell whether the result is there."""

    def run(self) -> None:
        """Do it and write the result; UserError where it cannot be done."""


def missing(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that are not done, each once, with what they require, that before themselves.

    What is required by nothing but finished jobs is left out.
    """
    found: dict[str, Job] = {}

    def visit(job: Job) -> None:
        if job.key not in found and not job.is_done():
            for earlier in job.requires:
                visit(earlier)
            found[job.key] = job

    for job in jobs:
        visit(job)
    return list(found.values())


def run_jobs(
    jobs: Sequence[Job], workers: int = 1, scheduler: str | None = None, folder: Path | None = None
) -> dict[str, UserError]:
    """Do what `missing` returned, and return the errors by key of the jobs that could not be done.

    workers: processes of this computer. scheduler: address of a Dask scheduler instead; its workers must
    see `folder`. A job that fails takes those along that require it (which are not in the result), and no
    others. Raises UserError where a process of this computer dies, or no cluster answers.
    """
    # Jobs start in the order of the list, in which all runs of one model follow each other: a worker keeps
    # the compiled models of a few only.
    tasks = [
        Task(job.key, job.name, run_job, (job,), tuple(earlier.key for earlier in job.requires))
        for job in jobs
    ]
    # On a cluster the key makes a job that an earlier, killed sweep left running this sweep's own.
    executor: Executor = (
        DaskCluster(scheduler, (folder,) if folder else (), "mcukd-sweep")
        if scheduler
        else LocalProcesses(workers, "--workers")
    )
    results = run_tasks(tasks, executor, "Sweep", keep_going=True)
    return {key: result for key, result in results.items() if isinstance(result, UserError)}


def run_job(job: Job, on_progress: OnProgress = lambda units: None) -> None:
    """Do a job unless it is done. Raises UserError, also for a file that cannot be read or written."""
    try:
        if not job.is_done():
            job.run()
    except OSError as error:
        raise UserError(f"{job.name}: {error}.") from error
