"""How windows of counts are shown to models in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distill.config import DistillConfig

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """How windows are shown: the accelerometer's axes by one scale, other channels each by its own.

    channels: C, of the accelerometer, which come first. scales: (C + E,) what each channel is divided by.
    """

    channels: int
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, seen: Windows, config: DistillConfig) -> View:
        """Return the view that training windows ask for."""
        channels = seen.counts.shape[2]
        scales = np.full(channels, common_scale(seen.counts))
        if not shows_extra(config):
            return cls(channels, scales)
        assert seen.extra is not None, "windows were read without their extra channels"
        deviations = np.sqrt(np.mean(np.square(seen.extra, dtype=np.float64), axis=(0, 1)))
        return cls(channels, np.concatenate([scales, _same_along(deviations, seen.extra_vectors)]))

    @property
    def scale(self) -> float:
        """Counts of the accelerometer that become 1."""
        return float(self.scales[0])

    def show(self, windows: Windows) -> FloatArray:
        """Return standardised windows (N, T, C + E)."""
        counts = windows.counts.astype(np.float32) / self.scale
        if len(self.scales) == self.channels:
            return counts
        assert windows.extra is not None, "windows were read without their extra channels"
        extra = windows.extra / self.scales[self.channels :].astype(np.float32)
        return np.concatenate([counts, extra], axis=2)


def channels_of(windows: Windows, config: DistillConfig) -> int:
    """Return how many channels the teacher sees."""
    return int(windows.counts.shape[2]) + (len(windows.extra_names) if shows_extra(config) else 0)


def shows_extra(config: DistillConfig) -> bool:
    """Tell whether the teacher sees the card's extra channels."""
    return config.teacher_sensors == "all"


def _same_along(scales: NDArray[np.float64], vectors: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the axes of a vector one scale, the root of their mean square, so that it can turn."""
    scales = np.maximum(scales, 1e-6)
    for first in vectors:
        axes = slice(first, first + 3)
        scales[axes] = np.sqrt(np.mean(np.square(scales[axes])))
    return scales


def common_scale(counts: NDArray[np.int16]) -> float:
    """Return the root mean square of counts (N, T, C) over samples and axes, at least 1.

    One scale for all axes and no offset: standardising each axis on its own would skew the geometry that a
    turned collar keeps, and would tie the model to the mounting of the training animals.
    """
    return max(1.0, float(np.sqrt(np.mean(np.square(counts, dtype=np.float64)))))
