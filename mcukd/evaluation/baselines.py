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
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.nested_selection import select
from mcukd.distillation.training_configs import augmentation
from mcukd.distillation.work import epoch_selection_work
from mcukd.evaluation.hand_features import FEATURES, hand_features, turned_copies
from mcukd.files import sha256_text
from mcukd.fold_results import is_made_with, logits_name, results_folder
from mcukd.models.filter_mlp import filter_mlp_macs_per_window, filter_mlp_parameters, filter_mlp_weights
from mcukd.training.augmentation import Augmenter
from mcukd.training.normalization import common_scale
from mcukd.training.trainer import Targets, TrainingConfig, logits, windows_presented

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Logits (N, K) of the test windows, settings to keep beside them, and weights.
Result = tuple[NDArray[Any], dict[str, Any], dict[str, NDArray[Any]]]

MAJORITY, FOREST, FILTER_MLP = "majority", "random_forest", "filter_mlp"
BASELINES = (MAJORITY, FOREST, FILTER_MLP)

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
    job: FoldJob
    nested: bool = False

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        return f"{self.model} {self.job.name}"

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the windows presented to the filter-MLP."""
        windows = len(self.job.training_of(training))
        choosing = len(RATES) * epoch_selection_work(windows, _epochs(config)) // 3 if self.nested else 0
        return windows_presented(windows, _epochs(config)) + choosing

    def run(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        """Train on the fold's training windows, predict its test windows and write the result."""
        training = self.job.training_of(trainer.training)
        test = trainer.evaluation.take(self.job.test_index(trainer.evaluation))
        if self.model == MAJORITY:
            result: Result = majority_logits(training, test), {}, {}
        elif self.model == FOREST:
            result = _forest(training, test, trainer.config, self.job.seed, self.nested)
        else:
            result = _filter_mlp(training, test, trainer, self.job.seed, self.nested, on_progress)
        outputs, facts, arrays = result
        self.job.write(
            trainer.evaluation,
            {
                logits_name(self.model): outputs.astype(np.float32),
                "settings": np.array(json.dumps(facts)),
                **arrays,
            },
        )


def baselines_of(
    folder: Path, jobs: Sequence[FoldJob], data: str, config: DistillConfig, model: str, nested: bool
) -> list[Baseline]:
    """Return a baseline's work on the folds and seeds of `jobs`; data: the identity of the samples."""
    made = []
    for job in jobs:
        decides = {
            "versions": [VERSION, FEATURES if model == FOREST else None],
            "model": [model, nested, data, job.seed],
            "training": [config.mounting, _epochs(config) if model == FILTER_MLP else None],
            "animals": [job.train_animals, job.test_animals],
            "windows": None if job.test_windows is None else job.test_windows.tolist(),
        }
        key = sha256_text(json.dumps(decides, sort_keys=True))
        path = results_folder(folder, model) / f"{job.name}.npz"
        made.append(Baseline(model, replace(job, path=path, key=key), nested))
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


def majority_logits(training: Windows, test: Windows) -> NDArray[np.float64]:
    """Return for every test window the logarithm of the classes' shares in `training`: (N, K)."""
    shares = np.bincount(training.labels, minlength=len(training.classes)) / len(training)
    return np.tile(np.log(np.maximum(shares, 1e-9)), (len(test), 1))


def fit_forest(
    training: Windows, config: DistillConfig, seed: int, leaf: int = LEAF
) -> RandomForestClassifier:
    """Train a random forest on hand features of training windows and of copies turned like the student's.

    Its trees are of scikit-learn's defaults but for `leaf`, the fewest windows in a leaf.
    """
    from sklearn.ensemble import RandomForestClassifier

    augment = Augmenter(training.counts.astype(np.float32), augmentation(config))
    copies = turned_copies(training.counts, augment, COPIES, seed)
    features = hand_features(copies, training.rate_hz, training.counts_per_g)
    forest = RandomForestClassifier(TREES, min_samples_leaf=leaf, random_state=seed, n_jobs=config.jobs or -1)
    return forest.fit(features, np.tile(training.labels, COPIES))


def forest_logits(forest: RandomForestClassifier, test: Windows) -> NDArray[np.float64]:
    """Return the logarithm of the forest's class probabilities, (N, K), floored at a thousandth."""
    features = hand_features(test.counts, test.rate_hz, test.counts_per_g)
    chances = np.zeros((len(test), len(test.classes)))
    chances[:, forest.classes_] = forest.predict_proba(features)
    return np.log(np.maximum(chances, 1e-3))


def _forest(training: Windows, test: Windows, config: DistillConfig, seed: int, nested: bool) -> Result:
    leaf = LEAF
    facts: dict[str, Any] = {}
    if nested:

        def predict(candidate: int, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
            forest = fit_forest(train_windows, config, seed, candidate)
            return np.argmax(forest_logits(forest, validation_windows), axis=1)

        chosen = select(LEAVES, training, predict)
        leaf, facts = chosen.best, {"tried": list(zip(LEAVES, chosen.scores))}
    answer = forest_logits(fit_forest(training, config, seed, leaf), test)
    return answer, {**facts, "min_samples_leaf": leaf, "trees": TREES, "copies": COPIES}, {}


def _filter_mlp(
    training: Windows,
    test: Windows,
    trainer: FoldTrainer,
    seed: int,
    nested: bool,
    on_progress: Callable[[int], None],
) -> Result:
    network = trainer.trainer(FILTER_MLP)
    config = trainer.config

    def train(rate: float, windows: Windows) -> tuple[Any, float]:
        scale = common_scale(windows.counts)
        hyperparameters = TrainingConfig(_epochs(config), rate, 0.0, augmentation(config))
        standardised = windows.counts.astype(np.float32) / scale
        return network.fit(standardised, Targets(windows.labels), hyperparameters, seed, on_progress), scale

    def predict(rate: float, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        model, scale = train(rate, train_windows)
        return np.argmax(logits(model, validation_windows.counts.astype(np.float32) / scale), axis=1)

    rate = RATE
    facts: dict[str, Any] = {}
    if nested:
        chosen = select(RATES, training, predict)
        rate, facts = chosen.best, {"tried": list(zip(RATES, chosen.scores))}
    model, scale = train(rate, training)
    answer = logits(model, test.counts.astype(np.float32) / scale)
    weights = filter_mlp_weights(trainer.on_counts(FILTER_MLP, model, scale))
    facts = {**facts, "learning_rate": rate, "epochs": _epochs(config)}
    return answer, facts, weights.arrays("filter_mlp__")


def is_done(baseline: Baseline) -> bool:
    """Tell whether the result is there and was made with this key."""
    return is_made_with(baseline.job.path, baseline.job.key)


def _epochs(config: DistillConfig) -> int:
    return config.epochs or STUDENTS["filter-mlp"].defaults.epochs
