"""Data, options and trainers that the jobs of a sweep share within a process.

Everything is computed in one thread, from seeds, and by the jobs of `distill` and `evaluate`: the same run
gives the same row on the same kind of machine, and those stages' own figures.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.data.card import load_card
from mcukd.data.folds import Fold
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.errors import UserError
from mcukd.files import sha256_text
from mcukd.pipeline.distill import fold_jobs
from mcukd.study import Study
from mcukd.training.checkpoints import Checkpoints
from mcukd.training.trainer import TrainingConfig

if TYPE_CHECKING:
    import keras

#: Raised when a sweep's results change in a way that no other stage's version shows.
VERSION = 2

#: Held while Keras trains: it supports one training at a time, and a Dask worker may have several threads.
TRAINING = threading.Lock()


@dataclass(frozen=True)
class Source:
    """Samples of a sweep: card, folder of the data sets, seed of simulated ones, and their SHA-256.

    extra: whether the channels that only a teacher gets are read as well.
    """

    card: str
    data_root: Path | None
    seed: int
    extra: bool
    sha256: str

    @classmethod
    def of(cls, card: str, data_root: Path | None, seed: int, extra: bool) -> Source:
        """Return the source with the hash of the data on this computer; UserError where it is missing."""
        return cls(
            card, data_root, seed, extra, dataset_sha256(load_card(card), data_root, seed, extra=extra)
        )


@dataclass(frozen=True)
class Work:
    """Fold, seed, data and options of a job. folder: the sweep's. config: all options but split and seeds."""

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
class CachedFoldTrainer(FoldTrainer):
    """A FoldTrainer that resumes teachers and baseline students from fits kept in the sweep's folder."""

    teacher_fits: Checkpoints | None = None
    baseline_fits: Checkpoints | None = None

    def train_baseline_student(
        self, data: TrainingSet, config: TrainingConfig, fits: FitContext
    ) -> keras.Model:
        """Train the baseline student, or restore a finished one."""
        kept = replace(fits, checkpoints=self.baseline_fits or fits.checkpoints)
        return super().train_baseline_student(data, config, kept)

    def train_teacher(self, data: TrainingSet, fits: FitContext) -> Teacher | None:
        """Train the teacher, or restore one whose fits are finished."""
        return super().train_teacher(data, replace(fits, checkpoints=self.teacher_fits or fits.checkpoints))


@lru_cache(maxsize=8)
def fold_trainer(source: Source, config: DistillConfig) -> CachedFoldTrainer:
    """Return this process's trainer for a configuration; its compiled models serve fold after fold."""
    assert source.extra == config.uses_extra_channels
    return CachedFoldTrainer(*load(source), config)


@cache
def use_one_thread() -> None:
    """Set TensorFlow up to compute in one thread, on which last bits depend, and without accelerator."""
    from mcukd.tensorflow_setup import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise UserError(
            "TensorFlow already runs in this process with other settings; give the sweep workers of its own."
        ) from error
