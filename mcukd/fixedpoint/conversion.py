"""Functions that the quantization of every family uses: checks, known windows, and facts of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.model import TensorFormat
from mcukd.models.families import Weights


def data_facts(calibration: Windows, operation_hop: int) -> dict[str, Any]:
    """Return the fields of an integer model that its data decide: window, hop, classes, rate, scale, card."""
    return {
        "window": int(calibration.counts.shape[1]),
        "hop": operation_hop,
        "classes": calibration.classes,
        "rate_hz": calibration.rate_hz,
        "counts_per_g": calibration.counts_per_g,
        "card": calibration.card,
        "simulated": calibration.simulated,
    }


def known_windows(counts: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return two windows for the known-answer test: one of the data, and random int16 samples."""
    extreme = np.random.default_rng(0).integers(-32768, 32768, counts.shape[1:])
    return np.stack([counts[len(counts) // 2], extreme]).astype(np.int16)


def clipped_weights(values: NDArray[np.float64], fmt: TensorFormat) -> int:
    """Count the weights (rows, n) that a format clips."""
    lengths = np.array(fmt.row_lengths or [fmt.fractional_length] * len(values))
    mantissas = np.floor(np.ldexp(values, lengths[:, None]) + 0.5)
    return int(np.count_nonzero((mantissas < fmt.q.low) | (mantissas > fmt.q.high)))


def check_finite(weights: Weights) -> None:
    """Raise UserError where weights are not all finite."""
    for name, array in weights.arrays().items():
        if not np.all(np.isfinite(array)):
            raise UserError(f"student: weights '{name}' are not all finite; train the student again.")
