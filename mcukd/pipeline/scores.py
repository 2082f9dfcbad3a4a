"""Scores of deployed forms in a study's `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcukd.metrics.metrics_file import load_metrics, update_metrics
from mcukd.study import METRICS, Study


def merge_metrics(study: Study, models: dict[str, Any]) -> None:
    """Put the scores of deployed forms into a study's `metrics.json`."""
    path = study.file(METRICS)
    known = load_metrics(path)
    update_metrics(path, data=known["data"], split=known["split"], seeds=known["seeds"], models=models)


def recorded_metrics(study: Study, names: Sequence[str]) -> dict[str, Any]:
    """Return what `metrics.json` has of these models."""
    models = load_metrics(study.file(METRICS))["models"]
    return {name: models[name] for name in names if name in models}
