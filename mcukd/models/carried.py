"""Logits of a float student that carries its state through recordings, one sample at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.past import carried_states
from mcukd.data.windows import Windows
from mcukd.models.weights import GruMlpWeights


def carried_logits(student: GruMlpWeights, windows: Windows) -> NDArray[np.float64]:
    """Return the logits (N, K) after the last sample of each window; the state is zero where recordings begin.

    windows: with their past.
    """
    assert windows.past is not None, "windows were read without their past"

    def step(state: NDArray[np.float64], samples: NDArray[np.int16]) -> NDArray[np.float64]:
        return student.step((samples - student.mean) / student.std, state)

    states = carried_states(step, np.zeros(student.hidden), windows.past, windows.counts.shape[1])
    return student.head.logits(states)
