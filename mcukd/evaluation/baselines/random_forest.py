"""The random-forest baseline, on hand features of windows and of augmented copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import augmentation
from mcukd.evaluation.baselines.baseline import Baseline, FoldTask, Result, predicted
from mcukd.evaluation.hand_features import FEATURES, hand_features, turned_copies
from mcukd.training.augmentation import Augmenter

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Trees of the forest; copies of each training window it sees, turned as the student's are; leaves tried.
TREES, COPIES = 100, 2
LEAF, LEAVES = 2, (1, 2, 5)
#: Logarithms of probabilities are floored at that of this one.
LEAST_PROBABILITY = 1e-3


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
    """Return the logarithm of the forest's class probabilities: (N, K)."""
    features = hand_features(test.counts, test.rate_hz, test.counts_per_g)
    probabilities = np.zeros((len(test), len(test.classes)))
    probabilities[:, forest.classes_] = forest.predict_proba(features)
    return np.log(np.maximum(probabilities, LEAST_PROBABILITY))


def _fit(task: FoldTask) -> Result:
    def predict(leaf: int, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        forest = fit_forest(train_windows, task.config, task.seed, leaf)
        return predicted(forest_logits(forest, validation_windows))

    leaf, facts = task.chosen(LEAVES, LEAF, predict)
    outputs = forest_logits(fit_forest(task.training, task.config, task.seed, leaf), task.test)
    return outputs, {**facts, "min_samples_leaf": leaf, "trees": TREES, "copies": COPIES}, {}


FOREST = Baseline(
    "random_forest",
    "Random forest",
    "random forest",
    _fit,
    lambda steps, channels, classes: (None, None),
    options=frozenset({"mounting", "augment", "neck_axis"}),
    version=FEATURES,
)
