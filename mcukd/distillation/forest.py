"""Random forest on hand features of windows: a baseline, and a member of a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import augmentation
from mcukd.training.augmentation import Augmenter
from mcukd.training.hand_features import hand_features, turned_copies

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Trees of the forest; copies of each training window it sees, turned as the student's are.
TREES, COPIES = 100, 2
#: Fewest windows in a leaf.
LEAF = 2
#: Logarithms of probabilities are floored at that of this one.
LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True)
class WindowForest:
    """A trained forest with what its features need.

    trees: of scikit-learn. classes: K, of the data set. rate_hz, counts_per_g: of the windows.
    """

    trees: RandomForestClassifier
    classes: int
    rate_hz: float
    counts_per_g: float

    def probabilities(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return the class probabilities (N, K) of windows of three-axis counts (N, T, 3)."""
        found = np.zeros((len(counts), self.classes))
        if len(counts):
            features = hand_features(counts, self.rate_hz, self.counts_per_g)
            found[:, self.trees.classes_] = self.trees.predict_proba(features)
        return found

    def logits(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return the logarithms (N, K) of the class probabilities of windows of counts (N, T, 3)."""
        return np.log(np.maximum(self.probabilities(counts), LEAST_PROBABILITY))


def fit_forest(training: Windows, config: DistillConfig, seed: int, leaf: int = LEAF) -> WindowForest:
    """Train a random forest on hand features of training windows and of copies turned like the student's.

    Its trees are of scikit-learn's defaults but for `leaf`, the fewest windows in a leaf.
    """
    from sklearn.ensemble import RandomForestClassifier

    augment = Augmenter(training.counts.astype(np.float32), augmentation(config))
    copies = turned_copies(training.counts, augment, COPIES, seed)
    features = hand_features(copies, training.rate_hz, training.counts_per_g)
    trees = RandomForestClassifier(TREES, min_samples_leaf=leaf, random_state=seed, n_jobs=config.jobs or -1)
    trees.fit(features, np.tile(training.labels, COPIES))
    return WindowForest(trees, len(training.classes), training.rate_hz, training.counts_per_g)
