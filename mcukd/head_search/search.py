"""Search of the classifier for a frozen embedding, validated on animals held out of the training animals.

The caller passes the rows of training animals and no others, so that no held-out animal can be read. Trials
are scored by the pooled MCC over inner folds of these animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.errors import UserError
from mcukd.head_search.classifiers import CLASSIFIER_FAMILIES, ClassifierFamily, Fitted, Trained, fit
from mcukd.head_search.proposals import require_optuna, search_combinations, search_families
from mcukd.head_search.trials import COMBINATION, OWN, InnerFold, Trial, TrialScorer
from mcukd.models.weights import Head
from mcukd.progress import Advance, progress
from mcukd.text import listed

FloatArray = NDArray[np.float64]

TRIALS = 80
#: Rows that trials are fitted to and scored on; final classifiers are fitted to REFIT times as many.
ROWS, REFIT = 6000, 5


class OwnHeads(NamedTuple):
    """The head of a network, and the heads of the networks of the inner folds, each for its own embedding."""

    head: Head
    inner: Sequence[Head]


@dataclass(frozen=True)
class Classifier:
    """Classifier of a trial, fitted to all rows: the weighted sum of its members' class probabilities.

    family: one of `CLASSIFIER_FAMILIES`, `OWN` or `COMBINATION`. members: one classifier, or those of a
    combination.
    """

    family: str
    settings: dict[str, Any]
    score: float
    members: tuple[tuple[float, Fitted | Trained], ...]

    def predict_proba(self, embedding: NDArray[Any]) -> FloatArray:
        """Return the class probabilities (N, K) of embeddings (N, E)."""
        return np.asarray(sum(weight * one.predict_proba(embedding) for weight, one in self.members))

    def predict(self, embedding: NDArray[Any]) -> NDArray[np.int64]:
        """Return the most probable classes (N,)."""
        return np.asarray(np.argmax(self.predict_proba(embedding), axis=1), np.int64)


@dataclass(frozen=True)
class Found:
    """All trials in the order made, the best classifier, and the best that deploys with its head.

    Scores are those by which the classifiers were chosen, so they are optimistic; evaluate a search on
    animals that had no part in it.
    """

    trials: tuple[Trial, ...]
    winner: Classifier
    deployable: Classifier
    head: Head

    def best_by_family(self) -> list[Trial]:
        """Return the best trial of each family tried, best first."""
        best: dict[str, Trial] = {}
        for trial in self.trials:
            if trial.family not in best or trial.score > best[trial.family].score:
                best[trial.family] = trial
        return sorted(best.values(), key=lambda trial: -trial.score)


def search_classifier(
    embedding: NDArray[Any],
    labels: NDArray[Any],
    animals: NDArray[Any],
    classes: Sequence[str],
    *,
    trials: int = TRIALS,
    seed: int = 0,
    families: Sequence[ClassifierFamily] = CLASSIFIER_FAMILIES,
    rows: int = ROWS,
    inner: Sequence[NDArray[Any]] | None = None,
    own: OwnHeads | None = None,
    advance: Advance | None = None,
) -> Found:
    """Search families and settings on an embedding (N, E) of the training animals' windows.

    labels: (N,) indices into `classes`. animals: (N,). trials: classifiers tried, half of them of families
    that deploy; a quarter as many combinations come on top. rows: number of rows, drawn by class, that trials
    use; the final classifiers are fitted to up to five times as many. inner: for each of
    `inner_folds(animals)` an embedding (N, E) of the same rows by a network that was not trained on that
    fold's test animals; without it trials use `embedding`, whose network was trained on the animals they are
    scored on, so that scores are optimistic. own: with `inner`, the head the network was trained with as one
    more candidate, which is kept unless another has a larger score. advance: called for each of the
    `trials_in_all(trials)`, in place of a progress bar.
    The same arguments give the same classifiers. Raises UserError where Optuna is missing, values are not
    finite, a class has no row, there are fewer than two animals, or `trials` are too few to try each family.
    """
    optuna = require_optuna()
    embedding, labels = _checked(embedding, labels, animals, classes)
    groups = [[one for one in families if one.deploys], [one for one in families if not one.deploys]]
    if not groups[0]:
        raise UserError(
            "the search needs a family that deploys; give at least one of linear, mlp, prototype."
        )
    counts = [trials - trials // 2, trials // 2] if groups[1] else [trials, 0]
    if any(count < len(group) for count, group in zip(counts, groups)):
        least = 2 * max(map(len, groups))
        raise UserError(f"{trials} trials cannot try {len(families)} families; give {least} or more.")
    chosen = _by_class(labels, rows, seed)
    names = np.array([str(animal) for animal in animals])
    folds = inner_folds(names.tolist())
    embeddings = _inner_embeddings(inner, embedding, len(folds))
    if own is not None and (inner is None or len(own.inner) != len(folds)):
        raise UserError(
            f"the search got {len(own.inner)} inner heads; to score the network's own, give embedding and "
            f"head of a network for each of the {len(embeddings)} inner folds."
        )
    parts = [
        InnerFold(
            x[chosen], _rows_of(names[chosen], fold.train_animals), _rows_of(names[chosen], fold.test_animals)
        )
        for fold, x in zip(folds, embeddings)
    ]
    scorer = TrialScorer(parts, labels[chosen], len(classes), seed)
    if own is not None:
        scorer.try_own(own.inner)
    bar: AbstractContextManager[Advance] = (
        progress("Searching classifiers", trials_in_all(trials)) if advance is None else nullcontext(advance)
    )
    with bar as advance_bar:
        for number, (count, group) in enumerate(zip(counts, groups)):
            search_families(optuna, scorer, group, count, seed + number, advance_bar)
        combinations = search_combinations(optuna, scorer, trials // 4, seed, advance_bar)
    refit = _by_class(labels, REFIT * rows, seed)
    x, y = embedding[refit], labels[refit]

    def fitted(trial: Trial) -> Fitted | Trained:
        if trial.family == OWN:
            assert own is not None
            return Trained(own.head)
        family = next(one for one in families if one.name == trial.family)
        return fit(family, trial.settings, x, y, len(classes), seed)

    best = max(scorer.trials, key=lambda trial: trial.score)  # the first of equals
    deployed = max((trial for trial in scorer.trials if trial.deploys), key=lambda trial: trial.score)
    deployable = Classifier(deployed.family, deployed.settings, deployed.score, ((1.0, fitted(deployed)),))
    if best.family == COMBINATION:
        members = tuple((weight, fitted(trial)) for weight, trial in combinations[best.number])
        winner = Classifier(COMBINATION, best.settings, best.score, members)
    elif best is deployed:
        winner = deployable
    else:
        winner = Classifier(best.family, best.settings, best.score, ((1.0, fitted(best)),))
    return Found(tuple(scorer.trials), winner, deployable, deployable.members[0][1].head())


def trials_in_all(trials: int) -> int:
    """Return how many classifiers a search tries, combinations included."""
    return trials + trials // 4


def _checked(
    embedding: NDArray[Any], labels: NDArray[Any], animals: NDArray[Any], classes: Sequence[str]
) -> tuple[FloatArray, NDArray[np.int64]]:
    values, numbers = np.asarray(embedding, np.float64), np.asarray(labels, np.int64)
    if values.ndim != 2 or not len(values) == len(numbers) == len(animals):
        raise UserError(
            f"the search got an embedding of shape {values.shape}, {len(numbers)} labels and {len(animals)} "
            "animals; expected one row, label and animal per window."
        )
    if not np.all(np.isfinite(values)):
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise UserError(f"the embedding's row {row} is not finite; train the student again.")
    unknown = numbers[(numbers < 0) | (numbers >= len(classes))]
    if len(unknown):
        raise UserError(f"label {unknown[0]} is none of the {len(classes)} classes {listed(classes)}.")
    missing = np.setdiff1d(np.arange(len(classes)), numbers)
    if len(missing) or len(classes) < 2:
        lacking = classes[missing[0]] if len(missing) else "a second one"
        raise UserError(
            f"the search needs windows of each of two classes or more; the training animals have none of "
            f"{lacking}: hold out other animals."
        )
    return values, numbers


def _by_class(labels: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.int64]:
    """Return the sorted indices of about `rows` rows, from each class in proportion and at least one."""
    if len(labels) <= rows:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    parts = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        parts.append(rng.choice(own, -(-len(own) * rows // len(labels)), replace=False))
    return np.sort(np.concatenate(parts))


def _inner_embeddings(
    inner: Sequence[NDArray[Any]] | None, embedding: FloatArray, folds: int
) -> list[FloatArray]:
    if inner is None:
        return [embedding] * folds
    embeddings = [np.asarray(x, np.float64) for x in inner]
    if len(embeddings) != folds or any(x.ndim != 2 or len(x) != len(embedding) for x in embeddings):
        raise UserError(
            f"the search got inner embeddings of shapes {listed(x.shape for x in embeddings)}; "
            f"expected {folds}, one for each inner fold, of {len(embedding)} rows."
        )
    if not all(np.all(np.isfinite(x)) for x in embeddings):
        raise UserError("an inner embedding is not finite; train the student of that fold again.")
    return embeddings


def _rows_of(names: NDArray[Any], animals: Sequence[str]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(names, animals))
