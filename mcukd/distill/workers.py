"""Lessons in parallel worker processes, with one progress bar and without half results."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Optional

from mcukd.data.windows import Windows
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.device import require_device, use_device, usual_workers
from mcukd.distill.lesson import Task
from mcukd.errors import UserError
from mcukd.pool import Workers
from mcukd.progress import Advance, progress


def run_lessons(
    lessons: Sequence[Task],
    training: Windows,
    evaluation: Windows,
    config: DistillConfig,
    first: Callable[[], None] = lambda: None,
) -> None:
    """Run lessons in worker processes, as many as `config.jobs` or `usual_workers` says.

    Every worker computes in a single thread, so that results depend neither on the number of workers nor
    on which lessons an interrupted run had left. Finished lessons are on disk whatever happens to the rest.
    first: called when the first lesson is finished.
    Raises UserError when a worker dies, or where there is no such device.
    """
    if not lessons:
        return
    require_device(config.device)
    count = min(config.jobs or usual_workers(config.device), len(lessons))
    done: Any = multiprocessing.get_context("spawn").Queue()
    work = sum(lesson.work(training, config) for lesson in lessons)
    try:
        workers = Workers(count, _start_worker, done, training, evaluation, config)
        with progress("Training", work) as advance, workers:
            futures = {workers.submit(_teach, lesson): lesson for lesson in lessons}
            _follow(futures, done, advance, first)
    except BrokenProcessPool as error:
        raise UserError(
            "a training worker died, perhaps for want of memory; what was finished is kept: "
            f"run the same command again, with fewer workers than {count} (--jobs) if it happens again."
        ) from error


def _follow(
    futures: dict[Future[None], Task], done: Any, advance: Advance, first: Callable[[], None]
) -> None:
    """Advance the bar until all lessons are finished; raise what a lesson raised."""
    kept = False
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=0.3, return_when=FIRST_EXCEPTION)
        units, note = _drain(done)
        if units:
            advance(units, note)
        for future in finished:
            future.result()
            if not kept:
                first()
                kept = True
    units, note = _drain(done)
    if units:
        advance(units, note)


def _drain(done: Any) -> tuple[int, str]:
    units, note = 0, ""
    while True:
        try:
            more, note = done.get_nowait()
        except queue.Empty:
            return units, note
        units += more


_classroom: Optional[Classroom] = None
_done: Any = None


def _start_worker(done: Any, training: Windows, evaluation: Windows, config: DistillConfig) -> None:
    global _classroom, _done
    use_device(config.device)
    _classroom, _done = Classroom(training, evaluation, config), done


def _teach(lesson: Task) -> None:
    assert _classroom is not None, "the worker was not started by run_lessons"
    lesson.run(_classroom, lambda units: _done.put((units, lesson.name)))
