"""Offset and gain of each axis of a sensor, estimated from stretches at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: An axis must have been seen this far up and down, in g, for its offset and gain to be told apart.
SPREAD_G = 0.3
LEAST_STRETCHES = 30
ROUNDS = 20


@dataclass(frozen=True)
class Calibration:
    """Error of a sensor: offset (3,) in g, gain error (3,) as a share; residual: mean |length − 1| in g."""

    offset_g: NDArray[np.float64]
    gain_error: NDArray[np.float64]
    residual_g: float


def estimate(rest: NDArray[np.float64]) -> tuple[Calibration | None, str]:
    """Estimate offset and gain from mean vectors at rest (n, 3) in g, which should lie on the unit sphere.

    Iterated least squares on the nearest points of the sphere, after van Hees et al. 2014
    (doi 10.1152/japplphysiol.00421.2014). Returns None and the reason where postures do not cover the sphere
    far enough to tell.
    """
    if len(rest) < LEAST_STRETCHES:
        return None, f"{len(rest)} stretches at rest, and {LEAST_STRETCHES} are needed"
    narrow = [
        "xyz"[axis] for axis in range(3) if rest[:, axis].min() > -SPREAD_G or rest[:, axis].max() < SPREAD_G
    ]
    if narrow:
        return None, f"at rest, {' and '.join(narrow)} never pointed both up and down"
    gain, offset = np.ones(3), np.zeros(3)
    for _ in range(ROUNDS):
        current = rest * gain + offset
        nearest = current / np.linalg.norm(current, axis=1, keepdims=True)
        for axis in range(3):
            design = np.stack([rest[:, axis], np.ones(len(rest))], axis=1)
            gain[axis], offset[axis] = np.linalg.lstsq(design, nearest[:, axis], rcond=None)[0]
    residual = float(np.mean(np.abs(np.linalg.norm(rest * gain + offset, axis=1) - 1)))
    if not (np.all(gain > 0.5) and np.all(gain < 2.0)):
        return None, "the postures at rest lie too close together for a fit"
    return Calibration(-offset / gain, 1 / gain - 1, residual), ""
