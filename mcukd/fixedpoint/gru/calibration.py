"""Calibration of the GRU-MLP: ranges of its tensors, and moments of what each kind of weight group reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.calibration import CalibrationStats
from mcukd.fixedpoint.rounding import Moments
from mcukd.models.weights import GruMlpWeights


def collect_ranges(weights: GruMlpWeights, counts: NDArray[np.int16]) -> CalibrationStats:
    """Run the float student on counts (N, T, C) and collect what the choice of formats needs.

    Moments are of `kernel` (sample counts), `recurrent` (states before each step), `dense` (the last state)
    and `output` (the dense layer's output, or the last state where the head has none).
    """
    stats, hidden = CalibrationStats(), weights.hidden
    x = (counts.astype(np.float64) - weights.mean) / weights.std
    h = np.zeros((len(counts), hidden))
    states = np.zeros((counts.shape[1], len(counts), hidden), np.float32)
    stats.update("input", counts)
    for t in range(counts.shape[1]):
        states[t] = h
        x_part = x[:, t] @ weights.kernel + weights.bias[0]
        h_part = h @ weights.recurrent + weights.bias[1]
        pre = x_part[:, : 2 * hidden] + h_part[:, : 2 * hidden]
        stats.update("z_pre", pre[:, :hidden])
        stats.update("r_pre", pre[:, hidden:])
        stats.update("h_rec", h_part[:, 2 * hidden :])
        r = 1 / (1 + np.exp(-pre[:, hidden:]))
        stats.update("h_pre", x_part[:, 2 * hidden :] + r * h_part[:, 2 * hidden :])
        h = weights.step(x[:, t], h)
        stats.update("h", h)
    head = weights.head
    hidden_out = head.hidden(h)
    if head.kind == "mlp":
        stats.update("dense_out", hidden_out)
    stats.update("logits", head.logits(h))
    stats.moments = {
        "kernel": Moments.of(counts.reshape(-1, counts.shape[2])),
        "recurrent": Moments.of(states.reshape(-1, hidden)),
        "dense": Moments.of(h),
        "output": Moments.of(hidden_out),
    }
    return stats
