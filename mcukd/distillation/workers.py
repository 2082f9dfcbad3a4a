"""Worker processes that run training jobs, each with a FoldTrainer of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.plan import fold_fits, progress_units
from mcukd.parallel.executor import LocalProcesses, OnProgress, Task, run_tasks
from mcukd.training.devices import require_device, use_device, usual_workers


class TrainingJob(Protocol):
    """A job for a worker process: it trains with a FoldTrainer and writes the result."""

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the job's length in the progress bar's units."""

    def run(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        """Train and write the result; on_progress is given the units done."""


@dataclass(frozen=True)
class FoldTraining:
    """Training of one fold's models, as a job for a worker process."""

    fold: FoldJob

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return self.fold.name

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the job's length in the progress bar's units."""
        animals = [str(animal) for animal in self.fold.training_of(training).animals]
        return progress_units(fold_fits(config, animals, final=self.fold.is_final))

    def run(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        """Train the models and write the result."""
        trainer.train_fold(self.fold, on_progress)


def run_jobs(
    jobs: Sequence[TrainingJob],
    training: Windows,
    evaluation: Windows,
    config: DistillConfig,
    first: Callable[[], None] = lambda: None,
    recordings: Windows | None = None,
) -> None:
    """Run jobs in worker processes, as many as `config.jobs` or `usual_workers` says.

    Every worker computes in a single thread, so that results depend neither on the number of workers nor
    on which jobs an interrupted run had left. Finished jobs are on disk whatever happens to the rest.
    first: called when the first job is finished. recordings: windows of unlabelled recordings.
    Raises the first error of a job, and UserError when a worker dies or where there is no such device.
    """
    if not jobs:
        return
    require_device(config.device)
    tasks = [
        Task(str(number), job.name, _run, (job,), units=job.work(training, config))
        for number, job in enumerate(jobs)
    ]
    count = config.jobs or usual_workers(config.device)
    workers = LocalProcesses(count, "--jobs", _start_worker, (training, evaluation, config, recordings))
    finished = 0

    def on_result(*_: Any) -> None:
        nonlocal finished
        finished += 1
        if finished == 1:
            first()

    run_tasks(tasks, workers, "Training", on_result=on_result)


_trainer: FoldTrainer | None = None


def _start_worker(
    training: Windows, evaluation: Windows, config: DistillConfig, recordings: Windows | None
) -> None:
    global _trainer
    use_device(config.device)
    _trainer = FoldTrainer(training, evaluation, config, recordings=recordings)


def _run(job: TrainingJob, on_progress: OnProgress) -> None:
    assert _trainer is not None, "the worker was not started by run_jobs"
    job.run(_trainer, on_progress)
