"""Gate functions by table: one table serves both sigmoids and the tanh.

A gate value u is σ in units of 2^−16, 0 … 65535. Pre-activations of the sigmoids cover ±8, that of the tanh
±4; since tanh(v) = 2σ(2v) − 1, the same mantissa reads the same table and tanh is u − 32768 in Q0.15.

`interpolated`: a 16-bit pre-activation; its upper 7 bits choose one of 128 lines u = a + b·m.
`direct`: a 10-bit pre-activation that indexes 1024 values; fewer instructions, more error.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray

GATE_TABLES = ("interpolated", "direct")
#: Bits of a pre-activation, by kind of table.
PRE_BITS = {"interpolated": 16, "direct": 10}
#: A pre-activation covers ±2^RANGE_BITS: beyond ±8 a sigmoid is within 3.4e-4 of 0 or 1, beyond ±4 a tanh
#: within 6.8e-4 of ±1, so a wider range would only lose resolution.
RANGE_BITS = {"z": 3, "r": 3, "h": 2}
SEGMENTS = 128
#: A 16-bit mantissa shifted right by this is its segment, −64 … 63.
SEGMENT_SHIFT = 9


class Lines(NamedTuple):
    """Intercepts and slopes (2^−16 per unit of the mantissa) of the segments, (128,) int32 each."""

    intercept: NDArray[np.int32]
    slope: NDArray[np.int32]


def pre_length(gate: str, kind: str) -> int:
    """Return the fractional length of the pre-activation of gate `z`, `r` or `h`."""
    return PRE_BITS[kind] - 1 - RANGE_BITS[gate]


@cache
def lines() -> Lines:
    """Return the interpolated table: in each segment the line with the least largest error.

    Slopes are those of the chord. The intercept is the integer in the middle of the remainder of the true
    function after the product, floored as on the device, so floors add no bias.
    """
    mantissas = np.arange(-32768, 32768)
    wanted = 65536.0 / (1.0 + np.exp(-np.ldexp(mantissas.astype(np.float64), -12)))
    by_segment, values = mantissas.reshape(SEGMENTS, -1), wanted.reshape(SEGMENTS, -1)
    width = by_segment.shape[1]
    ends = 65536.0 / (1.0 + np.exp(-np.ldexp(by_segment[:, 0] + np.array([[0], [width]]), -12)))
    slope = np.round((ends[1] - ends[0]) / width * 65536).astype(np.int64)
    rest = values - ((slope[:, None] * by_segment) >> 16)
    intercept = np.floor((rest.max(axis=1) + rest.min(axis=1)) / 2 + 0.5).astype(np.int64)
    # σ(0) must be exactly one half, or a network of zeros would not stay at rest.
    intercept[SEGMENTS // 2] = 32768
    return Lines(intercept.astype(np.int32), slope.astype(np.int32))


@cache
def values() -> NDArray[np.uint16]:
    """Return the direct table (1024,): u at the 10-bit mantissas −512 … 511."""
    arguments = np.ldexp(np.arange(-512, 512).astype(np.float64), -6)
    return np.minimum(np.floor(65536.0 / (1.0 + np.exp(-arguments)) + 0.5), 65535).astype(np.uint16)


def table_bytes(kind: str) -> int:
    """Return the size of a table on the device: pairs of int32, or uint16."""
    return 8 * SEGMENTS if kind == "interpolated" else values().nbytes


def gate(mantissa: IntArray, kind: str) -> IntArray:
    """Return u of pre-activation mantissas, any shape."""
    if kind == "direct":
        return values()[mantissa + 512].astype(np.int64)
    segment = (mantissa >> SEGMENT_SHIFT) + SEGMENTS // 2
    table = lines()
    return table.intercept[segment] + ((table.slope[segment] * mantissa.astype(np.int64)) >> 16)
