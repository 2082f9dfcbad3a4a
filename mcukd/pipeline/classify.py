"""Many recordings: one after the other, in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Optional
from uuid import uuid4

from mcukd.classify.results import Task, classify_file
from mcukd.errors import UserError
from mcukd.parallel.cluster import connect
from mcukd.parallel.processes import Workers
from mcukd.progress import progress


def classify_files(
    tasks: Sequence[Task], jobs: int = 1, scheduler: Optional[str] = None
) -> list[dict[str, Any]]:
    """Classify files and return their summaries in the order of the tasks.

    jobs: processes of this computer. scheduler: address of a Dask scheduler instead, whose workers have
    mcukd installed and see the same folders. A file that cannot be classified does not keep the others from
    it; UserError, raised when all else is done, tells the first and how many more.
    """
    _check_names(tasks)
    if scheduler is not None:
        results = _on_cluster(tasks, scheduler)
    elif jobs > 1 and len(tasks) > 1:
        results = _in_processes(tasks, min(jobs, len(tasks)))
    else:
        results = _in_turn(tasks)
    found: dict[int, dict[str, Any]] = {}
    failed: dict[int, UserError] = {}
    for number, result in results:
        if isinstance(result, UserError):
            failed[number] = result
        else:
            found[number] = result
    if failed:
        first = failed[min(failed)]
        if len(tasks) == 1:
            raise first
        raise UserError(
            f"{str(first).rstrip('.')}; {len(failed)} of {len(tasks)} files failed, results of the other "
            f"{len(found)} are written."
        ) from first
    return [found[number] for number in sorted(found)]


def _check_names(tasks: Sequence[Task]) -> None:
    """Check that no file would overwrite the results of another."""
    stems = Counter(task.path.stem for task in tasks)
    twice = next((stem for stem, count in stems.items() if count > 1), None)
    if twice is not None:
        paths = [str(task.path) for task in tasks if task.path.stem == twice]
        raise UserError(
            f"{paths[0]} and {paths[1]} would have the same individual and results '{twice}'; rename one."
        )


_Results = Iterator[tuple[int, Any]]


def _in_turn(tasks: Sequence[Task]) -> _Results:
    for number, task in enumerate(tasks):
        with progress(f"Classifying {task.path.name}", _length(task)) as advance:
            yield number, _attempt(task, lambda done, advance=advance: advance(done))


def _attempt(task: Task, advance: Any = None) -> Any:
    """Return a file's summary, or its error: as a value it takes its turn among the others."""
    try:
        return classify_file(task, advance)
    except UserError as error:
        return error


def _length(task: Task) -> int:
    from mcukd.classify.recording import open_recording

    try:
        return open_recording(task.path, task.layout).samples
    except UserError:
        return 0


def _in_processes(tasks: Sequence[Task], jobs: int) -> _Results:
    try:
        with Workers(jobs) as pool, progress("Classifying files", len(tasks)) as advance:
            futures = {pool.submit(_attempt, task): n for n, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()
                advance(1, tasks[futures[future]].path.name)
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died, perhaps for want of memory; finished files are kept: run the same "
            "command again, with a lower --jobs if it happens again."
        ) from error


def _on_cluster(tasks: Sequence[Task], scheduler: str) -> _Results:
    # All tasks of a command write to one folder, which is made here so that workers can be asked for it.
    folder = tasks[0].out if tasks else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with connect(scheduler, folder) as cluster:
        # Keys of this call's own: another user of the cluster may classify files of the same names.
        call = uuid4().hex
        futures = {
            cluster.submit(_attempt, task, key=f"mcukd-classify-{call}-{number}"): number
            for number, task in enumerate(tasks)
        }
        with progress("Classifying files", len(tasks)) as advance:
            for future in cluster.as_completed(futures):
                number = futures[future]
                try:
                    result = future.result()
                except cluster.KilledWorker:
                    result = UserError(
                        f"{tasks[number].path}: its workers died again and again, perhaps for want of memory."
                    )
                except CancelledError:
                    raise UserError(
                        f"the Dask scheduler {scheduler} went away; finished files are kept: start one and "
                        "run the same command again."
                    ) from None
                yield number, result
                advance(1, tasks[number].path.name)
