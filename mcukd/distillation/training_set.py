"""Arguments that the fits of a job share: the training set, and seed, progress and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.training.checkpoints import Checkpoint, Checkpoints
from mcukd.training.context import WindowsInContext
from mcukd.training.normalization import Normalizer
from mcukd.training.prediction import FloatArray

Progress = Callable[[int], None]


def _ignore(units: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class TrainingSet:
    """Training windows as counts and as model inputs.

    inputs: (N, T, C + E) float32, normalized by `normalizer`; the accelerometer's channels come first.
    """

    windows: Windows
    inputs: FloatArray
    normalizer: Normalizer

    @classmethod
    def normalized(cls, windows: Windows, config: DistillConfig) -> TrainingSet:
        """Return windows with a normalizer of their own; extra channels only where the teacher uses them."""
        normalizer = Normalizer.fit(windows, extra=config.uses_extra_channels)
        return cls(windows, normalizer.transform(windows), normalizer)

    def __len__(self) -> int:
        return len(self.windows)

    def in_context(self) -> WindowsInContext:
        """Return the windows with what was recorded before them."""
        windows, scale = self.windows, self.normalizer.scale
        assert windows.past is not None, "windows were read without their past"
        return WindowsInContext(self.inputs, windows.past, scale, windows.labels, windows.animals)

    def subset(self, mask: NDArray[Any]) -> TrainingSet:
        """Return the windows in a mask (N,) or at indices, with the scales of the whole set."""
        return replace(self, windows=self.windows.take(mask), inputs=self.inputs[mask])

    def animals_mask(self, animals: tuple[str, ...]) -> NDArray[np.bool_]:
        """Return the mask (N,) of the windows of some animals."""
        mask: NDArray[np.bool_] = np.isin(self.windows.animals, animals)
        return mask


@dataclass(frozen=True)
class FitContext:
    """Seed of a job's fits, the callback for the units done, and the job's checkpoints if it has any."""

    seed: int
    on_progress: Progress = _ignore
    checkpoints: Checkpoints | None = None

    def checkpoint(self, fit: str) -> Checkpoint | None:
        """Return the checkpoint of a fit by its name, unique in the job; None without checkpoints."""
        return None if self.checkpoints is None else self.checkpoints.of(fit)
