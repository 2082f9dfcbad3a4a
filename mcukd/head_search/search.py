"""Searches the classifier for a frozen embedding, with animals held out inside the training animals.

Whoever calls this hands over the rows of training animals and no others, so that a held-out animal cannot be
read. Trials are scored by the pooled MCC over inner folds of these animals; Optuna's tree-structured Parzen
estimator (Bergstra et al. 2011) proposes them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.errors import UserError
from mcukd.head_search.classifiers import FAMILIES, Family, Fitted, OneOf, Range, Trained, fit
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.models.weights import Head
from mcukd.progress import Advance, progress
from mcukd.text import listed

FloatArray = NDArray[np.float64]

TRIALS = 80
#: Rows that trials see in all, and how many times as many the classifiers found are fitted to.
ROWS, REFIT = 6000, 5
#: Families whose best classifiers soft combinations are made of.
COMBINED = 4
COMBINATION = "combination"
#: The head that the network was trained with, among the candidates.
OWN = "own"


class OwnHeads(NamedTuple):
    """The head of the network, and of the network of each inner fold, on whose embedding it is scored."""

    head: Head
    inner: Sequence[Head]


@dataclass(frozen=True)
class Trial:
    """One classifier tried. score: pooled MCC over inner animals. seconds: its wall time."""

    number: int
    family: str
    settings: dict[str, Any]
    score: float
    deploys: bool
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Classifier:
    """What a trial found, fitted to all rows: its members' chances, weighted and added.

    family: one of `FAMILIES`, `OWN` or `COMBINATION`. members: one classifier, or those of a combination.
    """

    family: str
    settings: dict[str, Any]
    score: float
    members: tuple[tuple[float, Union[Fitted, Trained]], ...]

    def predict_proba(self, embedding: NDArray[Any]) -> FloatArray:
        """Return the chances (N, K) of embeddings (N, E)."""
        return np.asarray(sum(weight * one.predict_proba(embedding) for weight, one in self.members))

    def predict(self, embedding: NDArray[Any]) -> NDArray[np.int64]:
        """Return the likeliest classes (N,)."""
        return np.asarray(np.argmax(self.predict_proba(embedding), axis=1), np.int64)


@dataclass(frozen=True)
class Found:
    """All trials in the order made, the best classifier, and the best that deploys with its head.

    Scores are those their classifiers were chosen by and therefore flatter; what a search is worth is
    measured on animals that had no part in it.
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
    families: Sequence[Family] = FAMILIES,
    rows: int = ROWS,
    inner: Optional[Sequence[NDArray[Any]]] = None,
    own: Optional[OwnHeads] = None,
    advance: Optional[Advance] = None,
) -> Found:
    """Search families and settings on an embedding (N, E) of the training animals' windows.

    labels: (N,) indices into `classes`. animals: (N,). trials: classifiers tried, half of them of families
    that deploy; a quarter as many soft combinations come on top. rows: how many rows, drawn by class, trials
    see in all; classifiers found are fitted to up to five times as many. inner: for each of
    `inner_folds(animals)` an embedding (N, E) of the same rows by a network that was not trained on that
    fold's test animals; without it trials read `embedding`, whose network has learned from the animals they
    are scored on, so that scores flatter. own: with `inner`, the head the network was trained with as one
    more candidate, which is kept unless another has a larger score. advance: told of each of the
    `steps(trials)`, in place of a progress bar.
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
    shares = [trials - trials // 2, trials // 2] if groups[1] else [trials, 0]
    if any(share < len(group) for share, group in zip(shares, groups)):
        least = 2 * max(map(len, groups))
        raise UserError(f"{trials} trials cannot try {len(families)} families; give {least} or more.")
    chosen = _by_class(labels, rows, seed)
    names = np.array([str(animal) for animal in animals])
    folds = inner_folds(names.tolist())
    read = _inner_embeddings(inner, embedding, len(folds))
    if own is not None and (inner is None or len(own.inner) != len(folds)):
        raise UserError(
            f"the search got {len(own.inner)} inner heads; to judge the network's own, give embedding and "
            f"head of a network for each of the {len(read)} inner folds."
        )
    parts = [
        _Part(x[chosen], _of(names[chosen], fold.train_animals), _of(names[chosen], fold.test_animals))
        for fold, x in zip(folds, read)
    ]
    judge = _Judge(parts, labels[chosen], len(classes), seed)
    if own is not None:
        judge.try_own(own.inner)
    bar: AbstractContextManager[Advance] = (
        progress("Searching classifiers", steps(trials)) if advance is None else nullcontext(advance)
    )
    with bar as tell:
        for number, (share, group) in enumerate(zip(shares, groups)):
            _search_families(optuna, judge, group, share, seed + number, tell)
        mixture = _search_combinations(optuna, judge, trials // 4, seed, tell)
    refit = _by_class(labels, REFIT * rows, seed)
    x, y = embedding[refit], labels[refit]

    def fitted(trial: Trial) -> Union[Fitted, Trained]:
        if trial.family == OWN:
            assert own is not None
            return Trained(own.head)
        family = next(one for one in families if one.name == trial.family)
        return fit(family, trial.settings, x, y, len(classes), seed)

    best = max(judge.trials, key=lambda trial: trial.score)  # the first of equals
    small = max((trial for trial in judge.trials if trial.deploys), key=lambda trial: trial.score)
    deployable = Classifier(small.family, small.settings, small.score, ((1.0, fitted(small)),))
    if best.family == COMBINATION:
        members = tuple((weight, fitted(trial)) for weight, trial in mixture[best.number])
        winner = Classifier(COMBINATION, best.settings, best.score, members)
    elif best is small:
        winner = deployable
    else:
        winner = Classifier(best.family, best.settings, best.score, ((1.0, fitted(best)),))
    return Found(tuple(judge.trials), winner, deployable, deployable.members[0][1].head())


def steps(trials: int) -> int:
    """Return how many classifiers a search of so many trials tries in all."""
    return trials + trials // 4


class _Part(NamedTuple):
    """An inner fold: embeddings (N, E), and the rows that train and test."""

    x: FloatArray
    train: NDArray[np.int64]
    test: NDArray[np.int64]


class _Judge:
    """Scores classifiers on inner animals, and keeps the chances of each family's best."""

    def __init__(self, parts: Sequence[_Part], labels: NDArray[np.int64], classes: int, seed: int) -> None:
        self.parts, self.labels, self.classes, self.seed = parts, labels, classes, seed
        self.trials: list[Trial] = []
        self.chances: dict[str, tuple[Trial, FloatArray]] = {}

    def try_family(self, family: Family, settings: dict[str, Any]) -> Trial:
        """Train on each inner fold's training animals and score the chances of its test animals."""
        start = time.perf_counter()
        chances = np.zeros((len(self.labels), self.classes))
        for x, train, test in self.parts:
            made = fit(family, settings, x[train], self.labels[train], self.classes, self.seed)
            chances[test] = made.predict_proba(x[test])
        trial = self._note(family.name, settings, chances, family.deploys, start)
        if family.name not in self.chances or trial.score > self.chances[family.name][0].score:
            self.chances[family.name] = trial, chances
        return trial

    def try_own(self, heads: Sequence[Head]) -> None:
        """Score each inner fold's network with the head it has, on the fold's test animals."""
        start = time.perf_counter()
        chances = np.zeros((len(self.labels), self.classes))
        for (x, _, test), head in zip(self.parts, heads):
            chances[test] = Trained(head).predict_proba(x[test])
        self.chances[OWN] = self._note(OWN, {}, chances, True, start), chances

    def try_mixture(self, weights: dict[str, float]) -> Trial:
        """Score the weighted mean of the chances that families' best gave for the same rows."""
        start = time.perf_counter()
        chances = np.asarray(sum(weight * self.chances[name][1] for name, weight in weights.items()))
        return self._note(COMBINATION, dict(weights), chances, False, start)

    def _note(
        self, family: str, settings: dict[str, Any], chances: FloatArray, deploys: bool, start: float
    ) -> Trial:
        score = pooled_mcc(confusion_matrix(self.labels, chances.argmax(axis=1), self.classes))
        seconds = time.perf_counter() - start
        trial = Trial(len(self.trials), family, settings, score, deploys, seconds)
        self.trials.append(trial)
        return trial


def _search_families(
    optuna: Any, judge: _Judge, families: Sequence[Family], trials: int, seed: int, advance: Advance
) -> None:
    by_name = {family.name: family for family in families}

    def objective(asked: Any) -> float:
        family = by_name[asked.suggest_categorical("family", list(by_name))]
        settings = {name: _suggest(asked, f"{family.name} {name}", c) for name, c in family.space.items()}
        return judge.try_family(family, settings).score

    first = [
        {"family": one.name, **{f"{one.name} {name}": value for name, value in one.defaults.items()}}
        for one in families
    ]
    _optimise(optuna, objective, first, trials, seed, judge, advance)


def _search_combinations(
    optuna: Any, judge: _Judge, trials: int, seed: int, advance: Advance
) -> dict[int, list[tuple[float, Trial]]]:
    """Search weights of the best families' chances; return by trial what its combination is made of."""
    ranked = sorted(judge.chances.values(), key=lambda kept: -kept[0].score)[:COMBINED]
    names = [trial.family for trial, _ in ranked]
    made: dict[int, list[tuple[float, Trial]]] = {}
    if len(names) < 2:
        advance(trials)
        return made

    def objective(asked: Any) -> float:
        raw = {name: asked.suggest_float(name, 0.0, 1.0) for name in names}
        total = sum(raw.values())
        weights = {name: value / total if total else 1 / len(names) for name, value in raw.items()}
        trial = judge.try_mixture(weights)
        made[trial.number] = [(weight, judge.chances[name][0]) for name, weight in weights.items()]
        return trial.score

    _optimise(optuna, objective, [dict.fromkeys(names, 1.0)], trials, seed, judge, advance)
    return made


def _optimise(
    optuna: Any,
    objective: Callable[[Any], float],
    first: Sequence[dict[str, Any]],
    trials: int,
    seed: int,
    judge: _Judge,
    advance: Advance,
) -> None:
    """Have Optuna make `trials` trials, those of `first` before any of its own."""
    if not trials:
        return

    def tell(study: Any, _: Any) -> None:
        latest = judge.trials[-1]
        advance(1, f"{latest.family} {latest.score:.3f}, best {study.best_value:.3f}")

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        for settings in first:
            study.enqueue_trial(settings)
        study.optimize(objective, n_trials=trials, callbacks=[tell])
    finally:
        optuna.logging.set_verbosity(verbosity)


def _suggest(asked: Any, name: str, choice: Any) -> Any:
    if isinstance(choice, OneOf):
        return asked.suggest_categorical(name, choice.values)
    assert isinstance(choice, Range)
    if choice.whole:
        return asked.suggest_int(name, int(choice.low), int(choice.high), log=choice.log)
    return asked.suggest_float(name, choice.low, choice.high, log=choice.log)


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
    strange = numbers[(numbers < 0) | (numbers >= len(classes))]
    if len(strange):
        raise UserError(f"label {strange[0]} is none of the {len(classes)} classes {listed(classes)}.")
    missing = np.setdiff1d(np.arange(len(classes)), numbers)
    if len(missing) or len(classes) < 2:
        lacking = classes[missing[0]] if len(missing) else "a second one"
        raise UserError(
            f"the search needs windows of each of two classes or more; the training animals have none of "
            f"{lacking}: hold out other animals."
        )
    return values, numbers


def _by_class(labels: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of about `rows` rows, of each class its share and at least one, in order."""
    if len(labels) <= rows:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    parts = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        parts.append(rng.choice(own, -(-len(own) * rows // len(labels)), replace=False))
    return np.sort(np.concatenate(parts))


def _inner_embeddings(
    inner: Optional[Sequence[NDArray[Any]]], embedding: FloatArray, folds: int
) -> list[FloatArray]:
    if inner is None:
        return [embedding] * folds
    read = [np.asarray(x, np.float64) for x in inner]
    if len(read) != folds or any(x.ndim != 2 or len(x) != len(embedding) for x in read):
        raise UserError(
            f"the search got inner embeddings of shapes {listed(x.shape for x in read)}; expected {folds}, "
            f"one for each inner fold, of {len(embedding)} rows."
        )
    if not all(np.all(np.isfinite(x)) for x in read):
        raise UserError("an inner embedding is not finite; train the student of that fold again.")
    return read


def _of(names: NDArray[Any], animals: Sequence[str]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(names, animals))


def require_optuna() -> Any:
    """Return the optimiser library. Raises UserError where it is missing."""
    try:
        return import_module("optuna")
    except ModuleNotFoundError as error:
        raise UserError(
            f"the classifier search needs the package '{error.name}'; install it with: "
            "pip install 'mcukd[search]'."
        ) from None
