"""Refused results: thresholds for a share of refusals or errors, risk against coverage, new animals.

Coverage is the share of results that name a class, risk the share of wrong ones among those (El-Yaniv and
Wiener 2010). A threshold is never judged on the animals that it was chosen on: `cross_fitted` chooses one for
each animal on all others. Windows of one animal are alike, so they are not exchangeable with those of
another; animals are. `limit_for_animals` therefore does split-conformal prediction with an animal as the unit
(Vovk 2012, Dunn et al. 2023): with A animals, statements at a confidence of up to A / (A + 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Shares of refusals at which a curve is given.
CURVE = tuple(round(0.05 * n, 2) for n in range(17))


@dataclass(frozen=True)
class HeldOutResults:
    """Results of models on windows of animals that they were not trained on.

    labels, classes: (N,) indices; classes: of the largest logit. margins: (N,) largest minus second logit.
    distances: (N,) from the class, zeros where there is none. animals: (N,) str.
    """

    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    margins: NDArray[np.float64]
    distances: NDArray[np.float64]
    animals: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each names another class than the label (N,)."""
        return np.asarray(self.labels != self.classes)

    def take(self, index: NDArray[Any]) -> HeldOutResults:
        """Return the results at `index` (integers or a mask)."""
        return HeldOutResults(
            self.labels[index],
            self.classes[index],
            self.margins[index],
            self.distances[index],
            self.animals[index],
        )


@dataclass(frozen=True)
class Thresholds:
    """Results of a margin below `margin`, or of a distance above `limit`, are refused."""

    margin: float = 0.0
    limit: float = math.inf

    def refuses(self, results: HeldOutResults) -> NDArray[np.bool_]:
        """Return which results are refused (N,)."""
        return np.asarray((results.margins < self.margin) | (results.distances > self.limit))


def margin_for_share(margins: NDArray[np.float64], share: float) -> float:
    """Return the largest margin that refuses no more than a share of results, 0 … 1 (1 left out)."""
    if not len(margins):
        raise ValueError("no results to choose a margin on")
    return float(np.sort(margins)[min(math.floor(share * len(margins) + 1e-9), len(margins) - 1)])


def limit_for_share(distances: NDArray[np.float64], share: float) -> float:
    """Return the least limit that refuses no more than a share of results."""
    if not len(distances):
        raise ValueError("no results to choose a limit on")
    return float(np.sort(distances)[max(len(distances) - 1 - math.floor(share * len(distances) + 1e-9), 0)])


def margin_for_risk(margins: NDArray[np.float64], wrong: NDArray[np.bool_], risk: float) -> float | None:
    """Return the least margin at which at most a share `risk` of answered results is wrong; None for none.

    The share is that of the results it is chosen on; it is no bound for others.
    """
    order = np.argsort(margins, kind="stable")
    sorted_margins, errors = margins[order], wrong[order]
    answered = np.arange(len(margins), 0, -1)
    share = np.cumsum(errors[::-1])[::-1] / answered
    # Results of equal margin are answered together.
    first = np.flatnonzero(np.diff(sorted_margins, prepend=-np.inf) > 0)
    fits = first[share[first] <= risk]
    if not len(fits):
        return None
    return 0.0 if fits[0] == 0 else float(sorted_margins[fits[0]])


def cross_fitted(
    results: HeldOutResults, choose: Callable[[HeldOutResults], Thresholds]
) -> NDArray[np.bool_]:
    """Return which results are refused (N,), each animal's by thresholds chosen on all other animals.

    Raises ValueError with fewer than two animals.
    """
    names = np.unique(results.animals)
    if len(names) < 2:
        raise ValueError("thresholds for an animal are chosen on others, and there is one animal alone")
    refused = np.zeros(len(results), bool)
    for name in names:
        own = results.animals == name
        refused[own] = choose(results.take(~own)).refuses(results.take(own))
    return refused


def risk_coverage(
    results: HeldOutResults, refused: NDArray[np.bool_] | None = None
) -> list[dict[str, float]]:
    """Return coverage and risk at margins that refuse the shares of `CURVE`, each animal's chosen on others.

    refused: results that are refused whatever their margin. Points at which nothing is answered are left out.
    """
    points = []
    for share in CURVE:
        left = cross_fitted(results, lambda some, s=share: Thresholds(margin_for_share(some.margins, s)))  # type: ignore[misc]
        answered = ~left if refused is None else ~(left | refused)
        if answered.any():
            points.append(
                {
                    "share": share,
                    "coverage": round(float(answered.mean()), 6),
                    "risk": round(float(results.wrong[answered].mean()), 6),
                }
            )
    return points


def refusal_figures(
    results: HeldOutResults, refused: NDArray[np.bool_], names: tuple[str, ...]
) -> dict[str, Any]:
    """Return what refusing does: coverage, and errors with and without it, in all, by behaviour, by animal.

    by_behaviour: of the windows that are of it (`windows`, `refused`), and of the results that name it
    (`named`, `wrong` and `wrong_answered`: shares among those before and after; None where nothing is left).
    """
    answered = ~refused
    behaviours = {}
    for k, name in enumerate(names):
        of, said = results.labels == k, results.classes == k
        behaviours[name] = {
            "windows": int(of.sum()),
            "refused": _share(refused[of]),
            "named": int(said.sum()),
            "wrong": _share(results.wrong[said]),
            "wrong_answered": _share(results.wrong[said & answered]),
        }
    animals = {}
    for animal in np.unique(results.animals).tolist():
        own = results.animals == animal
        animals[str(animal)] = {
            "windows": int(own.sum()),
            "refused": _share(refused[own]),
            "wrong": _share(results.wrong[own]),
            "wrong_answered": _share(results.wrong[own & answered]),
        }
    return {
        "windows": len(results),
        "coverage": _share(answered),
        "wrong": _share(results.wrong),
        "wrong_answered": _share(results.wrong[answered]),
        "by_behaviour": behaviours,
        "by_animal": animals,
    }


def limit_for_animals(
    scores: NDArray[np.float64], animals: NDArray[Any], share: float, confidence: float
) -> float | None:
    """Return the limit under which a new animal has at most a share of its results, with a confidence.

    scores: (N,) large where a result is to be refused. Each animal has a limit of its own, the least that
    refuses no more than `share` of its results; the ⌈(A + 1)·confidence⌉-th smallest of these is the least
    limit for which, with animals that are exchangeable, the probability that a further animal has more than
    `share` of its results refused is at most 1 − confidence. None where A animals are too few for that.
    The scores of the A animals come from models that did not see them, one for each fold; that one model for
    the further animal scores as they do is assumed, not shown.
    """
    names = np.unique(animals)
    own = sorted(limit_for_share(scores[animals == name], share) for name in names)
    rank = math.ceil((len(own) + 1) * confidence - 1e-9)
    return own[max(rank, 1) - 1] if rank <= len(own) else None


def _share(chosen: NDArray[np.bool_]) -> float | None:
    return round(float(chosen.mean()), 6) if len(chosen) else None


def refusal_sentence(facts: Mapping[str, Any]) -> str:
    """Say in a sentence what a rule does on held-out animals."""
    answered = facts["wrong_answered"]
    left = "of the rest none is left" if answered is None else f"of the rest {answered:.1%} are wrong"
    return (
        f"Unknown: {1 - facts['coverage']:.1%} of the results on held-out animals are refused, and {left} "
        f"instead of {facts['wrong']:.1%}; each animal's thresholds were chosen on the others (unknown.json)."
    )
