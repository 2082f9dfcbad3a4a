"""Declaration of a baseline: names, training on a fold, size, and what its result depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.nested_selection import Predict, select

#: Logits (N, K) of the test windows, settings to keep beside them, and weights.
Result = tuple[NDArray[Any], dict[str, Any], dict[str, NDArray[Any]]]

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class FoldTask:
    """Training of a baseline on one fold.

    training, test: the fold's windows. nested: choose its settings on inner animals. on_progress is given
    the units done, `FIT_UNITS` for each fit of a network.
    """

    training: Windows
    test: Windows
    trainer: FoldTrainer
    seed: int
    nested: bool
    on_progress: Callable[[int], None]

    @property
    def config(self) -> DistillConfig:
        """The options of the study."""
        return self.trainer.config

    def chosen(
        self, settings: Sequence[Setting], usual: Setting, predict: Predict[Setting]
    ) -> tuple[Setting, dict[str, Any]]:
        """Return the setting to train with, and what to keep of the choice.

        The usual one, or where `nested` is set the one with the largest MCC on inner animals.
        """
        if not self.nested:
            return usual, {}
        found = select(settings, self.training, predict)
        return found.best, {"tried": list(zip(settings, found.scores))}


@dataclass(frozen=True)
class Baseline:
    """A simple model that stands beside every student, on its folds and seeds.

    name: in `metrics.json`. title, prose: for people, the second within a sentence after "the". fit: trains
    on a fold. sizes: returns parameters and multiply-accumulates per window, given samples, channels and
    classes; None where counting makes no sense.

    options: the options of `mcukd distill` that its result depends on. epochs: returns those of its training,
    where it has any; it trains in worker processes then. version: raise it when it changes in a way that
    options do not show. least_window: the fewest samples of a window that it can be trained on.
    trials: how many settings it chooses among on inner animals; for the progress bar.
    """

    name: str
    title: str
    prose: str
    fit: Callable[[FoldTask], Result]
    sizes: Callable[[int, int, int], tuple[int | None, int | None]]
    options: frozenset[str] = frozenset()
    epochs: Callable[[DistillConfig], int] | None = None
    version: Any = None
    least_window: int = 1
    trials: int = 0

    def epochs_with(self, config: DistillConfig) -> int | None:
        """Return the epochs of its training; None where it has none."""
        return None if self.epochs is None else self.epochs(config)

    def sizes_on(self, evaluation: Windows) -> dict[str, Any]:
        """Return `parameters` and `macs_per_window` on windows like these."""
        _, steps, channels = evaluation.counts.shape
        parameters, macs = self.sizes(steps, channels, len(evaluation.classes))
        return {"parameters": parameters, "macs_per_window": macs}


def predicted(logits: NDArray[Any]) -> NDArray[np.int64]:
    """Return the classes (N,) of logits (N, K)."""
    return np.asarray(np.argmax(logits, axis=1))
