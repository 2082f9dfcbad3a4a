"""Quantization of the filter-MLP: from its float weights and calibration windows to its integer model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.calibration import CalibrationStats, calibration_subset
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.conversion import check_finite, clipped_weights, data_facts, known_windows
from mcukd.fixedpoint.filter_mlp.fitting import collect_ranges, fit
from mcukd.fixedpoint.filter_mlp.model import FEATURE_KINDS, WEIGHTS, FilterMlpModel
from mcukd.fixedpoint.filter_mlp.reference import run
from mcukd.fixedpoint.layers import LayerFit
from mcukd.fixedpoint.model import TensorFormat
from mcukd.models.filter_weights import FilterMlpWeights

_SUMS = ("fir1_sum", "fir2_sum", "passed", *(f"{kind}_sum" for kind in FEATURE_KINDS))


def quantize(
    weights: FilterMlpWeights,
    calibration: Windows,
    config: QuantizeConfig,
    operation_hop: int,
    lengths: Mapping[str, NDArray[np.int64]] | None = None,
) -> FilterMlpModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    config: `bits` is the width of taps and perceptron, `activation_bits` that of features and dense output;
    the pole keeps 16 bits. operation_hop: samples between two classifications on the animal.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    check_finite(weights)
    calibration = calibration_subset(calibration)
    window = int(calibration.counts.shape[1])
    stats = collect_ranges(weights, calibration.counts)
    fitted = fit(weights, stats, window, config.bits, config.activation_bits, config.gates)
    model = FilterMlpModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        gates=config.gates,
        **data_facts(calibration, operation_hop),
        formats=_formats(weights, stats, fitted, config),
        arrays={**fitted.arrays, "known_windows": known_windows(calibration.counts)},
        bounds=fitted.bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    floats = _floats(weights)
    formats = {
        name: replace(
            fmt, saturations=clipped.get(name, clipped_weights(floats[name], fmt) if name in floats else 0)
        )
        for name, fmt in model.formats.items()
    }
    return replace(model, formats=formats)


def _floats(weights: FilterMlpWeights) -> dict[str, NDArray[np.float64]]:
    """Return the float weights by group, one row per axis or unit, the standardisation's scale in fir1."""
    return {
        "fir1": weights.fir1.T.astype(np.float64) / weights.std[:, None],
        "fir2": weights.fir2.T.astype(np.float64),
        "dense": weights.dense_kernel.T.astype(np.float64),
        "output": weights.output_kernel.T.astype(np.float64),
    }


def _formats(
    weights: FilterMlpWeights, stats: CalibrationStats, fitted: LayerFit, config: QuantizeConfig
) -> dict[str, TensorFormat]:
    floats = _floats(weights)
    widths = {"features": config.activation_bits, "dense_out": config.activation_bits}
    widths["fir1_pre"] = gates.PRE_BITS[config.gates]
    scales = fitted.arrays["scale"].astype(np.float64).reshape(len(FEATURE_KINDS), -1)
    formats = {}
    for name, length in sorted(fitted.lengths.items()):
        if name in WEIGHTS:
            low, high = float(floats[name].min()), float(floats[name].max())
            rows = tuple(map(int, fitted.row_lengths[name])) if name in fitted.row_lengths else None
            # Taps show the length of the coarsest axis; their integers are stored at the length of their sum.
            shown = min(rows) if rows else length
            formats[name] = TensorFormat(config.bits, shown, low, high, 0, "weight", rows)
        elif name == "pole":
            low, high = float(weights.pole.min()), float(weights.pole.max())
            formats[name] = TensorFormat(16, length, low, high, 0, "weight")
        elif name.startswith("scale_"):
            values = np.ldexp(scales[FEATURE_KINDS.index(name.removeprefix("scale_"))], -length)
            formats[name] = TensorFormat(16, length, float(values.min()), float(values.max()), 0, "weight")
        elif name in _SUMS:
            formats[name] = TensorFormat(32, length, 0.0, 0.0, 0, "sum")
        else:
            formats[name] = TensorFormat(widths.get(name, 16), length, *stats.ranges[name], 0, "activation")
    return formats
