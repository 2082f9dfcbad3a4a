"""One unit of work of the distill stage: teacher, soft labels and students from one set of training animals.

Runs inside a worker process, which keeps its compiled models from lesson to lesson.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distill.config import DistillConfig
from mcukd.distill.recipes import augmentation, student_recipe, teacher_recipe
from mcukd.distill.soft_labels import soft_labels
from mcukd.distill.trainer import FloatArray, Targets, Trainer, logits, windows_presented
from mcukd.files import replacing, sha256_file

if TYPE_CHECKING:
    import keras

#: A window costs the teacher about as much as this many cost a student; used for the progress bar only.
TEACHER_COST = 10

TEACHER, STUDENT, SOFT_LABELS = "teacher.keras", "student.keras", "soft_labels.npz"


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
        stored = _read_text(file, "key", "teacher_sha256", "student_sha256")
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
        return TEACHER_COST * windows_presented(
            windows, config.teacher_epochs
        ) + students * windows_presented(windows, config.epochs)


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
        from mcukd.models.gru_mlp import student_weights

        seen = lesson.training_of(self.training)
        scale = common_scale(seen.counts)
        windows = seen.counts.astype(np.float32) / scale
        config = self.config

        teacher = self._trainer("teacher").fit(
            windows,
            Targets(seen.labels),
            teacher_recipe(config),
            lesson.seed,
            lambda n: advance(n * TEACHER_COST),
        )
        soft = soft_labels(teacher, windows, augmentation(config), lesson.seed)
        distilled_targets = Targets(seen.labels, soft, config.temperature, config.mixing)
        student_trainer, recipe = self._trainer("student"), student_recipe(config)
        if lesson.shipped:
            student = student_trainer.fit(windows, distilled_targets, recipe, lesson.seed, advance)
            self._ship(lesson, teacher, student, scale, seen, soft)
            return

        index = lesson.test_index(self.evaluation)
        test = self.evaluation.counts[index].astype(np.float32) / scale
        results: dict[str, Any] = {"teacher_logits": logits(teacher, test)}
        student = student_trainer.fit(windows, Targets(seen.labels), recipe, lesson.seed, advance)
        results["student_logits"] = logits(student, test)
        student = student_trainer.fit(windows, distilled_targets, recipe, lesson.seed, advance)
        results["student_distilled_logits"] = logits(student, test)
        weights = student_weights(self._on_counts("student", student, scale))
        with replacing(lesson.path) as temporary:
            np.savez(
                temporary,
                key=np.array(lesson.key),
                test_index=index,
                labels=self.evaluation.labels[index],
                train_animals=np.array(lesson.train_animals),
                test_animals=np.array(lesson.test_animals),
                **results,
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
                self._on_counts(kind, model, scale).save(temporary)
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

    def _trainer(self, kind: str) -> Trainer:
        if kind not in self._trainers:
            # Training sees standardised windows, so that one compiled step serves every fold's scale.
            self._trainers[kind] = Trainer(lambda: self._build(kind, 1.0), compiled=kind == "student")
        return self._trainers[kind]

    def _build(self, kind: str, scale: float) -> keras.Model:
        from mcukd.models.gru_mlp import build_student
        from mcukd.models.resnet import build_resnet

        _, steps, channels = self.training.counts.shape
        shape = (steps, channels, len(self.training.classes))
        mean, variance = np.zeros(channels), np.full(channels, scale**2)
        if kind == "teacher":
            return build_resnet(*shape, mean, variance, self.config.teacher_width)
        return build_student(*shape, mean, variance, self.config.gru_units, self.config.dense_units)

    def _on_counts(self, kind: str, trained: keras.Model, scale: float) -> keras.Model:
        """Return a copy of a model trained on standardised windows that takes raw counts."""
        model = self._build(kind, scale)
        model.set_weights(trained.get_weights())
        return model


def common_scale(counts: NDArray[np.int16]) -> float:
    """Return the root mean square of counts (N, T, C) over samples and axes, at least 1.

    One scale for all axes and no offset: standardising each axis on its own would skew the geometry that a
    turned collar keeps, and would tie the model to the mounting of the training animals.
    """
    return max(1.0, float(np.sqrt(np.mean(np.square(counts, dtype=np.float64)))))


def _read_text(file: Path, *names: str) -> dict[str, str]:
    """Read scalar texts from an `.npz`; nothing where the file is missing, damaged or of another make."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: str(stored[name]) for name in names if name in stored}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return {}
