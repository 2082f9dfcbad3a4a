"""From a float student and calibration windows to an integer model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.fitting import Fit, Widths, fit, weight_groups
from mcukd.fixedpoint.gates import KINDS, PRE_BITS
from mcukd.fixedpoint.model import WEIGHTS, IntegerModel, TensorFormat
from mcukd.fixedpoint.observation import Observation, calibration_subset, observe
from mcukd.fixedpoint.reference import run
from mcukd.models.weights import StudentWeights
from mcukd.text import did_you_mean, listed

#: Name in `metrics.json` of the student as TensorFlow Lite int8.
TFLITE_METRIC = "tflite_int8"
#: Raise it when quantization changes in a way options do not show: studies made before are then stale.
VERSION = 2

BITS = range(4, 17)
ACTIVATION_BITS = range(8, 17)


@dataclass(frozen=True)
class QuantizeConfig:
    """Widths: `bits` for the weights (4…16), `activation_bits` for state and dense output (8…16).

    gates: kind of gate table, `interpolated` or `direct` (`gates.py`). kernel_bits, head_bits: widths of the
    input kernels and of the head's weights where they are not `bits`.
    Raises UserError for widths outside these ranges and unknown tables.
    """

    bits: int = 8
    activation_bits: int = 16
    gates: str = "interpolated"
    kernel_bits: Optional[int] = None
    head_bits: Optional[int] = None

    def __post_init__(self) -> None:
        for option, value, allowed in (
            ("--bits", self.bits, BITS),
            ("--activation-bits", self.activation_bits, ACTIVATION_BITS),
            ("kernel_bits", self.widths.kernel, BITS),
            ("head_bits", self.widths.head, BITS),
        ):
            if value not in allowed:
                raise UserError(
                    f"{option} {value}: weights and activations have {allowed.start} to {allowed.stop - 1} "
                    f"bits here; choose a width in that range."
                )
        if self.gates not in KINDS:
            raise UserError(
                f"--gates {self.gates}: no such gate table{did_you_mean(self.gates, KINDS)}; "
                f"choose one of {listed(KINDS)}."
            )

    @property
    def widths(self) -> Widths:
        """The width of each kind of number."""
        kernel = self.bits if self.kernel_bits is None else self.kernel_bits
        head = self.bits if self.head_bits is None else self.head_bits
        return Widths(self.bits, kernel, head, self.activation_bits)

    def options(self) -> dict[str, Any]:
        """Return everything that decides the results, as JSON knows it, without widths not given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def quantize(
    weights: StudentWeights,
    calibration: Windows,
    config: QuantizeConfig,
    operation_hop: int,
    lengths: Optional[Mapping[str, NDArray[np.int64]]] = None,
) -> IntegerModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    operation_hop: samples between two classifications on the animal. lengths: of weight groups whose formats
    are given, as `weight_lengths` returns them.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    _check_finite(weights)
    calibration = calibration_subset(calibration)
    seen = observe(weights, calibration.counts)
    made = fit(weights, seen, config.widths, config.gates, lengths)
    formats = {
        name: _format(name, length, seen, made, config) for name, length in sorted(made.lengths.items())
    }
    floats = weight_groups(weights)
    for name in floats:
        low, high = float(floats[name].min()), float(floats[name].max())
        formats[name] = replace(formats[name], observed_min=low, observed_max=high)
    model = IntegerModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        gates=config.gates,
        state_shift=made.state_shift,
        window=int(calibration.counts.shape[1]),
        hop=operation_hop,
        classes=calibration.classes,
        rate_hz=calibration.rate_hz,
        counts_per_g=calibration.counts_per_g,
        card=calibration.card,
        simulated=calibration.simulated,
        formats=formats,
        arrays={**made.arrays, "known_windows": known_windows(calibration.counts)},
        bounds=made.bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    clipped.update({name: _clipped(floats[name], formats[name]) for name in floats})
    return replace(
        model, formats={name: replace(fmt, saturations=clipped.get(name, 0)) for name, fmt in formats.items()}
    )


def metrics_name(options: Mapping[str, Any]) -> str:
    """Return the name in `metrics.json` of what a quantize stage with these options made.

    `fixed_point_<bits>`, `fixed_point_auto` for widths that were searched, with `_qat` after training.
    """
    width = "auto" if "goal" in options else options["bits"]
    return f"fixed_point_{width}" + ("_qat" if "qat" in options else "")


def weight_lengths(model: IntegerModel) -> dict[str, NDArray[np.int64]]:
    """Return the fractional lengths of a model's weight groups by name, of input kernels one per row."""
    lengths = {}
    for name in (name for name in WEIGHTS if name in model.formats):
        fmt = model.formats[name]
        rows = fmt.row_lengths if name.startswith("kernel") else None
        lengths[name] = np.array(fmt.fractional_length if rows is None else rows, np.int64)
    return lengths


def known_windows(counts: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return two windows for the known-answer test: one of the data, one that drives every gate hard."""
    extreme = np.random.default_rng(0).integers(-32768, 32768, counts.shape[1:])
    return np.stack([counts[len(counts) // 2], extreme]).astype(np.int16)


def _format(name: str, length: int, seen: Observation, made: Fit, config: QuantizeConfig) -> TensorFormat:
    if name in WEIGHTS:
        rows = None if name not in made.row_lengths else tuple(map(int, made.row_lengths[name]))
        # Of input kernels the coarsest row's; their integers are stored at the length of their sum.
        length = min(rows) if rows and name.startswith("kernel") else length
        widths = config.widths
        bits = {"kernel": widths.kernel, "recurrent": widths.recurrent}.get(name.split("_")[0], widths.head)
        return TensorFormat(bits, length, 0.0, 0.0, 0, "weight", rows)
    if name.endswith("_sum"):
        return TensorFormat(32, length, 0.0, 0.0, 0, "sum")
    bits = {"h": config.activation_bits, "dense_out": config.activation_bits}.get(name, 16)
    if name.endswith("_pre"):
        bits = PRE_BITS[config.gates]
    return TensorFormat(bits, length, *seen.ranges[name], 0, "activation")


def _clipped(values: NDArray[np.float64], fmt: TensorFormat) -> int:
    lengths = np.array(fmt.row_lengths or [fmt.fractional_length] * len(values))
    mantissas = np.floor(np.ldexp(values, lengths[:, None]) + 0.5)
    return int(np.count_nonzero((mantissas < fmt.q.low) | (mantissas > fmt.q.high)))


def _check_finite(weights: StudentWeights) -> None:
    for name, array in weights.arrays().items():
        if not np.all(np.isfinite(array)):
            raise UserError(f"student: weights '{name}' are not all finite; train the student again.")
