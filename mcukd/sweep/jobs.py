"""Training jobs of a sweep: teachers, students and baselines, each trained once.

A teacher serves the students of every size, and a student its integer forms at every width. The jobs that
make the rows of the table are in `runs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.distillation import training_configs
from mcukd.distillation.architectures import MIXED_ENSEMBLES, STUDENTS
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.methods.plain import Plain
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.evaluation import baseline_jobs
from mcukd.evaluation.baselines import BASELINES
from mcukd.files import replacing
from mcukd.fold_results import TEACHER, is_made_with, logits_name
from mcukd.sweep.options import PLAIN, plain_config, reduced
from mcukd.sweep.work import TRAINING, CachedFoldTrainer, Work, fold_trainer, use_one_thread
from mcukd.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class TeacherJob:
    """The teacher of a fold and seed: its logits for the test windows, and the fits a student job resumes."""

    work: Work

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return f"{self.work.config.teacher_name} {self.work.who}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """Nothing."""
        return ()

    @cached_property
    def key(self) -> str:
        """Identity of the result."""
        config = reduced(TEACHER, self.work.config)
        version: Any = training_configs.TEACHERS_VERSION
        if config.teacher_name in MIXED_ENSEMBLES:  # has students among its members
            version = [version, Plain.version]
        return self.work.identity(TEACHER, recipes=version, options=config.training())

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "teachers" / f"{self.key[:32]}.npz"

    @property
    def fits(self) -> Checkpoints:
        """The finished fits of its networks, which a student job restores instead of training them again."""
        return Checkpoints(self.path.with_suffix(""), self.key)

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return is_made_with(self.path, self.key)

    def run(self) -> None:
        """Train it."""
        with TRAINING:
            use_one_thread()
            trainer = fold_trainer(self.work.source, reduced(TEACHER, self.work.config))
            data, teacher = self._train(trainer)
            _, test = self.work.windows()
            outputs = teacher.logits(data.normalizer.transform(test))
        with replacing(self.path) as temporary:
            outputs_named = {logits_name(TEACHER): outputs}
            np.savez(temporary, key=np.array(self.key), labels=test.labels, **outputs_named)

    def soft_labels(self) -> NDArray[np.float32]:
        """Return its logits (N, K) for the training windows, as a student's training gets them."""
        trainer = fold_trainer(self.work.source, reduced(TEACHER, self.work.config))
        data, teacher = self._train(trainer)
        augmentation = training_configs.augmentation(trainer.config, data.windows.extra_vectors)
        return teacher.soft_labels(data.inputs, augmentation, self.work.seed)

    def _train(self, trainer: CachedFoldTrainer) -> tuple[TrainingSet, Teacher]:
        trainer.teacher_fits = self.fits
        training, _ = self.work.windows()
        data = TrainingSet.normalized(training, trainer.config)
        teacher = trainer.train_teacher(data, FitContext(self.work.seed))
        assert teacher is not None, "a job for a teacher that the method does not have"
        return data, teacher


@dataclass(frozen=True)
class StudentJob:
    """A fold of `mcukd distill`: a baseline student and, with a teacher, a distilled one beside it."""

    work: Work

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        config = self.work.config
        sizes = "/".join(str(config.option(name)) for name in STUDENTS[config.student].options)
        size = f" {sizes}" if sizes else ""
        return f"{config.method} {config.student}{size} {self.work.who}"

    @property
    def requires(self) -> tuple[TeacherJob, ...]:
        """The teacher."""
        return () if self.work.config.method == PLAIN else (TeacherJob(self.work),)

    @property
    def key(self) -> str:
        """Identity of the result, which is that of the fold of `mcukd distill`."""
        return self.work.job.key

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "lessons" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return self._fold.is_done()

    def run(self) -> None:
        """Train them."""
        with TRAINING:
            use_one_thread()
            trainer = fold_trainer(self.work.source, self.work.config)
            trainer.teacher_fits = self.requires[0].fits if self.requires else None
            trainer.baseline_fits = self._baseline_fits
            trainer.train_fold(self._fold)

    @property
    def _baseline_fits(self) -> Checkpoints | None:
        """Where the baseline student is kept, which is the same for every method."""
        config = self.work.config
        if config.uses_extra_channels:
            return None
        version = [training_configs.TEACHERS_VERSION, Plain.version]
        key = self.work.identity(PLAIN, recipes=version, options=plain_config(config).training())
        return Checkpoints(self.work.folder / "plain" / key[:32], key)

    @property
    def _fold(self) -> FoldJob:
        # Its name is that of the folder of checkpoints, of which every job needs its own.
        return replace(self.work.job, path=self.path, name=self.path.stem)


@dataclass(frozen=True)
class BaselineJob:
    """A baseline of `mcukd evaluate` on a fold with a seed."""

    work: Work
    model: str

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return f"{self.model} {self.work.who}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """Nothing."""
        return ()

    @cached_property
    def key(self) -> str:
        """Identity of the result."""
        return self.work.identity(
            self.model, baseline=self._baseline.job.key, options=self.work.config.training()
        )

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "baselines" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return is_made_with(self.path, self.key)

    def run(self) -> None:
        """Train it."""
        mine = replace(self._baseline, job=replace(self.work.job, path=self.path, key=self.key))
        with TRAINING:
            if BASELINES[self.model].epochs is not None:
                use_one_thread()
            mine.run(fold_trainer(self.work.source, self.work.config), lambda units: None)

    @property
    def _baseline(self) -> baseline_jobs.BaselineJob:
        folder, source, config = self.work.folder, self.work.source, self.work.config
        jobs = [self.work.job]
        return baseline_jobs.baseline_jobs(folder, jobs, source.sha256, config, self.model, nested=False)[0]
