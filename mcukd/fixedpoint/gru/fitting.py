"""Formats, integers and overflow proof of the GRU-MLP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import QFormat, closest_length, covering_length
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.calibration import CalibrationStats
from mcukd.fixedpoint.config import Widths
from mcukd.fixedpoint.gru.bounds import accumulator_bounds
from mcukd.fixedpoint.gru.model import GATES, WEIGHTS, step_shifts
from mcukd.fixedpoint.gru.packing import Packing
from mcukd.fixedpoint.gru.rounding import round_recurrent
from mcukd.fixedpoint.model import head_layers
from mcukd.fixedpoint.rounding import round_rows, rounding_bias
from mcukd.models.weights import GruMlpWeights

FloatArray = NDArray[np.float64]

#: Factor on calibrated ranges, which other animals may exceed; a 16-bit activation has a bit to spare.
_HEADROOM = 2.0
#: Shifts stay below the width of the accumulator.
_LARGEST_SHIFT = 30
#: Longest fractional length of an activation, however small its range: sums of finer ones would not fit 32
#: bits.
_FINEST_ACTIVATION = 20
#: Longer fractional lengths are shortened, at most to this, where that saves the device a shift.
_FINE_ENOUGH = 11
#: For the same reason sums of packed weights may leave out low bits of the state, as long as a weight and the
#: remaining state have this many bits together: the weights' rounding is then still several times coarser.
_BITS_OF_WEIGHT_AND_STATE = 17
#: Bits of the state that sums may leave out to make room for packed weights.
_LARGEST_STATE_SHIFT = 6


@dataclass
class Fit:
    """Formats and integers of a model in the making.

    lengths: fractional length by tensor. row_lengths: of weights whose rows have their own. empty: by gate,
    bits of recurrent mantissas below their own that stay zero. arrays, bounds, state_shift: as in
    GruMlpModel.
    """

    packing: Packing
    widths: Widths
    lengths: dict[str, int]
    row_lengths: dict[str, NDArray[np.int64]]
    empty: dict[str, int]
    state_shift: int
    arrays: dict[str, NDArray[Any]]
    bounds: dict[str, int]

    @property
    def shifts(self) -> dict[str, int]:
        """The step's right shifts at the present lengths."""
        return step_shifts(self.lengths, self.packing, self.state_shift)


def fit(
    weights: GruMlpWeights,
    stats: CalibrationStats,
    widths: Widths,
    gate_table: str,
    fixed: Mapping[str, NDArray[np.int64]] | None = None,
) -> Fit:
    """Choose formats and round the weights so that interval analysis proves every accumulator.

    fixed: fractional lengths by weight group that are not to be chosen, of input kernels one per row; the
    proof may still shorten them. Raises UserError where weights are so large that no format does.
    """
    floats, fixed = weight_groups(weights), fixed or {}
    lengths = _activation_lengths(stats, widths.activation, gate_table)
    fitted = Fit(Packing(widths.recurrent), widths, lengths, {}, dict.fromkeys(GATES, 0), 0, {}, {})
    for name, bits in (
        *((f"recurrent_{gate}", widths.recurrent) for gate in GATES),
        *((name, widths.head) for name, _, _ in head_layers(floats)),
    ):
        lengths[name] = int(fixed[name]) if name in fixed else closest_length(floats[name], bits)
    limits = dict.fromkeys(GATES, _LARGEST_SHIFT)  # longest sums allowed by the proof so far
    while True:
        _sum_lengths(fitted, floats, limits, fixed)
        _round(fitted, weights, floats, stats)
        fitted.bounds = accumulator_bounds(
            fitted.arrays, fitted.shifts, widths.activation, fitted.state_shift
        )
        unsafe = [name for name, bound in fitted.bounds.items() if bound >= LIMIT]
        if not unsafe:
            _check_shifts(fitted, floats)
            fitted.arrays = {
                name: array.astype(np.int16 if name in WEIGHTS else np.int32)
                for name, array in fitted.arrays.items()
            }
            return fitted
        _make_room(fitted, floats, limits, unsafe)


def weight_groups(weights: GruMlpWeights) -> dict[str, FloatArray]:
    """Return the float weights by group, one row per unit, the standardisation's scale in the kernels."""
    scaled = weights.kernel.astype(np.float64) / weights.std.astype(np.float64)[:, None]
    groups = {
        **dict(zip((f"kernel_{g}" for g in GATES), np.split(scaled, 3, axis=1))),
        **dict(zip((f"recurrent_{g}" for g in GATES), np.split(weights.recurrent, 3, axis=1))),
        **({"dense": weights.dense_kernel} if weights.dense else {}),
        "output": weights.output_kernel,
    }
    return {name: np.ascontiguousarray(group.T, np.float64) for name, group in groups.items()}


def _activation_lengths(stats: CalibrationStats, activation_bits: int, gate_table: str) -> dict[str, int]:
    """Choose the fractional lengths of activations from what calibration saw.

    Samples are sensor counts (length 0). A state lies within ±1 by construction. Pre-activations have the
    range of their gate's table, where the gate is not yet flat.
    """

    def covering(name: str, bits: int) -> int:
        room = _HEADROOM if bits == 16 else 1.0
        low, high = stats.ranges[name]
        return min(covering_length(low * room, high * room, bits), _FINEST_ACTIVATION)

    return {
        "input": 0,
        "h": activation_bits - 1,
        **{f"{gate}_pre": gates.pre_length(gate, gate_table) for gate in GATES},
        "h_rec": min(covering("h_rec", 16), _LARGEST_SHIFT - 16),
        **({"dense_out": covering("dense_out", activation_bits)} if "dense_out" in stats.ranges else {}),
        "logits": covering("logits", 16),
    }


def _sum_lengths(
    fitted: Fit,
    floats: dict[str, FloatArray],
    limits: dict[str, int],
    fixed: Mapping[str, NDArray[np.int64]],
) -> None:
    """Give sums the longest lengths that their parts and the proof allow, and the kernels' rows theirs."""
    lengths, bits = fitted.lengths, fitted.widths.kernel
    # Nothing gets finer on its way. Where the state is narrow, weights are stored shifted up instead.
    for gate in GATES if fitted.packing.slots == 1 else ():
        name = f"recurrent_{gate}"
        missing = lengths[f"{gate}_pre"] + 1 - state_sum_length(fitted, gate)
        added = int(np.clip(missing, 0, 16 - fitted.packing.bits - fitted.empty[gate]))
        lengths[name] += added
        fitted.empty[gate] += added
    lengths["h_rec"] = min(lengths["h_rec"], state_sum_length(fitted, "h"))
    for name, source, target in head_layers(floats):
        lengths[name] = min(lengths[name], lengths[target] - lengths[source] + _LARGEST_SHIFT)
        lengths[target] = min(lengths[target], lengths[name] + lengths[source])
    stored = {
        gate: covering_length(float(kernel.min()), float(kernel.max()), 16)
        for gate, kernel in ((gate, floats[f"kernel_{gate}"]) for gate in GATES)
    }
    _spare_shifts(fitted, {gate: min(stored[gate], limits[gate]) for gate in GATES})
    for gate in GATES:
        length = min(stored[gate], limits[gate], _arriving(fitted, gate))
        lengths[f"{gate}_sum"] = lengths[f"kernel_{gate}"] = length
        name = f"kernel_{gate}"
        rows = fixed[name] if name in fixed else [closest_length(row, bits) for row in floats[name]]
        # A row's mantissas are stored shifted up to the sum's length, within 16 bits.
        fitted.row_lengths[name] = np.clip(rows, length - (16 - bits), length)


def _spare_shifts(fitted: Fit, longest: dict[str, int]) -> None:
    """Shorten lengths by bits that a sum cannot hold anyway, where that saves the device a shift."""
    lengths = fitted.lengths
    excess = {gate: _arriving(fitted, gate) - longest[gate] for gate in GATES}
    if lengths["h_rec"] - excess["h"] >= _FINE_ENOUGH:
        lengths["h_rec"] -= max(excess["h"], 0)
    if fitted.packing.slots > 1:
        common = max(excess["z"], excess["r"], 0)
        left = fitted.lengths["h"] - fitted.state_shift - common
        if left + fitted.packing.bits >= _BITS_OF_WEIGHT_AND_STATE:
            fitted.state_shift += common
        return
    for gate in ("z", "r"):
        if lengths[f"recurrent_{gate}"] - excess[gate] >= _FINE_ENOUGH:
            lengths[f"recurrent_{gate}"] -= max(excess[gate], 0)


def _arriving(fitted: Fit, gate: str) -> int:
    """Return the fractional length at which the state's part reaches a gate's sum."""
    return 16 + fitted.lengths["h_rec"] if gate == "h" else state_sum_length(fitted, gate)


def state_sum_length(fitted: Fit, gate: str) -> int:
    """Return the fractional length of a gate's sum over the state."""
    own = fitted.lengths[f"recurrent_{gate}"] + fitted.packing.slack
    return own + fitted.lengths["h"] - fitted.state_shift


def _make_room(fitted: Fit, floats: dict[str, FloatArray], limits: dict[str, int], unsafe: list[str]) -> None:
    """Shorten by one bit the formats that let an accumulator overflow."""
    crowded = [name for name in unsafe if name.startswith("state sum")]
    if crowded and fitted.packing.slots > 1 and fitted.state_shift < _LARGEST_STATE_SHIFT:
        fitted.state_shift += 1
        return
    for name in unsafe:
        words = name.split()
        if words[0] == "sum":
            limits[words[1]] = fitted.lengths[f"{words[1]}_sum"] - 1
        elif name == "gated state":
            fitted.lengths["h_rec"] -= 1
        else:
            group = words[0] if len(words) == 1 else f"recurrent_{words[-1]}"
            fitted.lengths[group] -= 1
    layers = [name for name, _, _ in head_layers(floats)]
    shortest = min(*limits.values(), *(fitted.lengths[name] for name in (*layers, "recurrent_z")))
    if shortest < -_LARGEST_SHIFT:
        raise UserError(_too_large(floats))


def _check_shifts(fitted: Fit, floats: dict[str, FloatArray]) -> None:
    if min(fitted.shifts.values()) < 0 or max(fitted.shifts.values()) > _LARGEST_SHIFT:
        raise UserError(_too_large(floats))


def _too_large(floats: dict[str, FloatArray]) -> str:
    largest = max(floats, key=lambda name: float(np.abs(floats[name]).max()))
    return (
        f"student: its weights are too large or too small for 32-bit sums ('{largest}' has "
        f"{np.abs(floats[largest]).max():.3g}); train it again with a smaller learning rate."
    )


def _round(
    fitted: Fit, weights: GruMlpWeights, floats: dict[str, FloatArray], stats: CalibrationStats
) -> None:
    """Round weights and biases (int64); biases are reduced by the mean that rounding adds to their sums."""
    lengths, widths, shifts = fitted.lengths, fitted.widths, fitted.shifts
    arrays: dict[str, NDArray[Any]] = {}
    added: dict[str, FloatArray] = {}
    stored = {gate: lengths[f"recurrent_{gate}"] + fitted.packing.slack for gate in GATES}
    recurrent = {gate: floats[f"recurrent_{gate}"] for gate in GATES}
    mantissas = round_recurrent(recurrent, stored, fitted.packing, stats.moments["recurrent"], fitted.empty)
    for gate in (gate for gate in GATES if fitted.empty[gate]):
        visible = lengths[f"recurrent_{gate}"] - fitted.empty[gate]
        fitted.row_lengths[f"recurrent_{gate}"] = np.full(len(recurrent[gate]), visible)
    # Sums read the state's floor at a coarser step, on average half a step below it.
    missing = (2.0**fitted.state_shift - 1) / 2 * 2.0 ** -lengths["h"]
    for gate in GATES:
        name, rows = f"kernel_{gate}", fitted.row_lengths[f"kernel_{gate}"]
        rounded = round_rows(floats[name], rows, widths.kernel, stats.moments["kernel"])
        added[name] = rounding_bias(floats[name], rounded, rows, stats.moments["kernel"])
        arrays[name] = rounded << (lengths[name] - rows)[:, None]
        name = f"recurrent_{gate}"
        arrays[name] = mantissas[gate]
        length = np.full(len(mantissas[gate]), stored[gate])
        added[name] = rounding_bias(recurrent[gate], mantissas[gate], length, stats.moments["recurrent"])
        added[name] -= np.ldexp(mantissas[gate].sum(axis=1).astype(np.float64), -stored[gate]) * missing
    for name, _, _ in head_layers(floats):
        length = np.full(len(floats[name]), lengths[name])
        arrays[name] = round_rows(floats[name], length, widths.head, stats.moments[name])
        added[name] = rounding_bias(floats[name], arrays[name], length, stats.moments[name])
    mean = weights.mean.astype(np.float64)
    input_bias = dict(zip(GATES, np.split(weights.bias[0].astype(np.float64), 3)))
    recurrent_bias = dict(zip(GATES, np.split(weights.bias[1].astype(np.float64), 3)))
    for gate in GATES:
        bias = input_bias[gate] - floats[f"kernel_{gate}"] @ mean - added[f"kernel_{gate}"]
        carried = recurrent_bias[gate] - added[f"recurrent_{gate}"]
        if gate == "h":
            arrays["bias_h_rec"] = _bias(carried, state_sum_length(fitted, "h"))
        else:
            bias = bias + carried
        floor = shifts["gated" if gate == "h" else f"state_{gate}"]
        arrays[f"bias_{gate}"] = _bias(bias, lengths[f"{gate}_sum"], lost=(1 - 2.0**-floor) / 2)
    for name, source, _ in head_layers(floats):
        bias = getattr(weights, f"{name}_bias").astype(np.float64) - added[name]
        arrays[f"{name}_bias"] = _bias(bias, lengths[name] + lengths[source])
    fitted.arrays = arrays


def _bias(values: FloatArray, length: int, lost: float = 0.0) -> NDArray[np.int64]:
    """Round a bias at the fractional length of its sum; biases have no format of their own.

    lost: what a shift without rounding takes from the sum on average, in units of its last place.
    """
    return QFormat(62, 0).quantize(np.ldexp(np.asarray(values, np.float64), length) + lost)
