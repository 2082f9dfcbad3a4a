"""Quantization of the CNN: from its float weights and calibration windows to its integer model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.calibration import CalibrationStats, calibration_subset
from mcukd.fixedpoint.cnn.fitting import collect_ranges, fit, float_layers
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.cnn.reference import run
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.conversion import check_finite, clipped_weights, data_facts, known_windows
from mcukd.fixedpoint.layers import FloatArray, LayerFit
from mcukd.fixedpoint.model import TensorFormat
from mcukd.models.cnn_weights import CONVOLUTIONS, CnnWeights


def quantize(
    weights: CnnWeights,
    calibration: Windows,
    config: QuantizeConfig,
    operation_hop: int,
    lengths: Mapping[str, NDArray[np.int64]] | None = None,
) -> CnnModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    config: `bits` is the width of all weights, `activation_bits` that of what layers make.
    operation_hop: samples between two classifications on the animal.
    Raises UserError where weights are not finite, no format keeps an accumulator within 32 bits, or a kind of
    gate table is asked for.
    """
    if config.gates != QuantizeConfig.gates:
        raise UserError(f"--gates {config.gates}: a cnn student reads no gate table; leave the option out.")
    check_finite(weights)
    calibration = calibration_subset(calibration)
    window = int(calibration.counts.shape[1])
    floats = {name: rows for name, (rows, _) in float_layers(weights, window).items()}
    stats = collect_ranges(weights, calibration.counts)
    fitted = fit(weights, stats, window, config.bits, config.activation_bits)
    for name, layer in zip(CONVOLUTIONS, weights.layers):
        fitted.arrays[name] = fitted.arrays[name].reshape(layer.filters, layer.taps, -1)
    model = CnnModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        **data_facts(calibration, operation_hop),
        formats=_formats(floats, stats, fitted, config),
        arrays={
            **fitted.arrays,
            "strides": weights.strides.astype(np.int16),
            "known_windows": known_windows(calibration.counts),
        },
        bounds=fitted.bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    formats = {
        name: replace(
            fmt, saturations=clipped.get(name, clipped_weights(floats[name], fmt) if name in floats else 0)
        )
        for name, fmt in model.formats.items()
    }
    return replace(model, formats=formats)


def _formats(
    floats: Mapping[str, FloatArray], stats: CalibrationStats, fitted: LayerFit, config: QuantizeConfig
) -> dict[str, TensorFormat]:
    formats = {}
    for name, length in sorted(fitted.lengths.items()):
        if name in floats:
            low, high = float(floats[name].min()), float(floats[name].max())
            rows = tuple(map(int, fitted.row_lengths[name])) if name in fitted.row_lengths else None
            formats[name] = TensorFormat(config.bits, length, low, high, 0, "weight", rows)
        elif name == "pooled":
            formats[name] = TensorFormat(32, length, 0.0, 0.0, 0, "sum")
        else:
            width = 16 if name in ("input", "logits") else config.activation_bits
            formats[name] = TensorFormat(width, length, *stats.ranges[name], 0, "activation")
    return formats
