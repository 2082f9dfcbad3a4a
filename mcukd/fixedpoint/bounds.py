"""Overflow proofs: how far any input whatever can drive each 32-bit accumulator.

Interval analysis over the weights: samples are any int16, states any N-bit mantissa. The bound of a sum is
the sum of magnitudes, so it holds for every partial sum in every order of addition, the addend of the
rounding included. A bound below 2^31 therefore proves that no C compiler and no kernel order can overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 31
INT16 = 1 << 15


def dot_bound(weights: NDArray[Any], bias: NDArray[Any], largest_input: int, shift: int) -> int:
    """Bound |bias + Σ w·x + rounding addend| over all rows of weights (rows, inputs), |x| ≤ largest_input."""
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=1) * largest_input + np.abs(bias.astype(np.int64))
    return int(magnitudes.max()) + addend(shift)


def shifted(bound: int, shift: int) -> int:
    """Bound of a right shift's result, rounded or not."""
    return (bound >> shift) + 1 if shift > 0 else bound << -shift


def addend(shift: int) -> int:
    """Return what is added before a right shift, so that it rounds."""
    return 1 << (shift - 1) if shift > 0 else 0
