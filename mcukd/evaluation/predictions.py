"""Predictions of a study's models on held-out windows, read from its folds' files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fold_results import FoldResult, fold_results
from mcukd.metrics.confusion import confusion_by_animal
from mcukd.metrics.metric import ScoredWindows
from mcukd.metrics.scores import score


@dataclass(frozen=True)
class Predictions:
    """Predictions of one model, folds pooled: for each seed the windows' indices (N,) and logits (N, K)."""

    model: str
    seeds: tuple[int, ...]
    index: tuple[NDArray[np.int64], ...]
    logits: tuple[NDArray[np.float64], ...]

    def classes(self) -> list[NDArray[np.int64]]:
        """Return the predicted classes (N,) of each seed."""
        return [np.argmax(logits, axis=1) for logits in self.logits]

    def scores(self, evaluation: Windows) -> list[dict[str, Any]]:
        """Return the score of each seed, as `combine_seeds` takes them."""
        scores = []
        for index, predictions in zip(self.index, self.classes()):
            tested = evaluation.take(index)
            scores.append(score(tested.labels, predictions, tested.animals, evaluation.classes))
        return scores

    def scored_windows(self, evaluation: Windows) -> ScoredWindows:
        """Return the windows of all seeds, one seed after the other, with the logits."""
        index, logits = np.concatenate(self.index), np.concatenate(self.logits)
        return ScoredWindows(
            evaluation.labels[index],
            np.argmax(logits, axis=1),
            evaluation.animals[index],
            tuple(evaluation.classes),
            logits,
        )

    def by_animal(
        self, evaluation: Windows, animals: Sequence[str], seeds: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Return confusion matrices (S, A, K, K) for the seeds (default all) and these animals only."""
        made = []
        for seed in self.seeds if seeds is None else seeds:
            place = self.seeds.index(seed)
            index, predictions = self.index[place], self.classes()[place]
            kept = np.isin(evaluation.animals[index], list(animals))
            tested = evaluation.take(index[kept])
            made.append(
                confusion_by_animal(
                    tested.labels, predictions[kept], tested.animals, animals, len(evaluation.classes)
                )
            )
        return np.stack(made)

    def animals(self, evaluation: Windows) -> list[str]:
        """Return the animals that were tested with every seed, sorted."""
        sets = [set(evaluation.animals[index].tolist()) for index in self.index]
        return sorted(set.intersection(*sets))


def stored_predictions(folder: Path, models: Iterable[str], evaluation: Windows) -> dict[str, Predictions]:
    """Read the predictions of `models` kept in a study's directory; models without any are left out.

    Raises UserError where the files are not of these evaluation windows.
    """
    found = {}
    for model in models:
        parts: dict[int, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
        for result in fold_results(folder, model):
            if result.has_logits(model):
                _check(result, evaluation)
                logits = result.logits(model).astype(np.float64)
                parts.setdefault(result.seed, []).append((result.test_index, logits))
        if parts:
            seeds = tuple(sorted(parts))
            found[model] = Predictions(
                model,
                seeds,
                tuple(np.concatenate([index for index, _ in parts[seed]]) for seed in seeds),
                tuple(np.concatenate([logits for _, logits in parts[seed]]) for seed in seeds),
            )
    return found


def _check(result: FoldResult, evaluation: Windows) -> None:
    index = result.test_index
    fits = index.max(initial=-1) < len(evaluation) and np.array_equal(evaluation.labels[index], result.labels)
    if not fits:
        raise UserError(
            f"{result.path}: made from other windows than the data set now gives ({len(evaluation)} windows "
            f"of card {evaluation.card}); run 'mcukd distill' or 'mcukd evaluate' on this study to make it "
            "anew."
        )
