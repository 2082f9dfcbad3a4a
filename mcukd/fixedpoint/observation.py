"""What the float student does on calibration windows: ranges of its tensors, moments of what weights read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.rounding import Moments
from mcukd.models.weights import StudentWeights

_CALIBRATION_WINDOWS = 1024


@dataclass
class Observation:
    """ranges: smallest and largest value by activation. moments: of what each kind of weight group reads.

    Kinds are `kernel` (sample counts), `recurrent` (states before each step), `dense` (the last state) and
    `output` (the dense layer's output, or the last state where the head has none).
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)

    def note(self, name: str, values: NDArray[Any]) -> None:
        """Widen the range of a tensor."""
        low, high = self.ranges.get(name, (np.inf, -np.inf))
        self.ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))


def calibration_subset(windows: Windows) -> Windows:
    """Return at most 1024 windows spread evenly over the set, enough to see each tensor's range."""
    if len(windows) <= _CALIBRATION_WINDOWS:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, _CALIBRATION_WINDOWS).astype(np.int64))


def observe(weights: StudentWeights, counts: NDArray[np.int16]) -> Observation:
    """Run the float student on counts (N, T, C) and keep what the choice of formats needs."""
    seen, hidden = Observation(), weights.hidden
    x = (counts.astype(np.float64) - weights.mean) / weights.std
    h = np.zeros((len(counts), hidden))
    states = np.zeros((counts.shape[1], len(counts), hidden), np.float32)
    seen.note("input", counts)
    for t in range(counts.shape[1]):
        states[t] = h
        x_part = x[:, t] @ weights.kernel + weights.bias[0]
        h_part = h @ weights.recurrent + weights.bias[1]
        pre = x_part[:, : 2 * hidden] + h_part[:, : 2 * hidden]
        seen.note("z_pre", pre[:, :hidden])
        seen.note("r_pre", pre[:, hidden:])
        seen.note("h_rec", h_part[:, 2 * hidden :])
        r = 1 / (1 + np.exp(-pre[:, hidden:]))
        seen.note("h_pre", x_part[:, 2 * hidden :] + r * h_part[:, 2 * hidden :])
        h = weights.step(x[:, t], h)
        seen.note("h", h)
    head = weights.head
    hidden_out = head.hidden(h)
    if head.kind == "mlp":
        seen.note("dense_out", hidden_out)
    seen.note("logits", head.logits(h))
    seen.moments = {
        "kernel": Moments.of(counts.reshape(-1, counts.shape[2])),
        "recurrent": Moments.of(states.reshape(-1, hidden)),
        "dense": Moments.of(h),
        "output": Moments.of(hidden_out),
    }
    return seen
