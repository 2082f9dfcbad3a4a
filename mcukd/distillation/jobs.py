"""Jobs of the distill stage as data: one per fold and seed, with its animals and the file of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.files import replacing, sha256_file
from mcukd.fold_results import is_made_with, read_text, write_fold_result
from mcukd.study import SOFT_LABELS_FILE, STUDENT_FILE, TEACHER_FILE

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FoldJob:
    """One fold and seed of an evaluation, or the final models trained on all animals.

    test_animals: those held out; empty for the final models. path: the `.npz` of an evaluation fold, or the
    study's directory for the final models. key: identity of everything that decides the result.
    train_windows, test_windows: indices of training and of evaluation windows of a random split, where
    animals are on both sides; None for splits by animal. unlabelled_animals: of the data set, whose windows
    may be trained on without their labels.
    """

    name: str
    seed: int
    train_animals: tuple[str, ...]
    test_animals: tuple[str, ...]
    path: Path
    key: str
    train_windows: NDArray[np.int64] | None = None
    test_windows: NDArray[np.int64] | None = None
    unlabelled_animals: tuple[str, ...] = ()

    def training_of(self, training: Windows) -> Windows:
        """Return the windows to train on: those of the training animals, or those of the random split."""
        if self.train_windows is not None:
            return training.take(self.train_windows)
        return training.take(np.isin(training.animals, self.train_animals))

    def test_index(self, evaluation: Windows) -> NDArray[np.int64]:
        """Return the indices of the evaluation windows to predict: those held out."""
        if self.test_windows is not None:
            return self.test_windows
        return np.flatnonzero(np.isin(evaluation.animals, self.test_animals))

    @property
    def is_final(self) -> bool:
        """Whether this trains the final models of the study rather than those of an evaluation fold."""
        return not self.test_animals

    def is_done(self) -> bool:
        """Return whether the result exists and was made with this key."""
        if not self.is_final:
            return is_made_with(self.path, self.key)
        stored = read_text(self.path / SOFT_LABELS_FILE, "key", "teacher_sha256", "student_sha256")
        return stored.get("key") == self.key and all(
            (self.path / name).is_file() and sha256_file(self.path / name) == stored[f"{model}_sha256"]
            for model, name in (("teacher", TEACHER_FILE), ("student", STUDENT_FILE))
            if f"{model}_sha256" in stored
        )

    @property
    def scratch(self) -> Path:
        """The folder of checkpoints, which is removed once the result is written."""
        folder = self.path if self.is_final else self.path.parent
        return folder / ".unfinished" / self.name.replace(" ", "-")

    def write(self, evaluation: Windows, arrays: Mapping[str, Any]) -> None:
        """Write the result of an evaluation fold: its identity, its test windows, and `arrays` by name."""
        index = self.test_index(evaluation)
        write_fold_result(
            self.path,
            key=self.key,
            test_index=index,
            labels=evaluation.labels[index],
            train_animals=self.train_animals,
            test_animals=self.test_animals,
            arrays=arrays,
        )

    def write_final(
        self,
        training: Windows,
        student: keras.Model,
        teacher: keras.Model | None,
        soft: NDArray[np.float32] | None,
    ) -> None:
        """Write `student.keras`, `teacher.keras` and `soft_labels.npz` of the final models.

        student, teacher: on raw counts. soft: the teacher's logits (N, K) for the training windows.
        """
        models = {STUDENT_FILE: student, **({} if teacher is None else {TEACHER_FILE: teacher})}
        digests = {}
        for name, model in models.items():
            with replacing(self.path / name) as temporary:
                model.save(temporary)
            digests[f"{name.partition('.')[0]}_sha256"] = np.array(sha256_file(self.path / name))
        soft_labels = {} if soft is None else {"logits": soft}
        # Written last: its key and digests certify the models.
        with replacing(self.path / SOFT_LABELS_FILE) as temporary:
            np.savez(
                temporary,
                key=np.array(self.key),
                labels=training.labels,
                animals=training.animals,
                classes=np.array(training.classes),
                **soft_labels,
                **digests,
            )
