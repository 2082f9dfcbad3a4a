"""One unit of work of the distill stage: teacher, soft labels and students from one set of training animals.

Runs inside a worker process, which keeps its compiled models from lesson to lesson.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import INNER_PARTS
from mcukd.data.windows import Windows
from mcukd.distill.choice import choose
from mcukd.distill.config import DistillConfig
from mcukd.distill.recipes import augmentation, student_recipe, teacher_recipe
from mcukd.distill.soft_labels import soft_labels
from mcukd.distill.trainer import FloatArray, Recipe, Targets, Trainer, logits, windows_presented
from mcukd.files import replacing, sha256_file
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.weights import StudentWeights

if TYPE_CHECKING:
    import keras

#: A window costs the teacher about as much as this many cost a student; used for the progress bar only.
TEACHER_COST = 10

#: With `--choose-epochs`, the students' passes are chosen among these multiples of `--epochs`.
EPOCH_FACTORS = (0.5, 1, 2)

TEACHER, STUDENT, SOFT_LABELS = "teacher.keras", "student.keras", "soft_labels.npz"


class Task(Protocol):
    """What a worker process is given: it trains something in a classroom and writes the result."""

    @property
    def name(self) -> str:
        """What the progress bar shows."""

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the task's length in the progress bar's units."""

    def run(self, classroom: Classroom, advance: Callable[[int], None]) -> None:
        """Do it; `advance` is told the units done."""


@dataclass(frozen=True)
class Lesson:
    """What to train on whom, and where the result goes.

    test_animals: those held out; empty for the models that are shipped. path: the `.npz` of an evaluation
    fold, or the study's directory for the shipped models. key: identity of all that decides the result.
    train_windows, test_windows: of a random split only, where animals are on both sides: numbers of training
    and of evaluation windows.
    """

    name: str
    seed: int
    train_animals: tuple[str, ...]
    test_animals: tuple[str, ...]
    path: Path
    key: str
    train_windows: Optional[NDArray[np.int64]] = None
    test_windows: Optional[NDArray[np.int64]] = None

    def training_of(self, training: Windows) -> Windows:
        """Return the windows to train on: those of the training animals, or of a random split its own."""
        if self.train_windows is not None:
            return training.take(self.train_windows)
        return training.take(np.isin(training.animals, self.train_animals))

    def test_index(self, evaluation: Windows) -> NDArray[np.int64]:
        """Return which evaluation windows to predict: those held out."""
        if self.test_windows is not None:
            return self.test_windows
        return np.flatnonzero(np.isin(evaluation.animals, self.test_animals))

    @property
    def shipped(self) -> bool:
        """Whether this trains the models of the study rather than those of an evaluation fold."""
        return not self.test_animals

    def is_done(self) -> bool:
        """Tell whether the result is there and was made with this key."""
        file = self.path / SOFT_LABELS if self.shipped else self.path
        stored = read_text(file, "key", "teacher_sha256", "student_sha256")
        if stored.get("key") != self.key:
            return False
        return not self.shipped or all(
            (self.path / name).is_file() and sha256_file(self.path / name) == stored[f"{kind}_sha256"]
            for kind, name in (("teacher", TEACHER), ("student", STUDENT))
        )

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the length of this lesson in the progress bar's units."""
        windows = len(self.training_of(training))
        students = 1 if self.shipped else 2
        choosing = choosing_work(windows, config.epochs) if config.choose_epochs else 0
        return (
            TEACHER_COST * windows_presented(windows, config.teacher_epochs)
            + students * windows_presented(windows, config.epochs)
            + choosing
        )

    def run(self, classroom: Classroom, advance: Callable[[int], None]) -> None:
        """Train the lesson's models and write its result."""
        classroom.teach(self, advance)


@dataclass
class Classroom:
    """The windows, the options and the compiled models of one worker process.

    training: overlapping windows, cut with the card's train_hop. evaluation: windows to be predicted.
    """

    training: Windows
    evaluation: Windows
    config: DistillConfig
    _trainers: dict[str, Trainer] = field(default_factory=dict)

    def teach(self, lesson: Lesson, advance: Callable[[int], None] = lambda units: None) -> None:
        """Train the models of a lesson and write its result; `advance` is told the units done."""
        seen = lesson.training_of(self.training)
        scale = common_scale(seen.counts)
        windows = seen.counts.astype(np.float32) / scale
        config = self.config

        teacher = self.trainer("teacher").fit(
            windows,
            Targets(seen.labels),
            teacher_recipe(config),
            lesson.seed,
            lambda n: advance(n * TEACHER_COST),
        )
        soft = soft_labels(teacher, windows, augmentation(config), lesson.seed)
        distilled_targets = Targets(seen.labels, soft, config.temperature, config.mixing)
        student_trainer, recipe = self.trainer("student"), student_recipe(config)
        if config.choose_epochs:
            recipe = self._chosen_epochs(seen, recipe, lesson.seed, advance)
        if lesson.shipped:
            student = student_trainer.fit(windows, distilled_targets, recipe, lesson.seed, advance)
            self._ship(lesson, teacher, student, scale, seen, soft)
            return

        index = lesson.test_index(self.evaluation)
        test = self.evaluation.counts[index].astype(np.float32) / scale
        results: dict[str, Any] = {"teacher_logits": logits(teacher, test)}
        student = student_trainer.fit(windows, Targets(seen.labels), recipe, lesson.seed, advance)
        results["student_logits"] = logits(student, test)
        plain = weights_of(self.on_counts("student", student, scale))
        student = student_trainer.fit(windows, distilled_targets, recipe, lesson.seed, advance)
        results["student_distilled_logits"] = logits(student, test)
        weights = weights_of(self.on_counts("student", student, scale))
        with replacing(lesson.path) as temporary:
            np.savez(
                temporary,
                key=np.array(lesson.key),
                test_index=index,
                labels=self.evaluation.labels[index],
                train_animals=np.array(lesson.train_animals),
                test_animals=np.array(lesson.test_animals),
                epochs=np.array(recipe.epochs),
                **results,
                **plain.arrays("student__"),
                **weights.arrays("student_distilled__"),
            )

    def _ship(
        self,
        lesson: Lesson,
        teacher: keras.Model,
        student: keras.Model,
        scale: float,
        seen: Windows,
        soft: FloatArray,
    ) -> None:
        digests = {}
        for kind, model, name in (("teacher", teacher, TEACHER), ("student", student, STUDENT)):
            with replacing(lesson.path / name) as temporary:
                self.on_counts(kind, model, scale).save(temporary)
            digests[f"{kind}_sha256"] = np.array(sha256_file(lesson.path / name))
        # Written last: its key and digests vouch for the two models.
        with replacing(lesson.path / SOFT_LABELS) as temporary:
            np.savez(
                temporary,
                key=np.array(lesson.key),
                logits=soft,
                labels=seen.labels,
                animals=seen.animals,
                classes=np.array(seen.classes),
                **digests,
            )

    def _chosen_epochs(
        self, seen: Windows, recipe: Recipe, seed: int, advance: Callable[[int], None]
    ) -> Recipe:
        """Return the recipe with the passes that do best on inner animals; `seen` holds no held-out one."""
        trainer = self.trainer("student")

        def predict(candidate: Recipe, inner: Windows, unseen: Windows) -> NDArray[np.int64]:
            scale = common_scale(inner.counts)
            windows = inner.counts.astype(np.float32) / scale
            model = trainer.fit(windows, Targets(inner.labels), candidate, seed, advance)
            return np.argmax(logits(model, unseen.counts.astype(np.float32) / scale), axis=1)

        candidates = [replace(recipe, epochs=max(1, round(f * recipe.epochs))) for f in EPOCH_FACTORS]
        return choose(candidates, seen, predict).best

    def trainer(self, kind: str) -> Trainer:
        """Return this process's trainer of "teacher", "student" or "filter_mlp"."""
        if kind not in self._trainers:
            # Training sees standardised windows, so that one compiled step serves every fold's scale.
            self._trainers[kind] = Trainer(lambda: self._build(kind, 1.0), compiled=kind != "teacher")
        return self._trainers[kind]

    def _build(self, kind: str, scale: float) -> keras.Model:
        from mcukd.models.filter_mlp import build_filter_mlp
        from mcukd.models.gru_mlp import build_student
        from mcukd.models.resnet import build_resnet

        _, steps, channels = self.training.counts.shape
        shape = (steps, channels, len(self.training.classes))
        mean, variance = np.zeros(channels), np.full(channels, scale**2)
        if kind == "teacher":
            return build_resnet(*shape, mean, variance, self.config.teacher_width)
        if kind == "filter_mlp" or self.config.student == "filter-mlp":
            return build_filter_mlp(*shape, mean, variance)
        return build_student(*shape, mean, variance, self.config.gru_units, self.config.dense_units)

    def on_counts(self, kind: str, trained: keras.Model, scale: float) -> keras.Model:
        """Return a copy of a model trained on standardised windows that takes raw counts."""
        model = self._build(kind, scale)
        model.set_weights(trained.get_weights())
        return model


def weights_of(student: keras.Model) -> Union[StudentWeights, FilterMlpWeights]:
    """Take the weights out of a student of either structure."""
    from mcukd.models.filter_mlp import filter_mlp_weights
    from mcukd.models.gru_mlp import student_weights

    return filter_mlp_weights(student) if student.name == "filter_mlp" else student_weights(student)


def choosing_work(windows: int, epochs: int) -> int:
    """Return the length of a choice of epochs in the progress bar's units, about."""
    inner = windows * (INNER_PARTS - 1) // INNER_PARTS
    return INNER_PARTS * sum(windows_presented(inner, round(f * epochs)) for f in EPOCH_FACTORS)


def common_scale(counts: NDArray[np.int16]) -> float:
    """Return the root mean square of counts (N, T, C) over samples and axes, at least 1.

    One scale for all axes and no offset: standardising each axis on its own would skew the geometry that a
    turned collar keeps, and would tie the model to the mounting of the training animals.
    """
    return max(1.0, float(np.sqrt(np.mean(np.square(counts, dtype=np.float64)))))


def read_text(file: Path, *names: str) -> dict[str, str]:
    """Read scalar texts from an `.npz`; nothing where the file is missing, damaged or of another make."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: str(stored[name]) for name in names if name in stored}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return {}
