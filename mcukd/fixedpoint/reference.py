"""Integer reference: the specification that host C, emulator and board must equal on every value.

Every family computes its own, as its integer form says (`mcukd.fixedpoint.families`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.families import integer_form
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.result import InferenceResult

__all__ = ["InferenceResult", "run", "trace"]


def run(model: IntegerModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state; any T. Without `checksums` state_crc stays 0."""
    return integer_form(model.family).run(model, counts, checksums)


def trace(model: IntegerModel, window: NDArray[np.int16]) -> list[dict[str, IntArray]]:
    """Run one window (T, C) and return `model.trace_tensors` of every step, each (n,) and within 16 bits."""
    return integer_form(model.family).trace(model, window)
