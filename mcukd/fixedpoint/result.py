"""Results of running an integer model: on windows, and on a recording whose state is carried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class InferenceResult:
    """Results of an integer model for N windows.

    logits: (N, K) int32 mantissas of tensor `logits`. classes: (N,) int64, the first of the largest; K where
    the model's refusal rule, if it has one, makes the result unknown.
    state: (N, H) int16 after the last step, H halfwords as `IntegerModel.state_halfwords` counts them.
    state_crc: (N,) uint32, CRC-32 over the states after step 1 … T, each as H little-endian int16.
    saturations: by tensor, how many values were clipped.
    """

    logits: NDArray[np.int32]
    classes: NDArray[np.int64]
    state: NDArray[np.int16]
    state_crc: NDArray[np.uint32]
    saturations: dict[str, int]


@dataclass(frozen=True)
class StreamResult:
    """Results of an integer model whose state is carried through a recording: n of them, one every hop.

    logits: (n, K) int32 mantissas. classes: (n,) int64, as in `InferenceResult`. state: (n, H) int16, the
    state that each result was computed from. last: (H,) int16, the state after the last sample.
    """

    logits: NDArray[np.int32]
    classes: NDArray[np.int64]
    state: NDArray[np.int16]
    last: NDArray[np.int16]
