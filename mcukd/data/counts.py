"""Integers of an accelerometer: samples in g rounded to counts and clipped to the sensor's range."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mcukd.data.sections import Signal


def unclipped_counts(samples_g: NDArray[np.float64], counts_per_g: float) -> NDArray[np.float64]:
    """Return samples in g as counts, rounded half up and not clipped."""
    return np.asarray(np.floor(samples_g * counts_per_g + 0.5), np.float64)


def to_counts(
    samples_g: NDArray[np.float64], counts_per_g: float, limits: tuple[int, int]
) -> NDArray[np.int16]:
    """Return samples in g as the sensor's integers: rounded half up, then clipped to lowest and highest."""
    return np.clip(unclipped_counts(samples_g, counts_per_g), *limits).astype(np.int16)


def count_limits(signal: Signal) -> tuple[int, int]:
    """Return the lowest and highest integer the board's sensor gives in two's complement."""
    limit = math.floor(signal.range_g * signal.counts_per_g)
    return -limit, limit - 1
