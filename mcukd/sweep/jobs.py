"""What a sweep does: teachers, students, and the runs that are rows of its table.

A teacher serves the students of every size, a student its integer forms at every width, so each is trained
once. Everything is computed in one thread, from seeds, and by the code of `distill`, `evaluate` and
`quantize`: the same run gives the same row on the same kind of machine, and those stages' own figures.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.folds import Fold
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.lesson import read_text
from mcukd.distill.recipes import VERSION as RECIPES
from mcukd.distill.recipes import augmentation, student_recipe, teacher_recipe
from mcukd.distill.teachers import Teacher
from mcukd.distill.trainer import Recipe, Targets, logits
from mcukd.distill.view import common_scale
from mcukd.errors import UserError
from mcukd.evaluate.baselines import FILTER_MLP as FILTER_MLP_MODEL
from mcukd.evaluate.baselines import RATE
from mcukd.evaluate.baselines import VERSION as BASELINES
from mcukd.files import replacing, sha256_text
from mcukd.models.student import weights_of
from mcukd.models.weights import StudentWeights
from mcukd.sweep.grid import DISTILLED, FILTER_MLP

#: Raise it when a sweep computes something in another way that no other stage's version shows.
VERSION = 1

#: Keras and TensorFlow know one training at a time, and a Dask worker may have several threads.
TRAINING = threading.Lock()


@dataclass(frozen=True)
class Source:
    """The samples: card, folder of the data sets, seed of simulated ones, and their identity."""

    card: str
    data_root: Optional[Path]
    seed: int
    sha256: str


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

    def identity(self, kind: str, **decides: Any) -> str:
        """Return the key of a job: the SHA-256 of all that decides its result."""
        animals = [self.fold.train_animals, self.fold.test_animals]
        facts = [VERSION, kind, self.source.sha256, self.seed, animals, decides]
        return sha256_text(json.dumps(facts, sort_keys=True))

    def windows(self) -> tuple[Windows, Windows]:
        """Return the fold's training windows and its test windows."""
        training, evaluation = load(self.source)
        seen = training.take(np.isin(training.animals, self.fold.train_animals))
        return seen, evaluation.take(np.isin(evaluation.animals, self.fold.test_animals))


@dataclass(frozen=True)
class TeacherJob:
    """The teacher of a fold and seed: its soft labels, and its answers on the test windows."""

    work: Work

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        return f"teacher {self.work.who}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """Nothing."""
        return ()

    @property
    def key(self) -> str:
        """Identity of the result."""
        config = self.work.config
        decides = [RECIPES, config.teacher_epochs, config.teacher_width, config.mounting]
        return self.work.identity("teacher", decides=decides)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "teachers" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return read_text(self.path, "key").get("key") == self.key

    def run(self) -> None:
        """Train it."""
        with TRAINING:
            quiet_tensorflow()
            # One teacher is compiled for students of all sizes.
            usual = {name: getattr(DistillConfig, name) for name in ("gru_units", "dense_units")}
            room = _classroom(self.work.source, replace(self.work.config, **usual))
            seen, test = self.work.windows()
            scale = common_scale(seen.counts)
            windows = seen.counts.astype(np.float32) / scale
            seed, config = self.work.seed, self.work.config
            teacher = room.trainer("teacher").fit(windows, Targets(seen.labels), teacher_recipe(config), seed)
            soft = Teacher((teacher,)).soft_labels(windows, augmentation(config), seed)
            answers = logits(teacher, test.counts.astype(np.float32) / scale)
        with replacing(self.path) as temporary:
            np.savez(temporary, key=np.array(self.key), soft=soft, logits=answers)


@dataclass(frozen=True)
class StudentJob:
    """A student of a fold and seed: its weights, and its answers on the test windows.

    method: "plain", "distilled", or "filter-mlp" (plain, of the sizes it has).
    """

    work: Work
    method: str

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        config = self.work.config
        size = "" if self.method == FILTER_MLP else f" {config.gru_units}/{config.dense_units}"
        return f"{self.method}{size} {self.work.who}"

    @property
    def requires(self) -> tuple[TeacherJob, ...]:
        """The teacher of a distilled student."""
        return (self._teacher,) if self.method == DISTILLED else ()

    @property
    def key(self) -> str:
        """Identity of the result."""
        config = self.work.config
        decides: list[Any] = [RECIPES, self.method, config.epochs, config.mounting]
        if self.method == FILTER_MLP:
            decides += [BASELINES]
        else:
            decides += [config.gru_units, config.dense_units]
        if self.method == DISTILLED:
            decides += [config.temperature, config.mixing, self._teacher.key]
        return self.work.identity("student", decides=decides)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "students" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return read_text(self.path, "key").get("key") == self.key

    def run(self) -> None:
        """Train it."""
        with TRAINING:
            quiet_tensorflow()
            config, seed = self.work.config, self.work.seed
            room = _classroom(self.work.source, config)
            seen, test = self.work.windows()
            scale = common_scale(seen.counts)
            windows = seen.counts.astype(np.float32) / scale
            kind = FILTER_MLP_MODEL if self.method == FILTER_MLP else "student"
            targets = Targets(seen.labels)
            if self.method == DISTILLED:
                targets = Targets(seen.labels, self.soft(), config.temperature, config.mixing)
            recipe = student_recipe(config)
            if self.method == FILTER_MLP:
                recipe = Recipe(config.epochs, RATE, 0.0, augmentation(config))
            student = room.trainer(kind).fit(windows, targets, recipe, seed)
            answers = logits(student, test.counts.astype(np.float32) / scale)
            weights = weights_of(room.on_counts(kind, student, scale))
        with replacing(self.path) as temporary:
            np.savez(temporary, key=np.array(self.key), logits=answers, **weights.arrays("weights__"))

    def soft(self) -> NDArray[np.float32]:
        """Return the teacher's soft labels (N, K) of the training windows."""
        return read(self._teacher.path)["soft"]

    def weights(self) -> StudentWeights:
        """Return the weights of a finished GRU student."""
        return StudentWeights.from_arrays(read(self.path), "weights__")

    @property
    def _teacher(self) -> TeacherJob:
        return TeacherJob(self.work)


def read(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a result; UserError where it has gone since the sweep began."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: gone or damaged ({error}); run the same sweep again.") from error


@lru_cache(maxsize=1)
def load(source: Source) -> tuple[Windows, Windows]:
    """Return training and evaluation windows; UserError where this computer's data is not the sweep's."""
    card = load_card(source.card)
    if dataset_sha256(card, source.data_root, source.seed) != source.sha256:
        raise UserError(
            f"card {card.name}: the data here is not what the sweep was begun with; give all computers the "
            "same data and mcukd, and run it again."
        )
    training = load_windows(card, source.data_root, training=True, seed=source.seed)
    return training, load_windows(card, source.data_root, seed=source.seed)


@lru_cache(maxsize=8)
def _classroom(source: Source, config: DistillConfig) -> Classroom:
    """Return this process's classroom of one size; its compiled models serve fold after fold."""
    return Classroom(*load(source), config)


@cache
def quiet_tensorflow() -> None:
    """Have TensorFlow compute in one thread, on which the last bits depend, and on no accelerator."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise UserError(
            "TensorFlow already runs in this process with other settings; give the sweep workers of its own."
        ) from error
