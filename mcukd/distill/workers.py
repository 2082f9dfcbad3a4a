"""Lessons in parallel worker processes, with one progress bar and without half results."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Optional

from mcukd.data.windows import Windows
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.device import require_device, use_device, usual_workers
from mcukd.distill.lesson import Task
from mcukd.errors import UserError
from mcukd.progress import Advance, progress


def run_lessons(
    lessons: Sequence[Task], training: Windows, evaluation: Windows, config: DistillConfig
) -> None:
    """Run lessons in worker processes, as many as `config.jobs` or `usual_workers` says.

    Every worker computes in a single thread, so that results depend neither on the number of workers nor
    on which lessons an interrupted run had left. Finished lessons are on disk whatever happens to the rest.
    Raises UserError when a worker dies, or where there is no such device.
    """
    if not lessons:
        return
    require_device(config.device)
    workers = min(config.jobs or usual_workers(config.device), len(lessons))
    # TensorFlow does not survive a fork, so workers start from scratch everywhere.
    context = multiprocessing.get_context("spawn")
    done: Any = context.Queue()
    with progress("Training", sum(lesson.work(training, config) for lesson in lessons)) as advance:
        pool = ProcessPoolExecutor(workers, context, _start_worker, (done, training, evaluation, config))
        try:
            futures = {pool.submit(_teach, lesson): lesson for lesson in lessons}
            _follow(futures, done, advance)
        except BrokenProcessPool as error:
            raise UserError(
                "a training worker died, perhaps for want of memory; what was finished is kept: "
                f"run the same command again, with fewer workers than {workers} (--jobs) if it happens again."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _follow(futures: dict[Future[None], Task], done: Any, advance: Advance) -> None:
    """Advance the bar until all lessons are finished; raise what a lesson raised."""
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=0.3, return_when=FIRST_EXCEPTION)
        units, note = _drain(done)
        if units:
            advance(units, note)
        for future in finished:
            future.result()
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
    leave_with_parent()
    silence_native_log()
    use_device(config.device)
    _classroom, _done = Classroom(training, evaluation, config), done


def leave_with_parent() -> None:
    """End this process when the one that started it dies; a killed run must not go on training unseen."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "called outside a worker process"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def silence_native_log() -> None:
    """Drop what TensorFlow's C++ parts write to standard error; Python's own messages still arrive."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    ours = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = os.fdopen(ours, "w", buffering=1)


def _teach(lesson: Task) -> None:
    assert _classroom is not None, "the worker was not started by run_lessons"
    lesson.run(_classroom, lambda units: _done.put((units, lesson.name)))
