"""Inputs of the smallest trainings: windows in memory, jobs and options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob

CONFIG = DistillConfig(
    seeds=(3,), epochs=80, teacher_epochs=8, teacher_width=2, gru_units=4, dense_units=4, jobs=1
)


ANIMALS = ("a", "b", "c", "d", "e")


def herd(per_animal: int = 40) -> Windows:
    """Five animals, three behaviours told apart by their amplitude."""
    rng = np.random.default_rng(0)
    count = per_animal * len(ANIMALS)
    labels = np.arange(count) % 3
    waves = (100 + 400 * labels[:, None, None]) * rng.normal(size=(count, 32, 3))
    return Windows(
        counts=(waves + np.array([0, 0, 2000])).astype(np.int16),
        labels=labels,
        animals=np.repeat(ANIMALS, per_animal),
        segments=np.arange(count),
        classes=("x", "y", "z"),
        rate_hz=10.0,
        counts_per_g=2000.0,
        card="herd",
        simulated=True,
    )


def job(tmp_path: Path, key: str = "key") -> FoldJob:
    """A fold that holds out the last animal."""
    return FoldJob("e-s3", 3, ANIMALS[:4], ANIMALS[4:], tmp_path / "evaluation" / "e-s3.npz", key)


class CompiledOnce(FoldTrainer):
    """A fold trainer whose networks on labels are compiled once per process, whichever test trains them.

    Compiling takes most of a small fit's time. A fit starts from weights of its own seed, so that what was
    trained before does not matter.
    """

    compiled: ClassVar[dict[Any, Any]] = {}

    def trainer(self, role: str, *, carried: bool = False) -> Any:
        """Return the process's trainer of this structure."""
        sizes = (self.config.teacher_width, self.config.gru_units, self.config.dense_units)
        key = (
            carried,
            self.architecture(role).name,
            self.trained_shape(role),
            self.shape(role).steps,
            *sizes,
        )
        if key not in self.compiled:
            self.compiled[key] = super().trainer(role, carried=carried)
        self.trainers[f"carried {role}" if carried else role] = self.compiled[key]
        return self.compiled[key]


def run_here(
    jobs: Any,
    training: Windows,
    evaluation: Windows,
    config: DistillConfig,
    first: Callable[[], None] | None = None,
    recordings: Windows | None = None,
) -> None:
    """Stand in for `run_jobs`: the jobs in this process, with networks that are compiled once."""
    if first is not None:
        first()
    trainer = CompiledOnce(training, evaluation, config, recordings=recordings)
    for job in jobs:
        job.run(trainer, lambda units: None)
