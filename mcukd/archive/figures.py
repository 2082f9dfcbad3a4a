"""Figures of a study made again: from stored predictions, from confusion matrices, from means over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.archive.container import Broken
from mcukd.archive.proof import read_arrays
from mcukd.data.windows import Windows
from mcukd.evaluation.stored_figures import stored_figures
from mcukd.metrics.metrics_file import load_metrics
from mcukd.metrics.registry import of_predictions
from mcukd.metrics.scores import score
from mcukd.study import METRICS


@dataclass(frozen=True)
class Known:
    """What this mcukd computes of what the archive's computed.

    left: names of metrics that the archive has and that are not known here, such as those of plugins. strict:
    both are of one version, so that neither has a figure more than the other. tolerance: share by which a
    figure may differ that another computer made of the same numbers, and the least difference that counts.
    """

    left: frozenset[str] = frozenset()
    strict: bool = True
    tolerance: float = 1e-9


def check_metrics(study: Path, evaluation: bytes | None, known: Known) -> str:
    """Make the figures of a study's `metrics.json` again as far as its files allow; say how far that is.

    study: its directory. evaluation: the member with labels and animals of the scored windows, None without
    one. Raises Broken for the first figure that is another.
    """
    metrics = load_metrics(study / METRICS)
    models = metrics["models"]
    again: dict[str, dict[str, Any]] = {}
    compared = ""
    if evaluation is not None:
        again, comparisons = stored_figures(study, models, _windows(evaluation, str(metrics["data"])))
        for name, figures in again.items():
            require_same(f"{METRICS}: {name}", models[name], figures, known)
        if metrics.get("comparisons"):
            require_same(
                f"{METRICS}: comparisons",
                {"comparisons": metrics["comparisons"]},
                {"comparisons": [one.facts() for one in comparisons]},
                known,
            )
            compared = f", and {len(comparisons)} comparisons"
    others = [name for name in models if name not in again]
    by_matrix = [name for name in others if _check_by_matrix(f"{METRICS}: {name}", models[name], known)]
    for name in others:
        _check_means(f"{METRICS}: {name}", models[name], known)
    said = []
    if again:
        said.append(f"the figures of {_listed(again)} follow from the stored predictions{compared}")
    if by_matrix:
        said.append(f"scores of {_listed(by_matrix)} follow from their confusion matrices")
    rest = [name for name in others if name not in by_matrix]
    if rest:
        said.append(f"means of {_listed(rest)} follow from their values by seed")
    return "; ".join(said) or "there are no figures of models"


def _windows(content: bytes, card: str) -> Windows:
    arrays = read_arrays(content, "evaluation windows", ("labels", "animals", "classes"))
    labels, animals = arrays["labels"], arrays["animals"]
    if labels.ndim != 1 or labels.shape != animals.shape:
        raise Broken("the scored windows have labels and animals that do not go together")
    nothing = np.zeros((len(labels), 0, 0), np.int16)
    classes = tuple(map(str, arrays["classes"]))
    return Windows(nothing, labels, animals, np.arange(len(labels)), classes, 1.0, 1.0, card, False)


def _check_by_matrix(where: str, model: Mapping[str, Any], known: Known) -> bool:
    """Check the scores of one seed against its confusion matrix; tell whether there was one to check by."""
    matrix = np.array(model.get("confusion", []), np.int64)
    seeds = model.get("mcc_by_seed")
    if matrix.ndim != 2 or not matrix.size or not isinstance(seeds, list) or len(seeds) != 1:
        return False
    truth, predicted = (np.repeat(place.ravel(), matrix.ravel()) for place in np.indices(matrix.shape))
    classes = list(model["per_class"])
    again = score(truth, predicted, np.full(len(truth), "all"), classes)
    require_same(where, model, {key: again[key] for key in _of_matrix()}, known)
    return True


def _check_means(where: str, model: Mapping[str, Any], known: Known) -> None:
    """Check means and standard deviations over the seeds against the seeds' values."""
    for key, values in model.items():
        name = key.removesuffix("_by_seed")
        if name == key or not isinstance(values, list) or name not in model:
            continue
        defined = [float(value) for value in values if value is not None]
        again = {
            name: statistics.fmean(defined) if defined else None,
            f"{name}_sd": statistics.stdev(defined) if len(defined) > 1 else None,
        }
        require_same(where, model, again, known)


def _of_matrix() -> tuple[str, ...]:
    return (*(metric.name for metric in of_predictions()), "per_class")


def require_same(where: str, recorded: Mapping[str, Any], again: Mapping[str, Any], known: Known) -> None:
    """Raise Broken for the first value of `again` that is recorded otherwise.

    Of the outermost names, those that only one of the two has do not count: stages add to a model's figures.
    """
    for key in again:
        if key in recorded:
            for place, mine, made in _leaves(key, recorded[key], again[key], known):
                if not _same(mine, made, known.tolerance):
                    raise Broken(f"{where}, {place} is {mine!r} there, but {made!r} is computed")


def _leaves(place: str, recorded: Any, again: Any, known: Known) -> Iterator[tuple[str, Any, Any]]:
    """Yield each number or text of two JSON values: its place, the recorded one, the one made again."""
    if isinstance(recorded, Mapping) and isinstance(again, Mapping):
        for key in dict.fromkeys([*recorded, *again]):
            if key in recorded and key in again:
                yield from _leaves(f"{place}, {key}", recorded[key], again[key], known)
            elif known.strict and key not in known.left:
                yield f"{place}, {key}", recorded.get(key), again.get(key)
    elif isinstance(recorded, list) and isinstance(again, (list, tuple)) and len(recorded) == len(again):
        for number, (mine, made) in enumerate(zip(recorded, again)):
            yield from _leaves(f"{place}[{number}]", mine, made, known)
    else:
        yield place, recorded, again


def _same(mine: Any, made: Any, tolerance: float) -> bool:
    if isinstance(mine, (int, float)) and isinstance(made, (int, float)):
        return isinstance(mine, bool) == isinstance(made, bool) and math.isclose(
            mine, made, rel_tol=tolerance, abs_tol=tolerance
        )
    return bool(mine == made)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
