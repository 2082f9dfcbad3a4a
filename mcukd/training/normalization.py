"""Normalization of sensor counts to the inputs of models in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Normalizer:
    """Scales of a training set's channels: one for all accelerometer axes, one for each extra channel.

    channels: C, of the accelerometer, which come first. scales: (C,) or (C + E,), divisors of each channel.
    """

    channels: int
    scales: NDArray[np.float64]

    @classmethod
    def fit(cls, windows: Windows, *, extra: bool) -> Normalizer:
        """Return the normalizer of training windows; extra: whether it keeps their extra channels."""
        channels = windows.counts.shape[2]
        scales = np.full(channels, common_scale(windows.counts))
        if not extra:
            return cls(channels, scales)
        assert windows.extra is not None, "windows were read without their extra channels"
        deviations = np.sqrt(np.mean(np.square(windows.extra, dtype=np.float64), axis=(0, 1)))
        return cls(channels, np.concatenate([scales, _same_along(deviations, windows.extra_vectors)]))

    @property
    def scale(self) -> float:
        """Counts of the accelerometer that become 1."""
        return float(self.scales[0])

    def transform(self, windows: Windows) -> FloatArray:
        """Return model inputs (N, T, C + E) float32; without extra channels (N, T, C)."""
        counts = windows.counts.astype(np.float32) / self.scale
        if len(self.scales) == self.channels:
            return counts
        assert windows.extra is not None, "windows were read without their extra channels"
        extra = windows.extra / self.scales[self.channels :].astype(np.float32)
        return np.concatenate([counts, extra], axis=2)


def _same_along(scales: NDArray[np.float64], vectors: tuple[int, ...]) -> NDArray[np.float64]:
    """Return scales that are equal along each vector, the root mean square of its axes, so it can turn."""
    scales = np.maximum(scales, 1e-6)
    for first in vectors:
        axes = slice(first, first + 3)
        scales[axes] = np.sqrt(np.mean(np.square(scales[axes])))
    return scales


def common_scale(counts: NDArray[np.int16]) -> float:
    """Return the root mean square of counts (N, T, C) over samples and axes, at least 1.

    One scale for all axes and no offset: standardising each axis on its own would distort the angles that a
    turned collar preserves, and would tie the model to the mounting of the training animals.
    """
    return max(1.0, float(np.sqrt(np.mean(np.square(counts, dtype=np.float64)))))
