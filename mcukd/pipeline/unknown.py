"""Refusal rule of a study's integer model: thresholds chosen on held-out animals, and what they are worth.

Part of the quantize stage. Every fold's integer model classifies the animals that it was not trained on;
margins and distances of these results, as the integers give them, choose the thresholds of the final model,
in units of the logits and of the training windows' variance, in which models of folds and of all animals are
comparable. Figures are cross-fitted: an animal is judged by thresholds that were chosen on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.refusal import LIMITS, MARGINS, check_names
from mcukd.fixedpoint.refusal_fitting import distance_arrays, measured_rule, with_thresholds
from mcukd.inference.batch import run_fast
from mcukd.metrics.refusal import (
    HeldOutResults,
    Thresholds,
    cross_fitted,
    limit_for_animals,
    limit_for_share,
    margin_for_risk,
    margin_for_share,
    refusal_figures,
    risk_coverage,
)

#: Raise it when the same results give other thresholds: studies with a rule are then stale.
VERSION = 1
_RISK = "risk="


@dataclass(frozen=True)
class RefusalOptions:
    """What a rule is asked for.

    share: of results that are too close to call; risk: of wrong results among those answered; one of them or
    neither. unlike: share of results that are unlike the windows of their class.
    """

    share: float | None = None
    risk: float | None = None
    unlike: float | None = None

    def recorded(self) -> dict[str, Any]:
        """Return what the manifest records, in JSON types."""
        return {"version": VERSION, **{k: v for k, v in asdict(self).items() if v is not None}}


def parse_refusal(unknown: str | None, unlike: float | None) -> RefusalOptions | None:
    """Return the options of `--unknown` and `--unlike`; None without either. Raises UserError."""
    if unknown is None and unlike is None:
        return None
    share = risk = None
    if unknown is not None:
        text = unknown.strip()
        number = _share(text[len(_RISK) :] if text.startswith(_RISK) else text)
        if number is None:
            raise UserError(
                f"--unknown is '{unknown}', expected a share of results such as 0.10, above 0 and below 1, "
                "or risk=0.05 for the share of wrong ones among those that are answered."
            )
        share, risk = (None, number) if text.startswith(_RISK) else (number, None)
    if unlike is not None and not 0 < unlike < 1:
        raise UserError(
            f"--unlike is {unlike}, expected a share of results above 0 and below 1, such as 0.05."
        )
    return RefusalOptions(share, risk, unlike)


def _share(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < 1 else None


def check_refusal(classes: tuple[str, ...], stream: bool, animals: int) -> None:
    """Raise UserError where no rule can be made for a study. animals: that are held out in its folds."""
    check_names(classes)
    if stream:
        raise UserError(
            "--unknown and --unlike choose thresholds on windows that start from zero, and this study's "
            "student carries its state; leave them out, or distil without --stream."
        )
    if animals < 2:
        raise UserError(
            "--unknown and --unlike choose thresholds for an animal on other animals, and this study holds "
            f"out {animals}; distil with a split that holds out two or more, such as k-fold-by-animal."
        )


def refusing(
    model: IntegerModel,
    own_training: Windows,
    folds: Sequence[tuple[FoldStudent, IntegerModel]],
    training: Windows,
    evaluation: Windows,
    options: RefusalOptions,
) -> tuple[IntegerModel, dict[str, Any]]:
    """Return a study's integer model with a refusal rule, and the facts of `unknown.json`.

    own_training: windows that the model was trained on. folds: students and their integer models. training,
    evaluation: windows of all animals. Raises UserError where no margin keeps the risk asked for, and where
    the head does not read the state that a distance is measured of.
    """
    if options.unlike is not None and model.head_input != "h":
        raise UserError(
            f"--unlike measures the distance of the state, and the head of this {model.family} student does "
            "not read it; leave --unlike out."
        )
    results = held_out_results(folds, training, evaluation, options.unlike is not None)

    def choose(some: HeldOutResults) -> Thresholds:
        limit = math.inf if options.unlike is None else limit_for_share(some.distances, options.unlike)
        if options.risk is not None:
            margin = margin_for_risk(some.margins, some.wrong, options.risk)
            # Where no margin keeps the risk on the others, an animal is answered at the largest alone.
            return Thresholds(float(some.margins.max()) if margin is None else margin, limit)
        return Thresholds(
            0.0 if options.share is None else margin_for_share(some.margins, options.share), limit
        )

    if options.risk is not None and margin_for_risk(results.margins, results.wrong, options.risk) is None:
        raise UserError(
            f"--unknown {_RISK}{options.risk:g}: no margin leaves so few wrong among the results on held-out "
            f"animals, of which {results.wrong.mean():.1%} are wrong without one; ask for a larger risk, or "
            "for a share such as --unknown 0.10."
        )
    thresholds, classes = choose(results), len(model.classes)
    made = with_thresholds(
        model,
        [thresholds.margin] * classes,
        [thresholds.limit] * classes,
        None if options.unlike is None else distance_of(model, own_training),
    )
    refused = cross_fitted(results, choose)
    facts = {
        "asked": options.recorded(),
        "thresholds": {
            "margin": thresholds.margin,
            "margin_integers": made.arrays[MARGINS].tolist(),
            "limit": None if options.unlike is None else thresholds.limit,
            "limit_integers": None if options.unlike is None else made.arrays[LIMITS].tolist(),
        },
        "chosen_on": "results of each fold's integer model on the animals held out of it",
        "figures_of": "animals held out, each by thresholds chosen on the others",
        **refusal_figures(results, refused, model.classes),
        "curve": risk_coverage(results),
        "new_animals": _new_animals(results),
        "model_sha256": made.sha256,
        "simulated": model.simulated,
    }
    return made, facts


def held_out_results(
    folds: Sequence[tuple[FoldStudent, IntegerModel]],
    training: Windows,
    evaluation: Windows,
    distance: bool,
) -> HeldOutResults:
    """Return the results of each fold's integer model on its held-out windows; distance: measured as well."""
    parts = []
    for student, model in folds:
        test = evaluation.take(student.test_index)
        arrays = distance_of(model, student.training_of(training)) if distance else None
        classes = len(model.classes)
        ruled = with_thresholds(model, [0.0] * classes, [math.inf] * classes, arrays)
        found = run_fast(ruled, test.counts, checksums=False, saturations=False)
        margins, squared = measured_rule(ruled, found.logits, found.state)
        parts.append(HeldOutResults(test.labels, found.classes, margins, squared, test.animals))
    return HeldOutResults(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("labels", "classes", "margins", "distances", "animals")
        )
    )


def distance_of(model: IntegerModel, windows: Windows) -> dict[str, NDArray[Any]]:
    """Return the distance of a model from the windows that it was trained on, those with labels."""
    known = windows.take(windows.labels >= 0)
    state = run_fast(model, known.counts, checksums=False, saturations=False).state
    return distance_arrays(model, state, known.labels)


def _new_animals(results: HeldOutResults) -> list[dict[str, Any]]:
    """Return margins under which a new animal has at most a share of its results refused, by confidence."""
    animals = len(np.unique(results.animals))
    found = []
    for confidence in (0.5, 0.8, 0.9):
        # A small margin is refused; its negative is large.
        limit = limit_for_animals(-results.margins, results.animals, 0.10, confidence)
        found.append(
            {
                "animals": animals,
                "share": 0.10,
                "confidence": confidence,
                "margin": None if limit is None else round(-limit, 6),
            }
        )
    return found
