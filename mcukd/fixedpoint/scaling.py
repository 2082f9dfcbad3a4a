"""Scaling of a sensor's counts to those a model was trained with, in integers (`docs/arithmetic.md`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError

LOWEST, HIGHEST = -32768, 32767
#: Factors are rounded to so many bits, which at the ends of int16 is half a count.
_BITS = 15
#: Largest factor between a sensor's counts and the model's; beyond it the units are probably wrong.
LARGEST_FACTOR = 256
_CHUNK = 1024


@dataclass(frozen=True)
class Scaling:
    """Multiply a sensor's count by `multiplier`, shift right by `shift` with rounding, saturate."""

    multiplier: int = 1
    shift: int = 0

    @property
    def identity(self) -> bool:
        """Whether every count stays what it is."""
        return self.multiplier == 1 and self.shift == 0

    @property
    def factor(self) -> float:
        """The factor that counts are multiplied by."""
        return self.multiplier / (1 << self.shift)

    def apply(self, counts: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return counts of any shape as the device scales them; int16."""
        if self.identity:
            return counts
        products = counts.astype(np.int32) * np.int32(self.multiplier)
        addend = np.int32(1 << self.shift >> 1)
        return np.clip((products + addend) >> self.shift, LOWEST, HIGHEST).astype(np.int16)

    def words(self, infinitive: bool = False) -> str:
        """Say what is done to samples: "multiplies samples by 8", or "multiply …" as an infinitive."""
        multiply, divide = ("multiply", "divide") if infinitive else ("multiplies", "divides")
        if self.shift == 0:
            return f"{multiply} samples by {self.multiplier}"
        if self.multiplier == 1:
            return f"{divide} samples by {1 << self.shift}, with rounding,"
        factor = f"{self.multiplier}/{1 << self.shift} ({self.factor:.5g})"
        return f"{multiply} samples by {factor}, with rounding,"


#: Scaling for a sensor with the model's own scale.
UNSCALED = Scaling()


def scaling_between(sensor: float, model: float) -> Scaling:
    """Return the scaling from a sensor's counts to a model's, both given in counts per g.

    A ratio that is a power of two is met exactly, any other within 1 part in 32,768; a ratio so near to 1
    counts as 1. Raises UserError for a ratio above 256 or below 1/256.
    """
    ratio = Fraction(model) / Fraction(sensor)
    if not Fraction(1, LARGEST_FACTOR) <= ratio <= LARGEST_FACTOR:
        raise UserError(
            f"the model takes {model:g} counts per g and the sensor gives {sensor:g}, a factor of "
            f"{float(ratio):.4g}, but at most {LARGEST_FACTOR} either way is expected; correct counts_per_g "
            "in the card or in the board file."
        )
    shift = 0
    while ratio * (1 << (shift + 1)) < (1 << _BITS) - Fraction(1, 2):
        shift += 1
    multiplier = int(ratio * (1 << shift) + Fraction(1, 2))
    while multiplier % 2 == 0 and shift:
        multiplier, shift = multiplier // 2, shift - 1
    return Scaling(multiplier, shift)


def sensor_ends(range_g: float, counts_per_g: float) -> tuple[int, int]:
    """Return the smallest and the largest count that a sensor gives: 12 bits at ±4 g are −2048 and 2047."""
    full = math.floor(range_g * counts_per_g)
    return max(-full, LOWEST), min(full - 1, HIGHEST)


def as_sensed(
    counts: NDArray[np.int16], counts_per_g: float, sensor_range_g: float, sensor_counts_per_g: float
) -> NDArray[np.int16]:
    """Return recorded counts of any shape as a sensor of another scale and range would have given them.

    counts_per_g: of the recorded ones. Rounded to the sensor's counts and clipped at its range.
    """
    low, high = sensor_ends(sensor_range_g, sensor_counts_per_g)
    found = np.empty_like(counts)
    for first in range(0, len(counts), _CHUNK):
        part = slice(first, first + _CHUNK)
        scaled = np.floor(counts[part] * (sensor_counts_per_g / counts_per_g) + 0.5)
        found[part] = np.clip(scaled, low, high)
    return found


def share_beyond(counts: NDArray[np.int16], counts_per_g: float, sensor_range_g: float) -> float:
    """Return the share of samples (…, C) of which an axis lies beyond a sensor's range."""
    if not counts.size:
        return 0.0
    return float(np.mean(peaks(counts) > largest_within(sensor_range_g, counts_per_g)))


def largest_within(range_g: float, counts_per_g: float) -> int:
    """Return the largest magnitude in counts that lies within a range."""
    return min(math.floor(range_g * counts_per_g), HIGHEST)


def peaks(counts: NDArray[np.int16]) -> NDArray[np.int32]:
    """Return the largest magnitude of an axis of each sample (…, C), which is 0 to 32768."""
    return np.maximum(counts.max(axis=-1).astype(np.int32), -counts.min(axis=-1).astype(np.int32))
