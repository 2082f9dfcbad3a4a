"""Random changes to training windows that leave the behaviour what it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """Which changes are drawn anew for every window at every presentation.

    rotation: turn the sensor's axes at random, uniformly over all orientations, because collars slip and
    are mounted in more ways than a herd of ten shows. scale: standard deviation of the logarithm of a
    common gain. stretch: largest logarithm of a change of tempo, drawn uniformly both ways.
    """

    rotation: bool = True
    scale: float = 0.0
    stretch: float = 0.0


def augment(counts: FloatArray, how: Augmentation, rng: np.random.Generator) -> FloatArray:
    """Return changed copies of windows, counts (N, T, C) float32; axes are turned only where C is 3."""
    if how.stretch:
        counts = _stretch(counts, np.exp(rng.uniform(-how.stretch, how.stretch, len(counts))))
    if how.rotation and counts.shape[2] == 3:
        counts = counts @ random_rotations(len(counts), rng)
    if how.scale:
        counts = counts * np.exp(rng.normal(scale=how.scale, size=(len(counts), 1, 1))).astype(np.float32)
    return counts


def random_rotations(count: int, rng: np.random.Generator) -> FloatArray:
    """Return (count, 3, 3) rotation matrices, uniform over SO(3): unit quaternions of normal draws."""
    quaternions = rng.normal(size=(count, 4))
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows, np.float32), 2, 0)


def _stretch(counts: FloatArray, tempo: NDArray[np.float64]) -> FloatArray:
    """Play windows at another tempo (N,) about their middle; out of samples, it turns back."""
    last = counts.shape[1] - 1
    position = (np.arange(last + 1) - last / 2) * tempo[:, None] + last / 2
    position = np.abs(position)
    position = np.where(position > last, 2 * last - position, position)
    before = np.clip(position.astype(np.int64), 0, max(last - 1, 0))
    after = np.minimum(before + 1, last)
    share = (position - before)[..., None].astype(np.float32)
    window = np.arange(len(counts))[:, None]
    return counts[window, before] * (1 - share) + counts[window, after] * share
