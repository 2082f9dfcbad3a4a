"""Registry of baselines: simple models to compare students with, in the order they are trained.

To add a baseline, declare a `Baseline` in a module of its own and name it in `BASELINES`; a plugin
(`mcukd.plugins`) calls `BASELINES.register`.
"""

from __future__ import annotations

from mcukd.evaluation.baselines.baseline import Baseline
from mcukd.evaluation.baselines.filter_mlp import FILTER_MLP
from mcukd.evaluation.baselines.majority import MAJORITY
from mcukd.evaluation.baselines.random_forest import FOREST
from mcukd.plugins import Registry

BASELINES: Registry[Baseline] = Registry("baseline", (MAJORITY, FOREST, FILTER_MLP))
