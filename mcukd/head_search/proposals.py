"""Proposals of classifiers by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mcukd.extras import load
from mcukd.head_search.classifiers import ClassifierFamily, OneOf, Range
from mcukd.head_search.trials import Trial, TrialScorer
from mcukd.progress import Advance

#: Families whose best classifiers are combined.
COMBINED = 4


def require_optuna() -> Any:
    """Return the package Optuna. Raises UserError where it is missing."""
    return load("optuna", "the classifier search")


def search_families(
    optuna: Any,
    scorer: TrialScorer,
    families: Sequence[ClassifierFamily],
    trials: int,
    seed: int,
    advance: Advance,
) -> None:
    """Try `trials` classifiers of some families, the defaults of each family first."""
    by_name = {family.name: family for family in families}

    def objective(proposal: Any) -> float:
        family = by_name[proposal.suggest_categorical("family", list(by_name))]
        settings = {name: _suggest(proposal, f"{family.name} {name}", c) for name, c in family.space.items()}
        return scorer.try_family(family, settings).score

    defaults = [
        {"family": one.name, **{f"{one.name} {name}": value for name, value in one.defaults.items()}}
        for one in families
    ]
    _optimise(optuna, objective, defaults, trials, seed, scorer, advance)


def search_combinations(
    optuna: Any, scorer: TrialScorer, trials: int, seed: int, advance: Advance
) -> dict[int, list[tuple[float, Trial]]]:
    """Try weighted means of the best families' probabilities; return the members of each by its trial."""
    ranked = sorted(scorer.best.values(), key=lambda kept: -kept[0].score)[:COMBINED]
    names = [trial.family for trial, _ in ranked]
    members: dict[int, list[tuple[float, Trial]]] = {}
    if len(names) < 2:
        advance(trials)
        return members

    def objective(proposal: Any) -> float:
        raw = {name: proposal.suggest_float(name, 0.0, 1.0) for name in names}
        total = sum(raw.values())
        weights = {name: value / total if total else 1 / len(names) for name, value in raw.items()}
        trial = scorer.try_combination(weights)
        members[trial.number] = [(weight, scorer.best[name][0]) for name, weight in weights.items()]
        return trial.score

    _optimise(optuna, objective, [dict.fromkeys(names, 1.0)], trials, seed, scorer, advance)
    return members


def _optimise(
    optuna: Any,
    objective: Callable[[Any], float],
    first: Sequence[dict[str, Any]],
    trials: int,
    seed: int,
    scorer: TrialScorer,
    advance: Advance,
) -> None:
    """Run `trials` trials, those with the settings in `first` before any that Optuna proposes."""
    if not trials:
        return

    def report(study: Any, _: Any) -> None:
        latest = scorer.trials[-1]
        advance(1, f"{latest.family} {latest.score:.3f}, best {study.best_value:.3f}")

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        for settings in first:
            study.enqueue_trial(settings)
        study.optimize(objective, n_trials=trials, callbacks=[report])
    finally:
        optuna.logging.set_verbosity(verbosity)


def _suggest(proposal: Any, name: str, choice: Any) -> Any:
    if isinstance(choice, OneOf):
        return proposal.suggest_categorical(name, choice.values)
    assert isinstance(choice, Range)
    if choice.whole:
        return proposal.suggest_int(name, int(choice.low), int(choice.high), log=choice.log)
    return proposal.suggest_float(name, choice.low, choice.high, log=choice.log)
