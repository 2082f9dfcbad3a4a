"""Training jobs of the baselines, one per baseline, fold and seed, whose results are stored and reused.

Each result has the identity of everything that decides it, so that an interrupted run can be resumed and
nothing stale is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.nested_selection import selection_fits
from mcukd.distillation.plan import progress_units
from mcukd.evaluation.baselines import BASELINES
from mcukd.evaluation.baselines.baseline import FoldTask
from mcukd.files import sha256_text
from mcukd.fold_results import is_made_with, logits_name, results_folder

#: Part of the identity of every kept result: raise it when all baselines change in a way options do not show.
VERSION = 1


@dataclass(frozen=True)
class BaselineJob:
    """One baseline, by its name, on one fold with one seed. nested: choose its settings on inner animals."""

    model: str
    job: FoldJob
    nested: bool = False

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return f"{self.model} {self.job.name}"

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the job's length in the progress bar's units."""
        animals = [str(animal) for animal in self.job.training_of(training).animals]
        return progress_units(1 + selection_fits(BASELINES[self.model].trials * self.nested, animals))

    def run(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        """Train on the fold's training windows, predict its test windows and write the result."""
        training = self.job.training_of(trainer.training)
        test = trainer.evaluation.take(self.job.test_index(trainer.evaluation))
        task = FoldTask(training, test, trainer, self.job.seed, self.nested, on_progress)
        outputs, facts, arrays = BASELINES[self.model].fit(task)
        named = {
            logits_name(self.model): outputs.astype(np.float32),
            "settings": np.array(json.dumps(facts)),
        }
        self.job.write(trainer.evaluation, {**named, **arrays})

    def is_done(self) -> bool:
        """Return whether the result is there and was made with this key."""
        return is_made_with(self.job.path, self.job.key)


def baseline_jobs(
    study: Path, jobs: Sequence[FoldJob], data: str, config: DistillConfig, model: str, nested: bool
) -> list[BaselineJob]:
    """Return a baseline's jobs on the folds and seeds of `jobs`.

    study: its directory. data: the identity of the samples.
    """
    baseline, made = BASELINES[model], []
    for job in jobs:
        decides = {
            "versions": [VERSION, baseline.version],
            "model": [model, nested, data, job.seed],
            "training": [config.mounting, baseline.epochs_with(config)],
            "animals": [job.train_animals, job.test_animals],
            "windows": None if job.test_windows is None else job.test_windows.tolist(),
        }
        key = sha256_text(json.dumps(decides, sort_keys=True))
        path = results_folder(study, model) / f"{job.name}.npz"
        made.append(BaselineJob(model, replace(job, path=path, key=key), nested))
    return made
