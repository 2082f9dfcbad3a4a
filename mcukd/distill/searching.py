"""The classifier search within a lesson, judged by students that did not see the inner animals.

What a lesson's search is given are the windows of its training animals and no others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import Fold
from mcukd.data.windows import Windows
from mcukd.distill.config import DistillConfig
from mcukd.distill.lesson import DEPLOYED
from mcukd.models.weights import StudentWeights
from mcukd.search.families import FAMILIES
from mcukd.search.search import OWN, Classifier, Found, steps
from mcukd.search.student import search_student

if TYPE_CHECKING:
    import keras

#: A classifier tried costs about as much as this many windows cost a student; for the progress bar only.
TRIAL_COST = 2500

#: A classifier's chances below this count as this much where logits are kept: a forest's may be 0.
LEAST_CHANCE = 1e-7


@dataclass(frozen=True)
class Searched:
    """What a search found, and the student as it was and with the best head that deploys."""

    found: Found
    taught: StudentWeights
    deployed: StudentWeights

    def results(self, counts: NDArray[np.int16]) -> dict[str, Any]:
        """Return what a fold's file has of a search, given the counts (N, T, C) of its test windows.

        `student_searched_logits`: logarithms (N, K) of the winner's chances.
        `student_searched_deployable_logits`: logits (N, K) of the student to deploy, whose weights are there
        as well. `search`: which classifiers were found and what each family reached, as JSON.
        """
        chances = self.found.winner.predict_proba(self.taught.state(counts))
        return {
            "student_searched_logits": np.log(np.maximum(chances, LEAST_CHANCE)).astype(np.float32),
            "student_searched_deployable_logits": self.deployed.logits(counts).astype(np.float32),
            **self.deployed.arrays(DEPLOYED),
            "search": np.array(json.dumps(self.facts())),
        }

    def shipped(self, student: keras.Model) -> keras.Model:
        """Return the model to ship, on counts: `student` itself where it keeps its own head."""
        from mcukd.models.gru_mlp import with_head

        return student if self.found.deployable.family == OWN else with_head(student, self.deployed.head)

    def facts(self) -> dict[str, Any]:
        """Return what was found, JSON-safe; scores are those of the inner animals, and flatter."""
        return {
            "trials": len(self.found.trials),
            "winner": _facts(self.found.winner),
            "deployable": _facts(self.found.deployable),
            "inner_mcc_by_family": {trial.family: trial.score for trial in self.found.best_by_family()},
        }


def search_head(
    student: StudentWeights,
    inner: Sequence[StudentWeights],
    seen: Windows,
    config: DistillConfig,
    seed: int,
    advance: Callable[[int], None],
) -> Searched:
    """Search the classifier of a student on its training windows `seen`; its own head stays unless beaten.

    inner: for each of `inner_folds` of the animals in `seen` a student that did not see its test animals.
    """
    everyone = tuple(sorted({str(animal) for animal in seen.animals}))
    found, deployed = search_student(
        student,
        seen,
        Fold("lesson", everyone, ()),
        inner=inner,
        own=True,
        trials=config.search_trials,
        seed=seed,
        families=FAMILIES,
        advance=lambda count, note="": advance(count * TRIAL_COST),
    )
    return Searched(found, student, deployed)


def searching_work(config: DistillConfig) -> int:
    """Return the length of a search in the progress bar's units, inner students left out."""
    return TRIAL_COST * steps(config.search_trials)


def _facts(classifier: Classifier) -> dict[str, Any]:
    return {"family": classifier.family, "settings": classifier.settings, "inner_mcc": classifier.score}
