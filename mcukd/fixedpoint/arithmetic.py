"""Fixed-point numbers: formats, rounding shifts and saturation, as `docs/arithmetic.md` writes them down.

A number is `mantissa · 2^−fractional_length`; a group of numbers (a matrix, a gate's pre-activation, a
layer's output) shares one format. This is dynamic fixed point in the sense of Courbariaux et al. 2014
and Ristretto: the width is given, the fractional length is chosen from data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class QFormat:
    """An N-bit two's complement mantissa with a fractional length, which may be negative or exceed N."""

    bits: int
    fractional_length: int

    @property
    def low(self) -> int:
        """Smallest mantissa."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest mantissa."""
        return (1 << (self.bits - 1)) - 1

    @property
    def step(self) -> float:
        """Value of one unit of the mantissa."""
        return math.ldexp(1.0, -self.fractional_length)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value that can be represented."""
        return self.low * self.step, self.high * self.step

    def __str__(self) -> str:
        """Qm.n, m being the integer bits without the sign; negative m or n are written as they are."""
        return f"Q{self.bits - 1 - self.fractional_length}.{self.fractional_length}"

    def quantize(self, values: FloatArray) -> IntArray:
        """Return the nearest mantissas, ties upwards, saturated."""
        scaled = np.asarray(values, np.float64) * math.ldexp(1.0, self.fractional_length)
        return saturate(np.floor(scaled + 0.5), self.bits)

    def value(self, mantissas: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the values that mantissas stand for."""
        return np.asarray(mantissas, np.float64) * self.step


def saturate(values: NDArray[np.generic], bits: int) -> IntArray:
    """Clip to the range of a signed `bits`-bit integer."""
    return np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1).astype(np.int64)


def round_shift(values: IntArray, shift: int) -> IntArray:
    """Divide by 2^shift, rounding to nearest with ties upwards; a negative shift multiplies exactly.

    The addend and the shift are signed: with an unsigned addend C would turn the shift logical.
    """
    if shift <= 0:
        return values << -shift
    return (values + (1 << (shift - 1))) >> shift


def covering_length(low: float, high: float, bits: int) -> int:
    """Return the largest fractional length at which both bounds fit `bits` bits without saturating.

    A group of zeros carries no information about its scale; it gets `bits − 1`, a range of ±1.
    """
    largest = max(abs(low), abs(high))
    if largest == 0.0:
        return bits - 1
    length = bits - 1 - math.ceil(math.log2(largest))
    # log2 of a power of two, and rounding to the nearest mantissa, can be off by one either way.
    for candidate in (length + 1, length, length - 1):
        fmt = QFormat(bits, candidate)
        if (
            math.floor(math.ldexp(high, candidate) + 0.5) <= fmt.high
            and math.ldexp(low, candidate) >= fmt.low
        ):
            return candidate
    return length - 1


def closest_length(values: FloatArray, bits: int) -> int:
    """Return the fractional length with the least squared error on `values`, saturation counted in.

    A finer step that clips a few outliers can beat one that covers them; two extra bits are tried.
    """
    covering = covering_length(float(np.min(values)), float(np.max(values)), bits)

    def error(length: int) -> float:
        fmt = QFormat(bits, length)
        return float(np.sum((fmt.value(fmt.quantize(values)) - values) ** 2))

    return min((covering, covering + 1, covering + 2), key=error)
