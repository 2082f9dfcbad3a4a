"""Classes of windows by an integer model whose state is carried through their recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
