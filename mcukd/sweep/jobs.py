"""What a sweep trains: teachers, students, baselines. The runs that are rows of its table are in `runs`.

A teacher serves the students of every size, a student its integer forms at every width, so each is trained
once. Everything is computed in one thread, from seeds, and by the lessons of `distill` and `evaluate`: the
same run gives the same row on the same kind of machine, and those stages' own figures.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.folds import Fold
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distill import recipes
from mcukd.distill.checkpoint import Checkpoints
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.kinds import COMMITTEE
from mcukd.distill.lesson import Lesson, read_text
from mcukd.distill.methods.plain import Plain
from mcukd.distill.run import fold_lessons
from mcukd.distill.teachers import Teacher
from mcukd.distill.trainer import Recipe, Targets
from mcukd.distill.view import View, shows_extra
from mcukd.errors import UserError
from mcukd.evaluate.baselines import FILTER_MLP, Baseline, baselines_of
from mcukd.files import replacing, sha256_text
from mcukd.study import Study
from mcukd.sweep.options import PLAIN, TEACHER, plain_config, reduced

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
    def lesson(self) -> Lesson:
        """The lesson of `mcukd distill` with these options, and its key."""
        config = replace(self.config, seeds=(self.seed,))
        return fold_lessons(Study(self.folder), [self.fold], self.source.sha256, config)[0]

    def identity(self, kind: str, **decides: Any) -> str:
        """Return the key of a job: the SHA-256 of all that decides its result."""
        animals = [self.fold.train_animals, self.fold.test_animals]
        facts = [VERSION, kind, self.source.sha256, self.seed, animals, decides]
        return sha256_text(json.dumps(facts, sort_keys=True))

    def windows(self) -> tuple[Windows, Windows]:
        """Return the fold's training windows and its test windows."""
        training, evaluation = load(self.source)
        return self.lesson.training_of(training), evaluation.take(self.lesson.test_index(evaluation))


@dataclass(frozen=True)
class TeacherJob:
    """The teacher of a fold and seed: its answers on the test windows, and what a lesson goes on from."""

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
        version: Any = recipes.TEACHERS_VERSION
        if config.teacher_name == COMMITTEE:  # has students among its members
            version = [version, Plain.version]
        return self.work.identity(TEACHER, recipes=version, options=config.training())

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "teachers" / f"{self.key[:32]}.npz"

    @property
    def fits(self) -> Checkpoints:
        """The finished fits of its networks, which a lesson that finds them does not make again."""
        return Checkpoints(self.path.with_suffix(""), self.key)

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return read_text(self.path, "key").get("key") == self.key

    def run(self) -> None:
        """Train it."""
        with TRAINING:
            quiet_tensorflow()
            room = classroom(self.work.source, reduced(TEACHER, self.work.config))
            _, view, test, teacher = self._raised(room)
            answers = teacher.logits(view.show(test))
        with replacing(self.path) as temporary:
            np.savez(temporary, key=np.array(self.key), labels=test.labels, teacher_logits=answers)

    def soft_labels(self) -> NDArray[np.float32]:
        """Return its logits (N, K) for the training windows, as a student's training gets them."""
        room = classroom(self.work.source, reduced(TEACHER, self.work.config))
        seen, view, _, teacher = self._raised(room)
        how = recipes.augmentation(room.config, seen.extra_vectors)
        return teacher.soft_labels(view.show(seen), how, self.work.seed)

    def _raised(self, room: _Classroom) -> tuple[Windows, View, Windows, Teacher]:
        room.fits = self.fits
        seen, test = self.work.windows()
        view = View.of(seen, room.config)
        teacher = room.raise_teacher(seen, view.show(seen), self.work.seed)
        assert teacher is not None, "a job for a teacher that the method does not have"
        return seen, view, test, teacher


@dataclass(frozen=True)
class LessonJob:
    """A lesson of `mcukd distill`: a plain student and, with a teacher, a distilled one beside it."""

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
        """Identity of the result, which is that of the lesson of `mcukd distill`."""
        return self.work.lesson.key

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "lessons" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return self._lesson.is_done()

    def run(self) -> None:
        """Train them."""
        with TRAINING:
            quiet_tensorflow()
            room = classroom(self.work.source, self.work.config)
            room.fits = self.requires[0].fits if self.requires else None
            room.plain_fits = self._plain_fits
            room.teach(self._lesson)

    @property
    def _plain_fits(self) -> Optional[Checkpoints]:
        """Where the plain student is kept, which is the same whatever method teaches the other one."""
        config = self.work.config
        if shows_extra(config):
            return None
        version = [recipes.TEACHERS_VERSION, Plain.version]
        key = self.work.identity(PLAIN, recipes=version, options=plain_config(config).training())
        return Checkpoints(self.work.folder / "plain" / key[:32], key)

    @property
    def _lesson(self) -> Lesson:
        # Its name is that of the folder for half-finished fits, where every lesson needs one of its own.
        return replace(self.work.lesson, path=self.path, name=self.path.stem)


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
            self.model, baseline=self._baseline.lesson.key, options=self.work.config.training()
        )

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "baselines" / f"{self.key[:32]}.npz"

    def is_done(self) -> bool:
        """Tell whether the result is there."""
        return read_text(self.path, "key").get("key") == self.key

    def run(self) -> None:
        """Train it."""
        mine = replace(self._baseline, lesson=replace(self.work.lesson, path=self.path, key=self.key))
        with TRAINING:
            if self.model == FILTER_MLP:
                quiet_tensorflow()
            mine.run(classroom(self.work.source, self.work.config), lambda units: None)

    @property
    def _baseline(self) -> Baseline:
        folder, source, config = self.work.folder, self.work.source, self.work.config
        return baselines_of(folder, [self.work.lesson], source.sha256, config, self.model, nested=False)[0]


def read(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a result; UserError where it has gone since the sweep began."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: gone or damaged ({error}); run the same sweep again.") from error


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
class _Classroom(Classroom):
    """A classroom whose teachers and plain students go on from fits that are kept in the sweep's folder."""

    fits: Optional[Checkpoints] = None
    plain_fits: Optional[Checkpoints] = None

    def plain_student(
        self,
        windows: NDArray[np.float32],
        targets: Targets,
        recipe: Recipe,
        seed: int,
        advance: Callable[[int], None],
        saved: Checkpoints,
    ) -> keras.Model:
        """Train the plain student, or put a finished one together."""
        return super().plain_student(windows, targets, recipe, seed, advance, self.plain_fits or saved)

    def raise_teacher(
        self,
        seen: Windows,
        windows: NDArray[np.float32],
        seed: int,
        advance: Callable[[int], None] = lambda units: None,
        saved: Optional[Checkpoints] = None,
    ) -> Optional[Teacher]:
        """Train the teacher, or put one together whose fits are finished."""
        return super().raise_teacher(seen, windows, seed, advance, self.fits or saved)


@lru_cache(maxsize=8)
def classroom(source: Source, config: DistillConfig) -> _Classroom:
    """Return this process's classroom for some options; its compiled models serve fold after fold."""
    assert source.extra == shows_extra(config)
    return _Classroom(*load(source), config)


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
