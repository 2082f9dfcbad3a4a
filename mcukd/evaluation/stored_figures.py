"""Figures of a study's models from its stored predictions: scores with intervals, and comparisons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mcukd.data.windows import Windows
from mcukd.evaluation.baselines import BASELINES
from mcukd.evaluation.compare import Comparison, compare
from mcukd.evaluation.predictions import stored_predictions
from mcukd.fold_results import DEPLOYABLE, DISTILLED, SEARCHED, STUDENT, TEACHER
from mcukd.metrics.registry import of_logits
from mcukd.metrics.scores import combine_seeds


def stored_figures(
    folder: Path, models: Iterable[str], evaluation: Windows
) -> tuple[dict[str, dict[str, Any]], list[Comparison]]:
    """Return figures by model, and comparisons of those that are there, from a study's directory.

    evaluation: the windows that the models were scored on, of which labels, animals and classes count.
    Models without stored predictions are left out. Raises UserError where these are of other windows.
    """
    found = stored_predictions(folder, models, evaluation)
    figures = {
        name: {
            **combine_seeds(predictions.scores(evaluation)),
            **{metric.name: metric.overall(predictions.scored_windows(evaluation)) for metric in of_logits()},
        }
        for name, predictions in found.items()
    }
    pairs = [(a, b) for a, b in _pairs() if {a, b} <= set(found)]
    return figures, [compare(found[a], found[b], evaluation) for a, b in pairs]


def _pairs() -> list[tuple[str, str]]:
    """Return the pairs of models to compare where both were evaluated; the first is the one to deploy."""
    baselines = ((DISTILLED, baseline) for baseline in BASELINES)
    searched = ((DEPLOYABLE, DISTILLED), (SEARCHED, DISTILLED))
    return [(DISTILLED, STUDENT), (DISTILLED, TEACHER), *baselines, *searched]
