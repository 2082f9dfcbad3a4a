"""Quantization: from a float student of any family and calibration windows to its integer model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.config import (
    ACTIVATION_BITS,
    BITS,
    TFLITE_METRIC,
    VERSION,
    QuantizeConfig,
    metrics_name,
)
from mcukd.fixedpoint.families import integer_form
from mcukd.fixedpoint.model import IntegerModel
from mcukd.models.families import Weights

__all__ = [
    "ACTIVATION_BITS",
    "BITS",
    "TFLITE_METRIC",
    "VERSION",
    "QuantizeConfig",
    "metrics_name",
    "quantize",
]


def quantize(
    weights: Weights,
    calibration: Windows,
    config: QuantizeConfig,
    operation_hop: int,
    lengths: Mapping[str, NDArray[np.int64]] | None = None,
) -> IntegerModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    operation_hop: samples between two classifications on the animal. lengths: of weight groups whose formats
    are given, as quantization-aware training leaves them; for families that have it.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    return integer_form(weights.family).quantize(weights, calibration, config, operation_hop, lengths)
