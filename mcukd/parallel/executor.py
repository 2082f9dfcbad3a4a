"""Executor of tasks: in this process, in processes of this computer, or on a Dask cluster.

A task is a function with its arguments, and the tasks that have to be done before it. Tasks start in the
order they are given, each as soon as those it requires are done. Where tasks write their results in one step,
a run that was interrupted or killed can be resumed: the caller passes the tasks that are left.

    tasks = [Task(job.key, job.name, run_job, (job,)) for job in jobs if not job.is_done()]
    results = run_tasks(tasks, LocalProcesses(4, "--jobs"), "Training")
"""

from __future__ import annotations

import multiprocessing
import pickle
import queue
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, Protocol

from mcukd.errors import UserError
from mcukd.parallel.cluster import (
    Cluster,
    Needed,
    Refused,
    and_files,
    complaint_here,
    connect,
    content_of,
    worker_address,
)
from mcukd.parallel.processes import Workers
from mcukd.progress import Advance, progress, tell

#: Seconds after which the progress bar shows what tasks in other processes have reported meanwhile.
_POLL = 0.3

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Task:
    """A call of a function: `function(*arguments, on_progress)`.

    key: identity among the tasks of a run, and on a cluster. name: what the progress bar and errors show.
    function, arguments: picklable, for other processes and computers. requires: keys of tasks to do before;
    those that are not in the run count as done. units: length on the progress bar; the function may report
    parts of it with `on_progress(units)`, the rest is added when it returns. files: that it reads; a
    worker of a cluster must have them as they are here.
    """

    key: str
    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    requires: tuple[str, ...] = ()
    units: int = 1
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """Result of a task that was not run because one that it requires failed."""


class Executor(Protocol):
    """A place where tasks run."""

    def run(self, tasks: Sequence[Task], run: Run) -> None:
        """Run all tasks and pass each result to `run.finish`."""


def run_tasks(
    tasks: Sequence[Task],
    executor: Executor,
    label: str,
    keep_going: bool = False,
    on_result: Callable[[Task, Any], None] = lambda task, result: None,
) -> dict[str, Any]:
    """Run tasks with one progress bar and return their results by key.

    keep_going: a UserError that a task raises becomes its result, tasks that require it are `Skipped`, and
    the others go on; otherwise the first error is raised. on_result: called in this process as tasks finish.
    Raises UserError where a process of this computer dies, or the cluster does not answer.
    """
    if not tasks:
        return {}
    with progress(label, sum(task.units for task in tasks)) as advance:
        run = Run(tasks, keep_going, advance, on_result)
        executor.run(tasks, run)
    return run.results


class Run:
    """State of one call of `run_tasks`: the results so far, and what the progress bar shows of each task."""

    def __init__(
        self,
        tasks: Sequence[Task],
        keep_going: bool,
        advance: Advance,
        on_result: Callable[[Task, Any], None],
    ) -> None:
        self.keep_going = keep_going
        self.results: dict[str, Any] = {}
        self._advance, self._on_result = advance, on_result
        self._left = {task.key: task.units for task in tasks}
        self._names = {task.key: task.name for task in tasks}

    def report(self, key: str, units: int) -> None:
        """Advance the bar by units that a task has reported; late reports of a finished one count no more."""
        if key not in self.results and units:
            self._left[key] -= units
            self._advance(units, self._names[key])

    def finish(self, task: Task, result: Any) -> None:
        """Take the result of a task, and advance the bar by what it has not reported."""
        self.results[task.key] = result
        self._on_result(task, result)
        if self._left[task.key] > 0:
            self._advance(self._left[task.key], task.name)


@dataclass(frozen=True)
class InProcess:
    """Executor that runs one task after the other in this process."""

    def run(self, tasks: Sequence[Task], run: Run) -> None:
        """Run all tasks."""
        waiting = _Waiting(tasks, run.results)
        while (task := waiting.next_ready(run)) is not None:
            run.finish(task, _perform(task, run.keep_going, run.report))
            waiting.finished(task)


@dataclass(frozen=True)
class LocalProcesses:
    """Executor that runs tasks in worker processes of this computer.

    count: how many at most. option: the command line's option for it, which errors name. start: called with
    `arguments` once in every worker, before its first task.
    """

    count: int
    option: str
    start: Callable[..., None] | None = None
    arguments: tuple[Any, ...] = ()

    def run(self, tasks: Sequence[Task], run: Run) -> None:
        """Run all tasks; UserError where a worker dies."""
        count = min(self.count, len(tasks))
        reports: Any = multiprocessing.get_context("spawn").Queue()
        waiting = _Waiting(tasks, run.results)
        running: dict[Future[Any], Task] = {}
        try:
            with Workers(count, _start_worker, reports, self.start, self.arguments) as workers:
                while True:
                    while len(running) < count and (task := waiting.next_ready(run)) is not None:
                        running[workers.submit(_perform_in_worker, task, run.keep_going)] = task
                    if not running:
                        return
                    done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
                    _pass_on(reports, run.report)
                    for future in done:
                        task = running.pop(future)
                        run.finish(task, future.result())
                        waiting.finished(task)
        except BrokenProcessPool as error:
            remedy = f"with fewer workers than {count} ({self.option})" if count > 1 else "with more memory"
            raise UserError(
                "a worker died, perhaps for want of memory; what was finished is kept: run the same command "
                f"again, {remedy} if it happens again."
            ) from error


@dataclass(frozen=True)
class DaskCluster:
    """Executor that sends tasks to the workers of a Dask scheduler; they report no parts of a task.

    scheduler: its address. paths: folders and files that all workers must see, the same as here. prefix:
    makes the tasks' keys those of the cluster, where tasks of one key are one task, whichever command sent
    them.

    Workers that are there at the start must have all that is needed. One that joins later and does not is
    given no more tasks than it refuses: they go to the others, and a sentence says so.
    """

    scheduler: str
    paths: tuple[Path, ...]
    prefix: str

    def run(self, tasks: Sequence[Task], run: Run) -> None:
        """Run all tasks; UserError where the scheduler does not answer or goes away."""
        files = list(dict.fromkeys(path for task in tasks for path in task.files))
        with connect(self.scheduler, self.paths, files) as cluster:
            waiting = _Waiting(tasks, run.results)
            sending = _Sending(cluster, self.prefix, run.keep_going)
            while True:
                while (task := waiting.next_ready(run)) is not None:
                    sending.send(task)
                if (future := sending.next_done()) is None:
                    return
                task = sending.task_of(future)
                try:
                    result = future.result()
                except cluster.KilledWorker:
                    result = UserError(
                        f"{task.name}: its workers died again and again, perhaps for want of memory."
                    )
                except ModuleNotFoundError as error:
                    result = UserError(
                        f"{task.name}: a Dask worker lacks the package '{error.name}'; install mcukd there."
                    )
                except CancelledError:
                    raise UserError(
                        f"the Dask scheduler {self.scheduler} went away; what was finished is kept: start "
                        "one and run the same command again."
                    ) from None
                if isinstance(result, Refused):
                    result = sending.send_elsewhere(task, result)
                    if result is None:
                        continue
                if isinstance(result, UserError) and not run.keep_going:
                    raise result
                run.finish(task, result)
                waiting.finished(task)


class _Sending:
    """Tasks sent to a cluster, and the workers that refused one."""

    def __init__(self, cluster: Cluster, prefix: str, keep_going: bool) -> None:
        self._cluster, self._prefix, self._keep_going = cluster, prefix, keep_going
        self._done = cluster.as_completed()
        self._needed: dict[str, Needed] = {}
        self._sent: dict[str, Task] = {}
        self._refused: set[str] = set()
        self._repeated = 0

    def send(self, task: Task) -> None:
        """Have any worker do a task."""
        self._needed[task.key] = and_files(self._cluster.needed, task.files)
        self._submit(task, task.key)

    def _submit(self, task: Task, key: str, workers: Collection[str] = ()) -> None:
        # The task as bytes: a worker of another version might not be able to read it, but says which it has.
        content = pickle.dumps((task, self._keep_going))
        needed = self._needed[task.key]
        key = f"{self._prefix}-{key}"
        self._sent[key] = task
        self._done.add(self._cluster.submit(perform_on_cluster, needed, content, key=key, workers=workers))

    def next_done(self) -> Any:
        """Return the next future that is done, waiting for it; None where none is left."""
        return next(self._done, None) if self._sent else None

    def task_of(self, future: Any) -> Task:
        """Return the task that a future, which is done, stands for."""
        return self._sent.pop(future.key)

    def send_elsewhere(self, task: Task, refused: Refused) -> UserError | None:
        """Send a task to workers that have refused none; UserError where that is of no use."""
        for shown, path, content in self._needed[task.key][1]:
            if content_of(Path(path)) != content:
                return UserError(f"{shown}: changed after the command began; run the same command again.")
        others = self._cluster.workers() - self._refused - {refused.address}
        if not others:
            return UserError(refused.complaint)
        if refused.address not in self._refused:
            self._refused.add(refused.address)
            tell(f"Note: {refused.complaint} Other workers do what it refuses.")
        self._repeated += 1
        self._submit(task, f"{task.key}-again{self._repeated}", others)
        return None


class _Waiting:
    """Tasks that have not started, in the order they were given among those whose requirements are done."""

    def __init__(self, tasks: Sequence[Task], results: Mapping[str, Any]) -> None:
        self._tasks, self._results = tasks, results
        self._place = {task.key: number for number, task in enumerate(tasks)}
        self._missing = {task.key: set(task.requires) & self._place.keys() for task in tasks}
        self._followers: dict[str, list[str]] = defaultdict(list)
        for task in tasks:
            for key in self._missing[task.key]:
                self._followers[key].append(task.key)
        self._ready = [self._place[key] for key, missing in self._missing.items() if not missing]
        heapify(self._ready)

    def next_ready(self, run: Run) -> Task | None:
        """Take the next task that can start; None where all wait for others.

        Those that require one that failed are finished as `Skipped`.
        """
        while self._ready:
            task = self._tasks[heappop(self._ready)]
            earlier = [self._results[key] for key in task.requires if key in self._place]
            if not any(isinstance(result, (UserError, Skipped)) for result in earlier):
                return task
            run.finish(task, Skipped())
            self.finished(task)
        return None

    def finished(self, task: Task) -> None:
        """Make those ready that waited for nothing but this task."""
        for key in self._followers[task.key]:
            self._missing[key].discard(task.key)
            if not self._missing[key]:
                heappush(self._ready, self._place[key])


#: Reports units that a task, given by its key, has done.
_Report = Callable[[str, int], None]


def _perform(task: Task, keep_going: bool, report: _Report) -> Any:
    try:
        return task.function(*task.arguments, lambda units: report(task.key, units))
    except UserError as error:
        if not keep_going:
            raise
        return error


_reports: Any = None


def _start_worker(reports: Any, start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    global _reports
    _reports = reports
    if start is not None:
        start(*arguments)


def _perform_in_worker(task: Task, keep_going: bool) -> Any:
    return _perform(task, keep_going, lambda key, units: _reports.put((key, units)))


def perform_on_cluster(needed: Needed, content: bytes) -> Any:
    """Run a task on a worker that has what is needed; return `Refused` on one that has not.

    content: the task, and whether a UserError is its result, pickled. A UserError says on which worker it
    was, whose files may differ from those of others.
    """
    if refused := complaint_here(needed):
        return refused
    task, keep_going = pickle.loads(content)
    try:
        return _perform(task, False, lambda key, units: None)
    except UserError as error:
        told = UserError(f"{str(error).rstrip('.')} (on the Dask worker {worker_address()}).")
        if not keep_going:
            raise told from error
        return told


def _pass_on(reports: Any, report: _Report) -> None:
    """Pass on what workers have reported since the last call."""
    with suppress(queue.Empty):
        while True:
            report(*reports.get_nowait())
