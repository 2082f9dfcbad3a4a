"""Quantization of the GRU-MLP: from its float weights and calibration windows to its integer model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.calibration import CalibrationStats, calibration_subset
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.conversion import check_finite, clipped_weights, data_facts, known_windows
from mcukd.fixedpoint.gates import PRE_BITS
from mcukd.fixedpoint.gru.calibration import collect_ranges
from mcukd.fixedpoint.gru.fitting import Fit, fit, weight_groups
from mcukd.fixedpoint.gru.model import WEIGHTS, GruMlpModel
from mcukd.fixedpoint.gru.reference import run
from mcukd.fixedpoint.model import TensorFormat
from mcukd.models.weights import GruMlpWeights


def quantize(
    weights: GruMlpWeights,
    calibration: Windows,
    config: QuantizeConfig,
    operation_hop: int,
    lengths: Mapping[str, NDArray[np.int64]] | None = None,
) -> GruMlpModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    operation_hop: samples between two classifications on the animal. lengths: of weight groups whose formats
    are given, as `weight_lengths` returns them.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    check_finite(weights)
    calibration = calibration_subset(calibration)
    stats = collect_ranges(weights, calibration.counts)
    fitted = fit(weights, stats, config.widths, config.gates, lengths)
    formats = {
        name: _format(name, length, stats, fitted, config) for name, length in sorted(fitted.lengths.items())
    }
    floats = weight_groups(weights)
    for name in floats:
        low, high = float(floats[name].min()), float(floats[name].max())
        formats[name] = replace(formats[name], observed_min=low, observed_max=high)
    model = GruMlpModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        gates=config.gates,
        state_shift=fitted.state_shift,
        **data_facts(calibration, operation_hop),
        formats=formats,
        arrays={**fitted.arrays, "known_windows": known_windows(calibration.counts)},
        bounds=fitted.bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    clipped.update({name: clipped_weights(floats[name], formats[name]) for name in floats})
    return replace(
        model, formats={name: replace(fmt, saturations=clipped.get(name, 0)) for name, fmt in formats.items()}
    )


def weight_lengths(model: GruMlpModel) -> dict[str, NDArray[np.int64]]:
    """Return the fractional lengths of a model's weight groups by name, of input kernels one per row."""
    lengths = {}
    for name in (name for name in WEIGHTS if name in model.formats):
        fmt = model.formats[name]
        rows = fmt.row_lengths if name.startswith("kernel") else None
        lengths[name] = np.array(fmt.fractional_length if rows is None else rows, np.int64)
    return lengths


def _format(
    name: str, length: int, stats: CalibrationStats, fitted: Fit, config: QuantizeConfig
) -> TensorFormat:
    if name in WEIGHTS:
        rows = None if name not in fitted.row_lengths else tuple(map(int, fitted.row_lengths[name]))
        # Kernels show the length of the coarsest row; their integers are stored at the length of their sum.
        length = min(rows) if rows and name.startswith("kernel") else length
        widths = config.widths
        bits = {"kernel": widths.kernel, "recurrent": widths.recurrent}.get(name.split("_")[0], widths.head)
        return TensorFormat(bits, length, 0.0, 0.0, 0, "weight", rows)
    if name.endswith("_sum"):
        return TensorFormat(32, length, 0.0, 0.0, 0, "sum")
    bits = {"h": config.activation_bits, "dense_out": config.activation_bits}.get(name, 16)
    if name.endswith("_pre"):
        bits = PRE_BITS[config.gates]
    return TensorFormat(bits, length, *stats.ranges[name], 0, "activation")
