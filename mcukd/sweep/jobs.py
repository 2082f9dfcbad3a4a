"""What a sweep trains: teachers, students, baselines. The runs that are rows of its table are in `runs`.

A teacher serves the students of every size, a student its integer forms at every width, so each is trained
once. Everything is computed in one thread, from seeds, and by the jobs of `distill` and `evaluate`: the
same run gives the same row on the same kind of machine, and those stages' own figures.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.folds import Fold
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distillation import training_configs
from mcukd.distillation.architectures import COMMITTEE
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.methods.plain import Plain
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.errors import UserError
from mcukd.evaluation.baselines import FILTER_MLP, Baseline, baselines_of
from mcukd.files import replacing, sha256_text
from mcukd.fold_results import TEACHER, is_made_with, logits_name
from mcukd.pipeline.distill import fold_jobs
from mcukd.study import Study
from mcukd.sweep.options import PLAIN, plain_config, reduced
from mcukd.training.checkpoints import Checkpoints
from mcukd.training.trainer import TrainingConfig

if TYPE_CHECKING:
    import keras

#: Raise it when a sweep computes something in another way that no other stage's version shows.
VERSION = 2

#: Keras and TensorFlow know one training at a time, and a Dask worker may have several threads.
TRAINING = threading.Lock()


@dataclass(frozen=True)
class Source:
    """The samples: card, folder of the data sets, seed of simulated ones, and their identity.

    extra: whether the channels that only a teacher sees are read as well.
    """

    card: str
    data_root: Optional[Path]
    seed: int
    extra: bool
    sha256: str

    @classmethod
    def of(cls, card: str, data_root: Optional[Path], seed: int, extra: bool) -> Source:
        """Make it of the data that is here; UserError where that is missing."""
        return cls(
            card, data_root, seed, extra, dataset_sha256(load_card(card), data_root, seed, extra=extra)
        )


@dataclass(frozen=True)
class Work:
    """What every job knows. folder: of the sweep. config: options of the training but split and seeds."""

    folder: Path
    source: Source
    config: DistillConfig
    fold: Fold
    seed: int

    @property
    def who(self) -> str:
        """The fold and the seed, as errors and the progress bar name them."""
        return f"{self.fold.name}-s{self.seed}"

    @cached_property
    def job(self) -> FoldJob:
        """The job of `mcukd distill` with these options, and its key."""
        config = replace(self.config, seeds=(self.seed,))
        return fold_jobs(Study(self.folder), [self.fold], self.source.sha256, config)[0]

    def identity(self, kind: str, **decides: Any) -> str:
        """Return the key of a job: the SHA-256 of all that decides its result."""
        animals = [self.fold.train_animals, self.fold.test_animals]
        facts = [VERSION, kind, self.source.sha256, self.seed, animals, decides]
        return sha256_text(json.dumps(facts, sort_keys=True))

    def windows(self) -> tuple[Windows, Windows]:
        """Return the fold's training windows and its test windows."""
        training, evaluation = load(self.source)
        return self.job.training_of(training), evaluation.take(self.job.test_index(evaluation))


@dataclass(frozen=True)
class TeacherJob:
    """The teacher of a fold and seed: its logits for the test windows, and the fits a student job resumes."""

    work: Work

    @property
    def name(self) -> str:
        """What the progress bar shows."""
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
        if config.teacher_name == COMMITTEE:  # has students among its members
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
            quiet_tensorflow()
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

    def _train(self, trainer: _CachedFoldTrainer) -> tuple[TrainingSet, Teacher]:
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
        """What the progress bar shows."""
        config = self.work.config
        size = f" {config.gru_units}/{config.dense_units}" if config.student == "gru-mlp" else ""
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
            quiet_tensorflow()
            trainer = fold_trainer(self.work.source, self.work.config)
            trainer.teacher_fits = self.requires[0].fits if self.requires else None
            trainer.baseline_fits = self._baseline_fits
            trainer.train_fold(self._fold)

    @property
    def _baseline_fits(self) -> Optional[Checkpoints]:
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
        """What the progress bar shows."""
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
            if self.model == FILTER_MLP:
                quiet_tensorflow()
            mine.run(fold_trainer(self.work.source, self.work.config), lambda units: None)

    @property
    def _baseline(self) -> Baseline:
        folder, source, config = self.work.folder, self.work.source, self.work.config
        return baselines_of(folder, [self.work.job], source.sha256, config, self.model, nested=False)[0]


@lru_cache(maxsize=2)
def load(source: Source) -> tuple[Windows, Windows]:
    """Return training and evaluation windows; UserError where this computer's data is not the sweep's."""
    card = load_card(source.card)
    if Source.of(source.card, source.data_root, source.seed, source.extra) != source:
        raise UserError(
            f"card {card.name}: the data here is not what the sweep was begun with; give all computers the "
            "same data and mcukd, and run it again."
        )
    windows = (
        load_windows(card, source.data_root, training=training, seed=source.seed, extra=source.extra)
        for training in (True, False)
    )
    return next(windows), next(windows)


@dataclass
class _CachedFoldTrainer(FoldTrainer):
    """A FoldTrainer that resumes teachers and baseline students from fits kept in the sweep's folder."""

    teacher_fits: Optional[Checkpoints] = None
    baseline_fits: Optional[Checkpoints] = None

    def train_baseline_student(
        self, data: TrainingSet, config: TrainingConfig, fits: FitContext
    ) -> keras.Model:
        """Train the baseline student, or restore a finished one."""
        kept = replace(fits, checkpoints=self.baseline_fits or fits.checkpoints)
        return super().train_baseline_student(data, config, kept)

    def train_teacher(self, data: TrainingSet, fits: FitContext) -> Optional[Teacher]:
        """Train the teacher, or restore one whose fits are finished."""
        return super().train_teacher(data, replace(fits, checkpoints=self.teacher_fits or fits.checkpoints))


@lru_cache(maxsize=8)
def fold_trainer(source: Source, config: DistillConfig) -> _CachedFoldTrainer:
    """Return this process's trainer for a configuration; its compiled models serve fold after fold."""
    assert source.extra == config.uses_extra_channels
    return _CachedFoldTrainer(*load(source), config)


@cache
def quiet_tensorflow() -> None:
    """Have TensorFlow compute in one thread, on which the last bits depend, and on no accelerator."""
    from mcukd.tensorflow_setup import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise UserError(
            "TensorFlow already runs in this process with other settings; give the sweep workers of its own."
        ) from error
