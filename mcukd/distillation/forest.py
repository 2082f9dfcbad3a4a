"""Training of the random forest on hand features: a baseline, and a member of a teacher."""

from __future__ import annotations

import numpy as np

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import augmentation
from mcukd.training.augmentation import Augmenter
from mcukd.training.hand_features import hand_features, turned_copies
from mcukd.training.window_forest import WindowForest

#: Trees of the forest; copies of each training window it sees, turned as the student's are.
TREES, COPIES = 100, 2
#: Fewest windows in a leaf.
LEAF = 2


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
