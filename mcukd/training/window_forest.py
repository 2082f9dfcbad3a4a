"""A trained random forest on hand features of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.training.hand_features import hand_features

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

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
