"""One unit of work of the distill stage: whose windows train, whose are predicted, where the result goes."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Protocol

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distill.config import DistillConfig
from mcukd.files import sha256_file

if TYPE_CHECKING:
    from mcukd.distill.classroom import Classroom

TEACHER, STUDENT, SOFT_LABELS = "teacher.keras", "student.keras", "soft_labels.npz"
#: Prefix of the weights of the student with the head that a search found, in a fold's file.
DEPLOYED = "student_deployed__"


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
            if f"{kind}_sha256" in stored
        )

    @property
    def scratch(self) -> Path:
        """Where half-finished trainings are kept until the result is written."""
        return (self.path if self.shipped else self.path.parent) / ".unfinished" / self.name.replace(" ", "-")

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the length of this lesson in the progress bar's units."""
        from mcukd.distill.plan import teaching_work

        return teaching_work(self.training_of(training), config, plain=not self.shipped)

    def run(self, classroom: Classroom, advance: Callable[[int], None]) -> None:
        """Train the lesson's models and write its result."""
        classroom.teach(self, advance)


def read_text(file: Path, *names: str) -> dict[str, str]:
    """Read scalar texts from an `.npz`; nothing where the file is missing, damaged or of another make."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: str(stored[name]) for name in names if name in stored}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return {}
