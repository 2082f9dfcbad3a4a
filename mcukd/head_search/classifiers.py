"""Registry of the families of classifiers that a head search tries, with their settings and ranges."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.head_search.prototypes import Centroids, Prototypes
from mcukd.models.weights import Head

FloatArray = NDArray[np.float64]
Settings = Mapping[str, Any]
#: Kernel (E, scores) and bias (scores,) on an embedding as the estimator gets it, of each layer.
Layers = list[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Range:
    """Number to search between `low` and `high`, by its logarithm if `log`; `default` is tried first."""

    low: float
    high: float
    default: float
    log: bool = True
    whole: bool = False


@dataclass(frozen=True)
class OneOf:
    """Setting to search among values, the first of which is tried first."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class ClassifierFamily:
    """Family of classifiers that a head search tries.

    space: its settings. build: makes an estimator with scikit-learn's `fit`, `predict_proba` and `classes_`
    from settings and a seed. layers: the layers of a fitted estimator where it has an integer form on the
    boards, whose last one has P scores for each of `classes_`; None where it has none.
    """

    name: str
    space: Mapping[str, Range | OneOf]
    build: Callable[[Settings, int], Any]
    layers: Callable[[Any], Layers] | None = None

    @property
    def deploys(self) -> bool:
        """Whether the boards can compute it in integers."""
        return self.layers is not None

    @property
    def defaults(self) -> dict[str, Any]:
        """The settings tried first."""
        return {
            name: choice.values[0] if isinstance(choice, OneOf) else choice.default
            for name, choice in self.space.items()
        }


@dataclass(frozen=True)
class Fitted:
    """Estimator trained on standardised embeddings.

    mean, std: (E,), of the training rows. classes: K; classes without a training row have probability 0.
    """

    family: ClassifierFamily
    estimator: Any
    mean: FloatArray
    std: FloatArray
    classes: int

    def predict_proba(self, embedding: NDArray[Any]) -> FloatArray:
        """Return the class probabilities (N, K) of embeddings (N, E)."""
        probabilities = np.zeros((len(embedding), self.classes))
        x = (np.asarray(embedding, np.float64) - self.mean) / self.std
        probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(x)
        return probabilities

    def head(self) -> Head:
        """Return the same classifier as a head on the embedding as it is, standardisation folded in.

        Raises ValueError for a family that does not deploy, and where a class had no training row.
        """
        if self.family.layers is None:
            raise ValueError(f"a classifier of family {self.family.name} has no integer form")
        if len(self.estimator.classes_) != self.classes:
            raise ValueError(f"it knows the classes {list(self.estimator.classes_)} of {self.classes}")
        layers = self.family.layers(self.estimator)
        kernel, bias = layers[0]
        scaled = kernel / self.std[:, None]
        layers[0] = scaled, bias - self.mean @ scaled
        if len(layers) == 1:
            # A constant added to all scores changes no probability, and would only take up range.
            kernel, bias = layers[0]
            kernel, bias = kernel - kernel.mean(axis=1, keepdims=True), bias - bias.mean()
            return Head.direct(kernel, bias, prototypes=len(bias) // self.classes)
        first, last = ([np.asarray(array, np.float32) for array in layer] for layer in layers)
        return Head(first[0], first[1], last[0], last[1])


@dataclass(frozen=True)
class Trained:
    """Head that a network was trained with, as a classifier."""

    own: Head

    def predict_proba(self, embedding: NDArray[Any]) -> FloatArray:
        """Return the class probabilities (N, K) of embeddings (N, E)."""
        from scipy.special import softmax

        return np.asarray(softmax(self.own.logits(embedding), axis=1))

    def head(self) -> Head:
        """Return the head itself."""
        return self.own


class _OneClass:
    """Estimator fitted to rows of a single class."""

    def __init__(self, label: int) -> None:
        self.classes_ = np.array([label])

    def predict_proba(self, x: FloatArray) -> FloatArray:
        return np.ones((len(x), 1))


class _Margins:
    """Support vector machine whose probabilities are the softmax of its one-against-rest margins."""

    def __init__(self, settings: Settings, seed: int) -> None:
        from sklearn.svm import SVC

        self._machine = SVC(
            C=settings["c"], gamma=settings["gamma"] / 10, class_weight=settings["class_weight"]
        )
        del seed  # nothing in it is random

    def fit(self, x: FloatArray, y: NDArray[np.int64]) -> _Margins:
        self._machine.fit(x, y)
        self.classes_ = self._machine.classes_
        return self

    def predict_proba(self, x: FloatArray) -> FloatArray:
        from scipy.special import softmax

        margins = self._machine.decision_function(x)
        if margins.ndim == 1:
            margins = np.stack([-margins, margins], axis=1)
        return np.asarray(softmax(margins, axis=1))


def fit(
    family: ClassifierFamily,
    settings: Settings,
    x: NDArray[Any],
    y: NDArray[np.int64],
    classes: int,
    seed: int,
) -> Fitted:
    """Train a family's classifier on embeddings x (N, E), which it standardises, and labels y (N,)."""
    from sklearn.exceptions import ConvergenceWarning

    x = np.asarray(x, np.float64)
    mean, std = x.mean(axis=0), x.std(axis=0)
    std = np.where(std > 1e-9, std, 1.0)
    if len(np.unique(y)) == 1:
        return Fitted(family, _OneClass(int(y[0])), mean, std, classes)
    with warnings.catch_warnings():
        # The number of passes is fixed on purpose; of identical windows k-means finds fewer centres.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "self.within_class_std_dev_")  # a unit at rest in all rows
        estimator = family.build(settings, seed).fit((x - mean) / std, y)
    return Fitted(family, estimator, mean, std, classes)


def _linear(settings: Settings, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=settings["c"], class_weight=settings["class_weight"], max_iter=300, random_state=seed
    )


def _mlp(settings: Settings, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        (settings["units"],),
        alpha=settings["penalty"],
        learning_rate_init=settings["learning_rate"],
        max_iter=settings["passes"],
        random_state=seed,
    )


def _prototype(settings: Settings, seed: int) -> Any:
    return Prototypes(settings["patterns"], "max", settings["passes"], settings["pull"], seed)


def _hopfield(settings: Settings, seed: int) -> Any:
    return Prototypes(settings["patterns"], "sum", settings["passes"], settings["pull"], seed)


def _centroid(settings: Settings, seed: int) -> Any:
    return Centroids(settings["shrink"], seed)


def _forest(settings: Settings, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        settings["trees"],
        min_samples_leaf=settings["leaf"],
        max_features=settings["features"],
        class_weight=settings["class_weight"],
        random_state=seed,
    )


def _boosting(settings: Settings, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=settings["learning_rate"],
        max_iter=settings["rounds"],
        max_leaf_nodes=settings["leaves"],
        l2_regularization=settings["penalty"],
        early_stopping=False,
        random_state=seed,
    )


def _linear_layers(estimator: Any) -> Layers:
    return [_two(np.asarray(estimator.coef_).T, np.asarray(estimator.intercept_))]


def _mlp_layers(estimator: Any) -> Layers:
    first, last = zip(estimator.coefs_, estimator.intercepts_)
    return [first, _two(*last)]


def _prototype_layers(estimator: Any) -> Layers:
    return [(estimator.kernel_, estimator.bias_)]


def _two(kernel: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a logit for each of two classes, of which scikit-learn keeps only the difference."""
    if len(bias) > 1:
        return kernel, bias
    return np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2


_CLASS_WEIGHT = OneOf((None, "balanced"))
_PATTERNS = {"passes": Range(10, 80, 40, whole=True), "pull": Range(1e-5, 1.0, 1e-3)}

#: The families searched, those that deploy first.
CLASSIFIER_FAMILIES = (
    ClassifierFamily(
        "linear", {"c": Range(1e-3, 1e2, 1.0), "class_weight": _CLASS_WEIGHT}, _linear, _linear_layers
    ),
    ClassifierFamily(
        "mlp",
        {
            "units": Range(4, 32, 16, whole=True),
            "penalty": Range(1e-5, 1e0, 1e-3),
            "learning_rate": Range(1e-3, 3e-2, 5e-3),
            "passes": Range(10, 80, 30, whole=True),
        },
        _mlp,
        _mlp_layers,
    ),
    ClassifierFamily(
        "prototype",
        {"patterns": Range(2, 8, 3, log=False, whole=True), **_PATTERNS},
        _prototype,
        _prototype_layers,
    ),
    ClassifierFamily("centroid", {"shrink": Range(0.0, 2.0, 0.0, log=False)}, _centroid, _prototype_layers),
    ClassifierFamily("hopfield", {"patterns": Range(2, 24, 8, whole=True), **_PATTERNS}, _hopfield),
    ClassifierFamily(
        "svm",
        {"c": Range(1e-1, 1e2, 1.0), "gamma": Range(1e-2, 1e1, 1.0), "class_weight": _CLASS_WEIGHT},
        _Margins,
    ),
    ClassifierFamily(
        "forest",
        {
            "trees": OneOf((100,)),
            "leaf": Range(1, 20, 2, whole=True),
            "features": OneOf(("sqrt", 0.5)),
            "class_weight": OneOf((None, "balanced_subsample")),
        },
        _forest,
    ),
    ClassifierFamily(
        "boosting",
        {
            "learning_rate": Range(2e-2, 3e-1, 1e-1),
            "rounds": Range(20, 120, 60, whole=True),
            "leaves": Range(4, 31, 15, whole=True),
            "penalty": Range(1e-3, 1e1, 1e-1),
        },
        _boosting,
    ),
)
