"""From a float student and calibration windows to an integer model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.arithmetic import QFormat, closest_length, covering_length
from mcukd.fixedpoint.bounds import LIMIT, accumulator_bounds
from mcukd.fixedpoint.gates import SHORTEST_SIGMOID, SHORTEST_TANH
from mcukd.fixedpoint.model import GATES, WEIGHTS, IntegerModel, TensorFormat
from mcukd.fixedpoint.reference import run
from mcukd.fixedpoint.rounding import Moments, left_over, round_rows
from mcukd.models.weights import StudentWeights

#: Raise it when quantization changes in a way options do not show: studies made before are then stale.
VERSION = 1

BITS = range(4, 17)
ACTIVATION_BITS = range(8, 17)
#: Animals not seen in calibration may go further; a 16-bit activation can spare the bit.
_HEADROOM = 2.0
#: Shifts stay below the width of the accumulator.
_LARGEST_SHIFT = 30
#: No activation is given a finer step than this, however small calibration saw it: what follows it could not
#: be added up in 32 bits.
_FINEST_ACTIVATION = 20
_CALIBRATION_WINDOWS = 1024


@dataclass(frozen=True)
class QuantizeConfig:
    """Widths: `bits` for the weights (4…16), `activation_bits` for state and dense output (8…16).

    Raises UserError for widths outside these ranges.
    """

    bits: int = 8
    activation_bits: int = 16

    def __post_init__(self) -> None:
        for option, value, allowed in (
            ("--bits", self.bits, BITS),
            ("--activation-bits", self.activation_bits, ACTIVATION_BITS),
        ):
            if value not in allowed:
                raise UserError(
                    f"{option} {value}: weights and activations have {allowed.start} to {allowed.stop - 1} "
                    f"bits here; choose a width in that range."
                )


def calibration_subset(windows: Windows) -> Windows:
    """Return at most 1024 windows spread evenly over the set, enough to see each tensor's range."""
    if len(windows) <= _CALIBRATION_WINDOWS:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, _CALIBRATION_WINDOWS).astype(np.int64))


def quantize(
    weights: StudentWeights, calibration: Windows, config: QuantizeConfig, operation_hop: int
) -> IntegerModel:
    """Choose every format from the calibration windows, round the weights, and prove the accumulators.

    operation_hop: samples between two classifications on the animal.
    Raises UserError where weights are not finite, or no format keeps an accumulator within 32 bits.
    """
    _check_finite(weights)
    calibration = calibration_subset(calibration)
    observed, moments = observe(weights, calibration.counts)
    lengths = activation_lengths(observed, config.activation_bits)
    floats = _weight_groups(weights)
    for name in WEIGHTS:
        lengths[name] = _weight_length(name, floats[name], config.bits, lengths)
    arrays, bounds = _fit(weights, floats, moments, lengths, config)
    arrays["known_windows"] = _known_windows(calibration.counts)
    formats = {
        name: _format(name, length, observed.get(name), floats.get(name), config)
        for name, length in sorted(lengths.items())
    }
    model = IntegerModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        window=int(calibration.counts.shape[1]),
        hop=operation_hop,
        classes=calibration.classes,
        rate_hz=calibration.rate_hz,
        counts_per_g=calibration.counts_per_g,
        card=calibration.card,
        simulated=calibration.simulated,
        formats=formats,
        arrays=arrays,
        bounds=bounds,
    )
    clipped = run(model, calibration.counts, checksums=False).saturations
    clipped.update({name: _clipped(floats[name], formats[name].q) for name in WEIGHTS})
    return replace(
        model, formats={name: replace(fmt, saturations=clipped.get(name, 0)) for name, fmt in formats.items()}
    )


def observe(
    weights: StudentWeights, counts: NDArray[np.int16]
) -> tuple[dict[str, tuple[float, float]], dict[str, Moments]]:
    """Run the float student on counts (N, T, C).

    Returns each activation's smallest and largest value, and the moments of what each kind of weight group
    reads: `kernel` the samples, `recurrent` the states before each step, `dense` the last state, `output`.
    """
    seen: dict[str, tuple[float, float]] = {}

    def note(name: str, values: NDArray[Any]) -> None:
        low, high = seen.get(name, (np.inf, -np.inf))
        seen[name] = (min(low, float(values.min())), max(high, float(values.max())))

    hidden = weights.hidden
    x = (counts.astype(np.float64) - weights.mean) / weights.std
    h = np.zeros((len(counts), hidden))
    states = np.zeros((counts.shape[1], len(counts), hidden), np.float32)
    note("input", counts)
    for t in range(counts.shape[1]):
        states[t] = h
        x_part = x[:, t] @ weights.kernel + weights.bias[0]
        h_part = h @ weights.recurrent + weights.bias[1]
        pre = x_part[:, : 2 * hidden] + h_part[:, : 2 * hidden]
        note("z_pre", pre[:, :hidden])
        note("r_pre", pre[:, hidden:])
        note("h_rec", h_part[:, 2 * hidden :])
        r = 1 / (1 + np.exp(-pre[:, hidden:]))
        note("h_pre", x_part[:, 2 * hidden :] + r * h_part[:, 2 * hidden :])
        h = weights.step(x[:, t], h)
        note("h", h)
    dense = np.maximum(h @ weights.dense_kernel + weights.dense_bias, 0)
    note("dense_out", dense)
    note("logits", dense @ weights.output_kernel + weights.output_bias)
    return seen, {
        "kernel": Moments.of(counts.reshape(-1, counts.shape[2])),
        "recurrent": Moments.of(states.reshape(-1, hidden)),
        "dense": Moments.of(h),
        "output": Moments.of(dense),
    }


def activation_lengths(observed: dict[str, tuple[float, float]], activation_bits: int) -> dict[str, int]:
    """Choose the fractional length of every activation from what calibration saw.

    Samples are sensor counts (length 0). A state lies within ±1 by construction. A gate is flat beyond ±8
    (sigmoid) or ±4 (tanh), so its pre-activation saturates there rather than lose resolution.
    """

    def covering(name: str, bits: int) -> int:
        room = _HEADROOM if bits == 16 else 1.0
        low, high = observed[name]
        return min(covering_length(low * room, high * room, bits), _FINEST_ACTIVATION)

    lengths = {
        "input": 0,
        "h": activation_bits - 1,
        "z_pre": max(covering("z_pre", 16), SHORTEST_SIGMOID),
        "r_pre": max(covering("r_pre", 16), SHORTEST_SIGMOID),
        "h_pre": max(covering("h_pre", 16), SHORTEST_TANH),
        "h_rec": covering("h_rec", 16),
        "dense_out": covering("dense_out", activation_bits),
        "logits": covering("logits", 16),
    }
    # The gated product is shifted right by 15 + h_rec − h_pre, which must not turn negative or pass 30.
    lengths["h_rec"] = int(np.clip(lengths["h_rec"], lengths["h_pre"] - 14, lengths["h_pre"] + 14))
    return lengths


def _weight_groups(weights: StudentWeights) -> dict[str, NDArray[np.float64]]:
    """Return the float weights by group, one row per unit, the standardisation's scale in the kernels."""
    scaled = weights.kernel.astype(np.float64) / weights.std.astype(np.float64)[:, None]
    groups = {
        **dict(zip((f"kernel_{g}" for g in GATES), np.split(scaled, 3, axis=1))),
        **dict(zip((f"recurrent_{g}" for g in GATES), np.split(weights.recurrent, 3, axis=1))),
        "dense": weights.dense_kernel,
        "output": weights.output_kernel,
    }
    return {name: np.ascontiguousarray(group.T, np.float64) for name, group in groups.items()}


def _targets(name: str) -> tuple[str, str]:
    """Return the tensors that a weight group reads and adds to."""
    if name == "dense":
        return "h", "dense_out"
    if name == "output":
        return "dense_out", "logits"
    group, gate = name.split("_")
    if group == "kernel":
        return "input", f"{gate}_pre"
    return "h", "h_rec" if gate == "h" else f"{gate}_pre"


def _weight_length(name: str, values: NDArray[np.float64], bits: int, lengths: dict[str, int]) -> int:
    """Choose a weight group's length, short enough that its sum's shift stays possible."""
    source, target = _targets(name)
    longest = lengths[target] - lengths[source] + _LARGEST_SHIFT
    return min(closest_length(values, bits), longest)


def _fit(
    weights: StudentWeights,
    floats: dict[str, NDArray[np.float64]],
    moments: dict[str, Moments],
    lengths: dict[str, int],
    config: QuantizeConfig,
) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    """Round the weights, shortening lengths until interval analysis proves every accumulator."""
    while True:
        arrays = _mantissas(weights, floats, moments, lengths, config.bits)
        bounds = accumulator_bounds(arrays, lengths, config.activation_bits)
        unsafe = [name for name, bound in bounds.items() if bound >= LIMIT]
        if not unsafe:
            return _narrowed(arrays), bounds
        for name in {_culprit(accumulator) for accumulator in unsafe}:
            lengths[name] -= 1
            if lengths[name] < -_LARGEST_SHIFT:
                raise UserError(
                    f"student: the weights of '{name}' are too large for 32-bit sums (largest "
                    f"{np.abs(floats[name]).max():.3g}); train it again with a smaller learning rate."
                )


def _culprit(accumulator: str) -> str:
    """Return the weight group to shorten when an accumulator could overflow."""
    words = accumulator.split()
    if words[0] in ("dense", "output"):
        return words[0]
    # The state's part of a pre-activation is narrowed; only the part of the samples can be out of hand.
    return f"{'recurrent' if words[0] == 'state' else 'kernel'}_{words[-1]}"


def _mantissas(
    weights: StudentWeights,
    floats: dict[str, NDArray[np.float64]],
    moments: dict[str, Moments],
    lengths: dict[str, int],
    bits: int,
) -> dict[str, NDArray[Any]]:
    """Round weights and biases (int64); each bias takes over what rounding adds to its sum on average."""
    arrays: dict[str, NDArray[Any]] = {}
    added: dict[str, NDArray[np.float64]] = {}
    for name in WEIGHTS:
        fmt, seen = QFormat(bits, lengths[name]), moments[name.split("_")[0]]
        arrays[name] = round_rows(floats[name], fmt, seen)
        added[name] = left_over(floats[name], arrays[name], fmt, seen)
    mean = weights.mean.astype(np.float64)
    input_bias = dict(zip(GATES, np.split(weights.bias[0].astype(np.float64), 3)))
    recurrent_bias = dict(zip(GATES, np.split(weights.bias[1].astype(np.float64), 3)))
    for gate in GATES:
        kernel, recurrent = f"kernel_{gate}", f"recurrent_{gate}"
        bias = input_bias[gate] - floats[kernel] @ mean - added[kernel]
        carried = recurrent_bias[gate] - added[recurrent]
        if gate == "h":
            arrays["bias_h_rec"] = _bias(carried, lengths[recurrent] + lengths["h"])
        else:
            bias = bias + carried
        arrays[f"bias_{gate}"] = _bias(bias, lengths[kernel])
    arrays["dense_bias"] = _bias(weights.dense_bias - added["dense"], lengths["dense"] + lengths["h"])
    arrays["output_bias"] = _bias(
        weights.output_bias - added["output"], lengths["output"] + lengths["dense_out"]
    )
    return arrays


def _bias(values: NDArray[Any], length: int) -> NDArray[np.int64]:
    """Round a bias at its sum's length; it is never given a length of its own, however small it is."""
    return QFormat(62, length).quantize(np.asarray(values, np.float64))


def _narrowed(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: array.astype(np.int16 if name in WEIGHTS else np.int32) for name, array in arrays.items()}


def _known_windows(counts: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return two windows for the known-answer test: one of the data, one that drives every gate hard."""
    extreme = np.random.default_rng(0).integers(-32768, 32768, counts.shape[1:])
    return np.stack([counts[len(counts) // 2], extreme]).astype(np.int16)


def _format(
    name: str,
    length: int,
    observed: Any,
    values: Any,
    config: QuantizeConfig,
) -> TensorFormat:
    if values is not None:
        return TensorFormat(config.bits, length, float(values.min()), float(values.max()), 0, "weight")
    bits = config.activation_bits if name in ("h", "dense_out") else 16
    return TensorFormat(bits, length, observed[0], observed[1], 0, "activation")


def _clipped(values: NDArray[np.float64], fmt: QFormat) -> int:
    unclipped = np.floor(np.ldexp(values, fmt.fractional_length) + 0.5)
    return int(np.count_nonzero((unclipped < fmt.low) | (unclipped > fmt.high)))


def _check_finite(weights: StudentWeights) -> None:
    for name, array in weights.arrays().items():
        if not np.all(np.isfinite(array)):
            raise UserError(f"student: weights '{name}' are not all finite; train the student again.")
