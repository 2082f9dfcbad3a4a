"""Search of the classifier head in a job, validated by students that were not trained on the inner animals.

A search uses the training windows of its job and no others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import Fold
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.fold_results import DEPLOYABLE, SEARCHED, WEIGHT_PREFIXES, logits_name
from mcukd.head_search.classifiers import CLASSIFIER_FAMILIES
from mcukd.head_search.search import Classifier, Found, trials_in_all
from mcukd.head_search.student import search_student
from mcukd.head_search.trials import OWN
from mcukd.models.weights import GruMlpWeights
from mcukd.training.trainer import in_units

if TYPE_CHECKING:
    import keras

#: Smallest probability whose logarithm is stored as a logit; a forest's probability may be 0.
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class HeadSearchResult:
    """Result of a head search: the classifiers found, the student, and the student with the best head."""

    found: Found
    student: GruMlpWeights
    deployed: GruMlpWeights

    def arrays(self, counts: NDArray[np.int16]) -> dict[str, Any]:
        """Return what a fold's file stores of a search, given the counts (N, T, C) of its test windows.

        `student_searched_logits`: logarithms (N, K) of the winner's probabilities.
        `student_searched_deployable_logits`: logits (N, K) of the student to deploy, whose weights are there
        as well. `search`: the classifiers found and the best score of each family, as JSON.
        """
        probabilities = self.found.winner.predict_proba(self.student.state(counts))
        return {
            logits_name(SEARCHED): np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(np.float32),
            logits_name(DEPLOYABLE): self.deployed.logits(counts).astype(np.float32),
            **self.deployed.arrays(WEIGHT_PREFIXES[DEPLOYABLE]),
            "search": np.array(json.dumps(self.facts())),
        }

    def final_model(self, student: keras.Model) -> keras.Model:
        """Return the model to save, on counts: `student` itself where it keeps its own head."""
        from mcukd.models.gru_mlp import with_head

        return student if self.found.deployable.family == OWN else with_head(student, self.deployed.head)

    def facts(self) -> dict[str, Any]:
        """Return what was found, JSON-safe; scores are those on inner animals, which are optimistic."""
        return {
            "trials": len(self.found.trials),
            "winner": _facts(self.found.winner),
            "deployable": _facts(self.found.deployable),
            "inner_mcc_by_family": {trial.family: trial.score for trial in self.found.best_by_family()},
        }


def search_head(
    student: GruMlpWeights,
    inner: Sequence[GruMlpWeights],
    windows: Windows,
    config: DistillConfig,
    seed: int,
    on_progress: Callable[[int], None],
) -> HeadSearchResult:
    """Search the classifier of a student on its training windows; its own head stays unless it is beaten.

    inner: for each of `inner_folds` of the animals a student that was not trained on its test animals.
    on_progress: is given the units done, as many as of one fit.
    """
    advance = in_units(on_progress, trials_in_all(config.search_trials))
    animals = tuple(sorted({str(animal) for animal in windows.animals}))
    found, deployed = search_student(
        student,
        windows,
        Fold("training", animals, ()),
        inner=inner,
        own=True,
        trials=config.search_trials,
        seed=seed,
        families=CLASSIFIER_FAMILIES,
        advance=lambda count, note="": advance(count),
    )
    return HeadSearchResult(found, student, deployed)


def _facts(classifier: Classifier) -> dict[str, Any]:
    return {"family": classifier.family, "settings": classifier.settings, "inner_mcc": classifier.score}
