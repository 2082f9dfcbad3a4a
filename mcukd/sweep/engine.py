"""Jobs in the order they need each other: in processes of this computer, or on a Dask cluster.

A job leaves its result in a file that appears in one step, so whatever is killed, what was finished stays,
and what was not is done again from its beginning. Nothing else is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Optional, Protocol

from mcukd.errors import UserError
from mcukd.parallel.cluster import connect
from mcukd.parallel.processes import Workers
from mcukd.progress import progress


class Job(Protocol):
    """A piece of work that can be pickled. Jobs of one key are the same job."""

    @property
    def key(self) -> str:
        """Identity of all that decides the result."""

    @property
    def name(self) -> str:
        """What the progress bar and errors call it."""

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
    jobs: Sequence[Job], workers: int = 1, scheduler: Optional[str] = None, folder: Optional[Path] = None
) -> dict[str, UserError]:
    """Do what `missing` returned, and return the errors by key of the jobs that could not be done.

    workers: processes of this computer. scheduler: address of a Dask scheduler instead; its workers must
    see `folder`. A job that fails takes those along that require it (which are not in the result), and no
    others. Raises UserError where a process of this computer dies, or no cluster answers.
    """
    if not jobs:
        return {}
    results = _on_cluster(jobs, scheduler, folder) if scheduler else _in_processes(jobs, workers)
    failed: dict[str, UserError] = {}
    with progress("Sweep", len(jobs)) as advance:
        for job, outcome in results:
            if isinstance(outcome, UserError):
                failed[job.key] = outcome
            advance(1, job.name)
    return failed


#: What a job's turn came to: None where it is done, its error, or that another's kept it from being tried.
SKIPPED = "skipped"


def perform(job: Job, *earlier: Any) -> Any:
    """Do a job unless it is done. An error is returned, not raised, so that the others go on.

    earlier: what the jobs it requires came to.
    """
    if any(outcome is not None for outcome in earlier):
        return SKIPPED
    try:
        if not job.is_done():
            job.run()
    except UserError as error:
        return error
    except OSError as error:
        return UserError(f"{job.name}: {error}.")
    return None


_Results = Iterator[tuple[Job, Any]]


def _in_processes(jobs: Sequence[Job], workers: int) -> _Results:
    waits_for: dict[str, set[str]] = {}
    follow: dict[str, list[Job]] = defaultdict(list)
    listed = {job.key for job in jobs}
    for job in jobs:
        waits_for[job.key] = {earlier.key for earlier in job.requires} & listed
        for key in waits_for[job.key]:
            follow[key].append(job)
    # What is ready goes in the order of the list, in which all runs of one model follow each other: a worker
    # keeps the compiled models of a few only.
    place = {job.key: number for number, job in enumerate(jobs)}
    ready = [place[job.key] for job in jobs if not waits_for[job.key]]
    running: dict[Future[Any], Job] = {}
    outcomes: dict[str, Any] = {}
    pool = Workers(min(workers, len(jobs)))
    try:
        with pool:
            while ready or running:
                while ready and len(running) < workers:
                    job = jobs[heappop(ready)]
                    before = [outcomes[earlier.key] for earlier in job.requires if earlier.key in listed]
                    running[pool.submit(perform, job, *before)] = job
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    job = running.pop(future)
                    outcomes[job.key] = future.result()
                    for later in follow[job.key]:
                        waits_for[later.key].discard(job.key)
                        if not waits_for[later.key]:
                            heappush(ready, place[later.key])
                    yield job, outcomes[job.key]
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died, perhaps for want of memory; what was finished is kept: run the same "
            f"command again, with fewer --workers than {workers} if it happens again."
        ) from error


def _on_cluster(jobs: Sequence[Job], scheduler: str, folder: Optional[Path]) -> _Results:
    with connect(scheduler, folder) as cluster:
        futures: dict[str, Any] = {}
        for job in jobs:
            before = [futures[earlier.key] for earlier in job.requires if earlier.key in futures]
            # The key makes a job that an earlier, killed sweep left running this sweep's own.
            futures[job.key] = cluster.submit(perform, job, *before, key=f"mcukd-sweep-{job.key}")
        by_future = {future.key: job for future, job in zip(futures.values(), jobs)}
        for future in cluster.as_completed(futures.values()):
            job = by_future[future.key]
            try:
                outcome = future.result()
            except cluster.KilledWorker:
                outcome = UserError(
                    f"{job.name}: its workers died again and again, perhaps for want of memory."
                )
            except CancelledError:
                raise UserError(
                    f"the Dask scheduler {scheduler} went away; what was finished is kept: start one and run "
                    "the same command again."
                ) from None
            yield job, outcome
