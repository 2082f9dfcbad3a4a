"""The random-forest baseline, on hand features of windows and of augmented copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.forest import COPIES, LEAF, fit_forest
from mcukd.evaluation.baselines.baseline import Baseline, FoldTask, Result, predicted
from mcukd.training.hand_features import FEATURES

#: Fewest windows in a leaf that are tried.
LEAVES = (1, LEAF, 5)


def _fit(task: FoldTask) -> Result:
    def predict(leaf: int, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        forest = fit_forest(train_windows, task.config, task.seed, leaf)
        return predicted(forest.logits(validation_windows.counts))

    leaf, facts = task.chosen(LEAVES, LEAF, predict)
    forest = fit_forest(task.training, task.config, task.seed, leaf)
    facts = {**facts, "min_samples_leaf": leaf, "trees": len(forest.trees.estimators_), "copies": COPIES}
    return forest.logits(task.test.counts), facts, {}


FOREST = Baseline(
    "random_forest",
    "Random forest",
    "random forest",
    _fit,
    lambda steps, channels, classes: (None, None),
    options=frozenset({"mounting", "augment", "neck_axis"}),
    version=FEATURES,
)
