"""Classes of windows by an integer model whose state is carried through their recordings, and its states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.past import Past
from mcukd.data.windows import Windows
from mcukd.fixedpoint.model import IntegerModel
from mcukd.inference.batch import classes_of, run_stream_fast


def evaluated_classes(model: IntegerModel, windows: Windows) -> NDArray[np.int64]:
    """Return the classes (N,) that operation gives of windows.

    Each starts from the zero state, or with `model.stream` from the state that its recording has made since
    it began, for which the windows need their past.
    """
    if not model.stream:
        return classes_of(model, windows.counts)
    past = windows.past
    assert past is not None, "windows were read without their past"
    found = np.empty(len(windows), np.int64)
    ends = past.begins + windows.counts.shape[1]
    for origin in np.unique(past.origins):
        own = np.flatnonzero(past.origins == origin)
        # Results are counted from that of the recording's first window.
        number = past.begins[own] - origin
        hop = max(1, int(np.gcd.reduce(number)))
        carried = run_stream_fast(model, past.samples[origin : ends[own].max()], hop)
        found[own] = carried.classes[number // hop]
    return found


def integer_states_before(model: IntegerModel, past: Past) -> NDArray[np.int16]:
    """Return the states (N, H) that a model's recordings have made before the first sample of each window."""
    states = np.zeros((len(past.begins), model.state_halfwords), np.int16)
    for origin in np.unique(past.origins):
        at, state = int(origin), states[0] * 0
        own = np.flatnonzero(past.origins == origin)
        for index in own[np.argsort(past.begins[own], kind="stable")]:
            begin = int(past.begins[index])
            state = run_stream_fast(model, past.samples[at:begin], model.window, state, at - int(origin)).last
            states[index], at = state, begin
    return states
