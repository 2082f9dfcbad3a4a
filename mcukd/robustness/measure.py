"""Scores of models on perturbed windows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.progress import progress
from mcukd.robustness.perturbations import Counts, Perturbation, Sensor
from mcukd.tflite.families import Predict


@dataclass(frozen=True)
class ModelUnderTest:
    """A model in all its folds: for each seed the test windows of a fold, and what predicts their classes."""

    name: str
    by_seed: dict[int, list[tuple[NDArray[np.int64], Predict]]]

    def score(self, seed: int, counts: Counts, evaluation: Windows) -> float:
        """Return the pooled MCC with a seed, of evaluation windows whose counts are now these."""
        total = np.zeros((len(evaluation.classes),) * 2, np.int64)
        for index, predict in self.by_seed[seed]:
            total += confusion_matrix(evaluation.labels[index], predict(counts[index]), len(total))
        return pooled_mcc(total)


def measure(
    models: Sequence[ModelUnderTest], evaluation: Windows, sensor: Sensor, wanted: Sequence[Perturbation]
) -> dict[str, Any]:
    """Score models under perturbations.

    Returns `undisturbed` {model: scores} and `disturbances` {name: title, unit, sentence, against, levels,
    labels, models {model: scores by level}}; scores are `mcc`, `mcc_sd` and `mcc_by_seed`. All models get the
    same perturbed windows, drawn anew for each seed.
    """
    seeds = sorted(models[0].by_seed)
    levels = sum(sum(level != 0 for level in one.levels) for one in wanted)
    with progress("Perturbing", (levels + 1) * len(seeds)) as advance:

        def scores(perturbation: Perturbation | None, level: float) -> dict[str, list[float]]:
            found: dict[str, list[float]] = {one.name: [] for one in models}
            for seed in seeds:
                counts = evaluation.counts
                if perturbation is not None:
                    counts = perturbation(counts, sensor, level, seed)
                for one in models:
                    found[one.name].append(one.score(seed, counts, evaluation))
                advance(1, perturbation.name if perturbation else "")
            return found

        unperturbed = scores(None, 0)
        measured = {}
        for one in wanted:
            by_level = [scores(one, level) if level else unperturbed for level in one.levels]
            measured[one.name] = {
                "title": one.title,
                "unit": one.unit,
                "sentence": one.sentence,
                "against": one.against,
                "levels": list(one.levels),
                "labels": [one.label(level, sensor) for level in one.levels],
                "models": {
                    model.name: _columns([found[model.name] for found in by_level]) for model in models
                },
            }
    return {
        "undisturbed": {
            name: {"mcc": statistics.fmean(values), "mcc_sd": _spread(values), "mcc_by_seed": values}
            for name, values in unperturbed.items()
        },
        "disturbances": measured,
    }


def _columns(by_level: Sequence[Sequence[float]]) -> dict[str, list[Any]]:
    return {
        "mcc": [statistics.fmean(values) for values in by_level],
        "mcc_sd": [_spread(values) for values in by_level],
        "mcc_by_seed": [list(values) for values in by_level],
    }


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
