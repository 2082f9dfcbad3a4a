"""The baselines beside the model, on its folds and seeds: majority, random forest, filter-MLP.

Their results are kept in `evaluation/baselines/<model>/<fold>-s<seed>.npz`, each with the identity of all
that decided it, so that an interrupted run goes on where it was and nothing stale is used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distill.augment import Augmenter
from mcukd.distill.choice import choose
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.kinds import STUDENTS
from mcukd.distill.lesson import Lesson, read_text
from mcukd.distill.plan import choosing_work
from mcukd.distill.recipes import augmentation
from mcukd.distill.trainer import Recipe, Targets, logits, windows_presented
from mcukd.distill.view import common_scale
from mcukd.evaluate.hand_features import FEATURES, hand_features, turned_copies
from mcukd.files import replacing, sha256_text
from mcukd.models.filter_mlp import filter_mlp_macs_per_window, filter_mlp_parameters, filter_mlp_weights

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Logits (N, K) of the test windows, settings to keep beside them, and weights.
Result = tuple[NDArray[Any], dict[str, Any], dict[str, NDArray[Any]]]

MAJORITY, FOREST, FILTER_MLP = "majority", "random_forest", "filter_mlp"
BASELINES = (MAJORITY, FOREST, FILTER_MLP)
FOLDER = "baselines"

#: Part of the identity of every kept result: raise it when a baseline changes in a way options do not show.
VERSION = 1

#: Trees of the forest; copies of each training window it sees, turned as the student's are; leaves tried.
TREES, COPIES = 100, 2
LEAF, LEAVES = 2, (1, 2, 5)
RATE, RATES = 3e-2, (1e-2, 3e-2)


@dataclass(frozen=True)
class Baseline:
    """One baseline on one fold with one seed. nested: choose its settings on inner animals."""

    model: str
    lesson: Lesson
    nested: bool = False

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        return f"{self.model} {self.lesson.name}"

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the windows presented to the filter-MLP."""
        windows = len(self.lesson.training_of(training))
        choosing = len(RATES) * choosing_work(windows, _passes(config)) // 3 if self.nested else 0
        return windows_presented(windows, _passes(config)) + choosing

    def run(self, classroom: Classroom, advance: Callable[[int], None]) -> None:
        """Train on the fold's training windows, predict its test windows and write the result."""
        seen = self.lesson.training_of(classroom.training)
        test = classroom.evaluation.take(self.lesson.test_index(classroom.evaluation))
        if self.model == MAJORITY:
            result: Result = majority_logits(seen, test), {}, {}
        elif self.model == FOREST:
            result = _forest(seen, test, classroom.config, self.lesson.seed, self.nested)
        else:
            result = _filter_mlp(seen, test, classroom, self.lesson.seed, self.nested, advance)
        answer, facts, arrays = result
        with replacing(self.lesson.path) as temporary:
            np.savez(
                temporary,
                key=np.array(self.lesson.key),
                test_index=self.lesson.test_index(classroom.evaluation),
                labels=test.labels,
                train_animals=np.array(self.lesson.train_animals),
                test_animals=np.array(self.lesson.test_animals),
                logits=answer.astype(np.float32),
                settings=np.array(json.dumps(facts)),
                **arrays,
            )


def baselines_of(
    folder: Path, lessons: Sequence[Lesson], data: str, config: DistillConfig, model: str, nested: bool
) -> list[Baseline]:
    """Return a baseline's work on the folds and seeds of `lessons`; data: the identity of the samples."""
    made = []
    for lesson in lessons:
        decides = {
            "versions": [VERSION, FEATURES if model == FOREST else None],
            "model": [model, nested, data, lesson.seed],
            "training": [config.mounting, _passes(config) if model == FILTER_MLP else None],
            "animals": [lesson.train_animals, lesson.test_animals],
            "windows": None if lesson.test_windows is None else lesson.test_windows.tolist(),
        }
        key = sha256_text(json.dumps(decides, sort_keys=True))
        path = folder / FOLDER / model / f"{lesson.name}.npz"
        made.append(Baseline(model, replace(lesson, path=path, key=key), nested))
    return made


def sizes(model: str, evaluation: Windows) -> dict[str, Any]:
    """Return `parameters` and `macs_per_window` of a baseline, None where counting makes no sense."""
    _, steps, channels = evaluation.counts.shape
    classes = len(evaluation.classes)
    if model == FILTER_MLP:
        return {
            "parameters": filter_mlp_parameters(channels, classes),
            "macs_per_window": filter_mlp_macs_per_window(steps, channels, classes),
        }
    nothing = 0 if model == MAJORITY else None
    return {"parameters": nothing, "macs_per_window": nothing}


def majority_logits(seen: Windows, test: Windows) -> NDArray[np.float64]:
    """Return for every test window the logarithm of the classes' shares in `seen`: (N, K)."""
    shares = np.bincount(seen.labels, minlength=len(seen.classes)) / len(seen)
    return np.tile(np.log(np.maximum(shares, 1e-9)), (len(test), 1))


def fit_forest(seen: Windows, config: DistillConfig, seed: int, leaf: int = LEAF) -> RandomForestClassifier:
    """Train a random forest on hand features of training windows and of copies turned like the student's.

    Its trees are of scikit-learn's defaults but for `leaf`, the fewest windows in a leaf.
    """
    from sklearn.ensemble import RandomForestClassifier

    augment = Augmenter(seen.counts.astype(np.float32), augmentation(config))
    copies = turned_copies(seen.counts, augment, COPIES, seed)
    features = hand_features(copies, seen.rate_hz, seen.counts_per_g)
    forest = RandomForestClassifier(TREES, min_samples_leaf=leaf, random_state=seed, n_jobs=config.jobs or -1)
    return forest.fit(features, np.tile(seen.labels, COPIES))


def forest_logits(forest: RandomForestClassifier, test: Windows) -> NDArray[np.float64]:
    """Return the logarithm of the forest's class probabilities, (N, K), floored at a thousandth."""
    features = hand_features(test.counts, test.rate_hz, test.counts_per_g)
    chances = np.zeros((len(test), len(test.classes)))
    chances[:, forest.classes_] = forest.predict_proba(features)
    return np.log(np.maximum(chances, 1e-3))


def _forest(seen: Windows, test: Windows, config: DistillConfig, seed: int, nested: bool) -> Result:
    leaf = LEAF
    facts: dict[str, Any] = {}
    if nested:

        def predict(candidate: int, inner: Windows, unseen: Windows) -> NDArray[np.int64]:
            forest = fit_forest(inner, config, seed, candidate)
            return np.argmax(forest_logits(forest, unseen), axis=1)

        choice = choose(LEAVES, seen, predict)
        leaf, facts = choice.best, {"tried": list(zip(LEAVES, choice.scores))}
    answer = forest_logits(fit_forest(seen, config, seed, leaf), test)
    return answer, {**facts, "min_samples_leaf": leaf, "trees": TREES, "copies": COPIES}, {}


def _filter_mlp(
    seen: Windows,
    test: Windows,
    classroom: Classroom,
    seed: int,
    nested: bool,
    advance: Callable[[int], None],
) -> Result:
    trainer = classroom.trainer(FILTER_MLP)
    config = classroom.config

    def train(rate: float, windows: Windows) -> tuple[Any, float]:
        scale = common_scale(windows.counts)
        recipe = Recipe(_passes(config), rate, 0.0, augmentation(config))
        standardised = windows.counts.astype(np.float32) / scale
        return trainer.fit(standardised, Targets(windows.labels), recipe, seed, advance), scale

    def predict(rate: float, inner: Windows, unseen: Windows) -> NDArray[np.int64]:
        model, scale = train(rate, inner)
        return np.argmax(logits(model, unseen.counts.astype(np.float32) / scale), axis=1)

    rate = RATE
    facts: dict[str, Any] = {}
    if nested:
        choice = choose(RATES, seen, predict)
        rate, facts = choice.best, {"tried": list(zip(RATES, choice.scores))}
    model, scale = train(rate, seen)
    answer = logits(model, test.counts.astype(np.float32) / scale)
    weights = filter_mlp_weights(classroom.on_counts(FILTER_MLP, model, scale))
    facts = {**facts, "learning_rate": rate, "epochs": _passes(config)}
    return answer, facts, weights.arrays("filter_mlp__")


def is_done(baseline: Baseline) -> bool:
    """Tell whether the result is there and was made with this key."""
    return read_text(baseline.lesson.path, "key").get("key") == baseline.lesson.key


def _passes(config: DistillConfig) -> int:
    return config.epochs or STUDENTS["filter-mlp"].pace.epochs
