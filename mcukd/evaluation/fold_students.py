"""Students of a study's evaluation folds, and scores of their deployed forms on held-out animals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fold_results import EVALUATION, WEIGHT_PREFIXES, FoldResult, fold_results
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.student import stored_weights
from mcukd.progress import progress
from mcukd.study import Study

#: A fold's float student, its training windows and its test windows → predicted classes (N,).
FoldPredictor = Callable[["FoldStudent", Windows, Windows], NDArray[np.int64]]


@dataclass(frozen=True)
class FoldStudent:
    """A float student of one fold with one seed, which was trained without the animals it is tested on.

    name: of the fold's file, such as `A-s0`. weights: those of the student's family, on counts. test_index:
    indices (N,) of the test windows among the evaluation windows.
    """

    name: str
    fold: str
    seed: int
    weights: Any
    test_index: NDArray[np.int64]
    train_animals: tuple[str, ...]

    @classmethod
    def of(cls, result: FoldResult, model: str) -> FoldStudent:
        """Take a student out of a fold's result. model: a key of `fold_results.WEIGHT_PREFIXES`."""
        weights = stored_weights(result, WEIGHT_PREFIXES[model])
        trained_on = result.train_animals or ()
        return cls(result.name, result.fold, result.seed, weights, result.test_index, trained_on)

    def training_of(self, training: Windows) -> Windows:
        """Return the windows of the animals it was trained on."""
        return training.take(np.isin(training.animals, self.train_animals))

    def predict(self, counts: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the classes (N,) of counts (N, T, C)."""
        return np.asarray(np.argmax(self.weights.logits(counts), axis=1))


def fold_students(study: Study, model: str | None = None) -> list[FoldStudent]:
    """Return the students of a study's folds by seed and fold.

    model: a key of `fold_results.WEIGHT_PREFIXES`, by default each fold's student meant for the device; the
    list is empty where the model's weights were not kept, as those of plain students in studies of early
    versions. Raises UserError where the study has no folds.
    """
    results = fold_results(study.path)
    if not results:
        raise UserError(
            f"{study.file(EVALUATION)}: no evaluated folds there; run '{study.refresh('distill')}'."
        )
    wanted = [(result, model or result.best_student) for result in results]
    students = [FoldStudent.of(result, one) for result, one in wanted if result.has_weights(one)]
    return sorted(students, key=lambda student: student.seed)


def evaluate_folds(
    students: Sequence[FoldStudent],
    training: Windows,
    evaluation: Windows,
    predict: FoldPredictor,
    label: str,
) -> dict[str, Any]:
    """Score a deployed form of the fold students: predictions pooled over folds, combined over seeds.

    label: of the progress bar.
    """
    by_seed: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = defaultdict(list)
    with progress(label, len(students)) as advance:
        for student in students:
            train, test = student.training_of(training), evaluation.take(student.test_index)
            by_seed[student.seed].append((student.test_index, predict(student, train, test)))
            advance(1, student.name)
    scores = []
    for parts in by_seed.values():
        tested = evaluation.take(np.concatenate([index for index, _ in parts]))
        predictions = np.concatenate([classes for _, classes in parts])
        scores.append(score(tested.labels, predictions, tested.animals, evaluation.classes))
    steps = evaluation.counts.shape[1]
    # Heads that were searched differ from fold to fold; the largest says what a board must have room for.
    return {
        **combine_seeds(scores),
        "parameters": max(student.weights.parameters for student in students),
        "macs_per_window": max(student.weights.macs_per_window(steps) for student in students),
    }
