"""Worker processes that run training jobs in parallel, with one progress bar."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Optional

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import TrainingJob
from mcukd.errors import UserError
from mcukd.parallel.processes import Workers
from mcukd.progress import Advance, progress
from mcukd.training.devices import require_device, use_device, usual_workers


def run_jobs(
    jobs: Sequence[TrainingJob],
    training: Windows,
    evaluation: Windows,
    config: DistillConfig,
    first: Callable[[], None] = lambda: None,
) -> None:
    """Run jobs in worker processes, as many as `config.jobs` or `usual_workers` says.

    Every worker computes in a single thread, so that results depend neither on the number of workers nor
    on which jobs an interrupted run had left. Finished jobs are on disk whatever happens to the rest.
    first: called when the first job is finished.
    Raises UserError when a worker dies, or where there is no such device.
    """
    if not jobs:
        return
    require_device(config.device)
    count = min(config.jobs or usual_workers(config.device), len(jobs))
    done: Any = multiprocessing.get_context("spawn").Queue()
    work = sum(job.work(training, config) for job in jobs)
    try:
        workers = Workers(count, _start_worker, done, training, evaluation, config)
        with progress("Training", work) as advance, workers:
            futures = {workers.submit(_run, job): job for job in jobs}
            _follow(futures, done, advance, first)
    except BrokenProcessPool as error:
        raise UserError(
            "a training worker died, perhaps for want of memory; what was finished is kept: "
            f"run the same command again, with fewer workers than {count} (--jobs) if it happens again."
        ) from error


def _follow(
    futures: dict[Future[None], TrainingJob], done: Any, advance: Advance, first: Callable[[], None]
) -> None:
    """Advance the bar until all jobs are finished; raise what a job raised."""
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


_trainer: Optional[FoldTrainer] = None
_done: Any = None


def _start_worker(done: Any, training: Windows, evaluation: Windows, config: DistillConfig) -> None:
    global _trainer, _done
    use_device(config.device)
    _trainer, _done = FoldTrainer(training, evaluation, config), done


def _run(job: TrainingJob) -> None:
    assert _trainer is not None, "the worker was not started by run_jobs"
    job.run(_trainer, lambda units: _done.put((units, job.name)))
