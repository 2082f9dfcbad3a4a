"""Registry of metrics: `metrics.json`, the page and the console's tables have those registered here.

To add a metric, declare a `Metric` in a module of its own and name it in `METRICS`; a plugin
(`mcukd.plugins`) calls `METRICS.register`.
"""

from __future__ import annotations

from mcukd.metrics.calibration import CALIBRATION
from mcukd.metrics.metric import Metric
from mcukd.metrics.pooled import ACCURACY, KAPPA, MACRO_F1, MCC
from mcukd.plugins import Registry

#: Metrics in the order of columns and keys.
METRICS: Registry[Metric] = Registry("metric", (MCC, ACCURACY, MACRO_F1, KAPPA, CALIBRATION))


def of_predictions() -> list[Metric]:
    """Return the metrics that need no logits: those of every scored model."""
    return [metric for metric in METRICS.values() if not metric.needs_logits]


def of_logits() -> list[Metric]:
    """Return the metrics that need logits: those that `mcukd evaluate` adds to float models."""
    return [metric for metric in METRICS.values() if metric.needs_logits]
