"""Logits of a float student that carries its state through recordings, one sample at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.past import carried_states
from mcukd.data.windows import Windows
from mcukd.models.families import Weights
from mcukd.models.weights import GruMlpWeights


def carried_logits(student: Weights, windows: Windows) -> NDArray[np.float64]:
    """Return the logits (N, K) after the last sample of each window, with their past.

    The state is zero where a recording begins.
    """
    states = _states(student, windows, windows.counts.shape[1])
    assert isinstance(student, GruMlpWeights)
    return student.head.logits(states)


def states_before(student: Weights, windows: Windows) -> NDArray[np.float64]:
    """Return the states (N, H) before the first sample of each window, with their past."""
    return _states(student, windows, 0)


def _states(student: Weights, windows: Windows, length: int) -> NDArray[np.float64]:
    assert isinstance(student, GruMlpWeights), "only recurrent students carry a state"
    assert windows.past is not None, "windows were read without their past"

    def step(state: NDArray[np.float64], samples: NDArray[np.int16]) -> NDArray[np.float64]:
        return student.step((samples - student.mean) / student.std, state)

    return carried_states(step, np.zeros(student.hidden), windows.past, length)
