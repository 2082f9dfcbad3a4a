"""From a float filter-MLP and calibration windows to its integer model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.filters.fitting import FilterFit, fit_filters, observe_filters
from mcukd.fixedpoint.filters.model import KINDS, WEIGHTS, FilterModel
from mcukd.fixedpoint.filters.reference import run
from mcukd.fixedpoint.model import TensorFormat
from mcukd.fixedpoint.observation import Observation, calibration_subset
from mcukd.fixedpoint.quantize import QuantizeConfig, known_windows
from mcukd.models.filter_mlp import FilterMlpWeights

_SUMS = ("fir1_sum", "fir2_sum", "passed", *(f"{kind}_sum" for kind in KINDS))


def quantize_filters(
    weights: FilterMlpWeights, calibration: Windows, config: QuantizeConfig, operation_hop: int
) -> FilterModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    config: `bits` is the width of taps and perceptron, `activation_bits` that of features and dense output;
    the pole keeps 16 bits. operation_hop: samples between two classifications on the animal.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    for name, array in weights.arrays().items():
        if not np.all(np.isfinite(array)):
            raise UserError(f"student: weights '{name}' are not all finite; train the student again.")
    calibration = calibration_subset(calibration)
    window = int(calibration.counts.shape[1])
    seen = observe_filters(weights, calibration.counts)
    made = fit_filters(weights, seen, window, config.bits, config.activation_bits, config.gates)
    model = FilterModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        gates=config.gates,
        state_shift=0,
        window=window,
        hop=operation_hop,
        classes=calibration.classes,
        rate_hz=calibration.rate_hz,
        counts_per_g=calibration.counts_per_g,
        card=calibration.card,
        simulated=calibration.simulated,
        formats=_formats(weights, seen, made, config),
        arrays={**made.arrays, "known_windows": known_windows(calibration.counts)},
        bounds=made.bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    floats = _floats(weights)
    formats = {
        name: replace(
            fmt, saturations=clipped.get(name, _clipped(floats[name], fmt) if name in floats else 0)
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
    weights: FilterMlpWeights, seen: Observation, made: FilterFit, config: QuantizeConfig
) -> dict[str, TensorFormat]:
    floats = _floats(weights)
    widths = {"features": config.activation_bits, "dense_out": config.activation_bits}
    widths["fir1_pre"] = gates.PRE_BITS[config.gates]
    scales = made.arrays["scale"].astype(np.float64).reshape(len(KINDS), -1)
    formats = {}
    for name, length in sorted(made.lengths.items()):
        if name in WEIGHTS:
            low, high = float(floats[name].min()), float(floats[name].max())
            rows = tuple(map(int, made.row_lengths[name])) if name in made.row_lengths else None
            # Of taps the coarsest axis's; their integers are stored at the length of their sum.
            shown = min(rows) if rows else length
            formats[name] = TensorFormat(config.bits, shown, low, high, 0, "weight", rows)
        elif name == "pole":
            low, high = float(weights.pole.min()), float(weights.pole.max())
            formats[name] = TensorFormat(16, length, low, high, 0, "weight")
        elif name.startswith("scale_"):
            values = np.ldexp(scales[KINDS.index(name.removeprefix("scale_"))], -length)
            formats[name] = TensorFormat(16, length, float(values.min()), float(values.max()), 0, "weight")
        elif name in _SUMS:
            formats[name] = TensorFormat(32, length, 0.0, 0.0, 0, "sum")
        else:
            formats[name] = TensorFormat(widths.get(name, 16), length, *seen.ranges[name], 0, "activation")
    return formats


def _clipped(values: NDArray[np.float64], fmt: TensorFormat) -> int:
    lengths = np.array(fmt.row_lengths or [fmt.fractional_length] * len(values))
    mantissas = np.floor(np.ldexp(values, lengths[:, None]) + 0.5)
    return int(np.count_nonzero((mantissas < fmt.q.low) | (mantissas > fmt.q.high)))
