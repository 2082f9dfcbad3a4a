"""Gate functions by table: one sigmoid table serves sigmoid and tanh.

A pre-activation is a 16-bit mantissa; its upper 8 bits choose one of 256 segments, its lower 8 bits
interpolate in it. Since tanh(v) = 2·sigmoid(2v) − 1, a tanh whose argument has fractional length f reads
the sigmoid table made for f − 1 with the same mantissa.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray

SEGMENTS = 256
#: Shortest fractional lengths of 16-bit pre-activations: ranges of ±8 and ±4. Beyond ±8 a sigmoid differs
#: from 0 or 1 by less than 3.4e-4, so a wider range would only lose resolution.
SHORTEST_SIGMOID = 12
SHORTEST_TANH = 13


def sigmoid_table(fractional_length: int) -> NDArray[np.int16]:
    """Return the (257,) sigmoid samples in Q0.15 at the segment borders of a 16-bit argument.

    The last entry lies one step beyond the largest mantissa. 1.0 has no mantissa in Q0.15; it is 32767.
    """
    borders = np.ldexp(np.arange(-(SEGMENTS // 2), SEGMENTS // 2 + 1) * 256.0, -fractional_length)
    samples = np.floor(32768.0 / (1.0 + np.exp(-borders)) + 0.5)
    return np.minimum(samples, 32767).astype(np.int16)


def sigmoid(table: NDArray[np.int16], mantissa: IntArray) -> IntArray:
    """Interpolate a table at 16-bit mantissas; the result is Q0.15."""
    position = mantissa + 32768
    segment, fraction = position >> 8, position & 255
    entries = table.astype(np.int64)
    low, high = entries[segment], entries[segment + 1]
    return low + (((high - low) * fraction + 128) >> 8)


def tanh(table: NDArray[np.int16], mantissa: IntArray) -> IntArray:
    """Tanh in Q0.15 from the sigmoid table of the halved argument format."""
    return 2 * sigmoid(table, mantissa) - 32768
