"""Formats, integers and the overflow proof of the filter student.

A filter's taps are stored at the length of its sum: an axis whose taps are small has them shifted up, so that
all axes share one shift (as input kernels of the GRU do). Features are standardised before the perceptron
reads them, so its weights need no room for the axes' scales.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import closest_length, covering_length, saturate
from mcukd.fixedpoint.bounds import LIMIT, dot_bound, shifted
from mcukd.fixedpoint.calibration import CalibrationStats
from mcukd.fixedpoint.filter_mlp.model import (
    FEATURE_KINDS,
    LONGEST_WINDOW,
    PASSED_LENGTH,
    POLE_LENGTH,
    WARMUP_STEPS,
)
from mcukd.fixedpoint.layers import LARGEST_SHIFT, FloatArray, LayerFit, rounded_at
from mcukd.fixedpoint.rounding import Moments, round_rows, rounding_bias
from mcukd.models.filter_weights import TAPS, FilterMlpWeights

_HEADROOM = 2.0
_FINEST_ACTIVATION = 20
_TANH_LENGTH = 15
_INT16 = 1 << 15


def collect_ranges(weights: FilterMlpWeights, counts: NDArray[np.int16]) -> CalibrationStats:
    """Run the float model on counts (N, T, C); keep ranges, and moments of what each weight group reads.

    Moments of taps are by axis: `fir1 0` and so on.
    """
    stats = CalibrationStats()
    x = (counts.astype(np.float64) - weights.mean) / weights.std
    pre = fir(x, weights.fir1) + weights.fir1_bias
    tanh = np.tanh(pre)
    features = weights.features(counts)
    dense = np.maximum(features @ weights.dense_kernel + weights.dense_bias, 0)
    for name, values in (
        ("input", counts),
        ("fir1_pre", pre),
        ("tanh", tanh),
        ("filtered", fir(tanh, weights.fir2) + weights.fir2_bias),
        ("features", features),
        ("dense_out", dense),
        ("logits", dense @ weights.output_kernel + weights.output_bias),
    ):
        stats.update(name, values)
    for c in range(weights.channels):
        for name, line in (("fir1", counts), ("fir2", tanh)):
            shifts = np.lib.stride_tricks.sliding_window_view(line[:, :, c], TAPS, axis=1)
            stats.moments[f"{name} {c}"] = Moments.of(shifts.reshape(-1, TAPS))
    stats.moments["dense"], stats.moments["output"] = Moments.of(features), Moments.of(dense)
    return stats


def check_window(window: int) -> None:
    """Raise UserError for a window of T samples that sums of 32 bits cannot hold."""
    if window > LONGEST_WINDOW:
        raise UserError(
            f"student: a window of {window} samples is too long for 32-bit sums of a filter-mlp student; "
            f"expected at most {LONGEST_WINDOW}."
        )


def fit(
    weights: FilterMlpWeights,
    stats: CalibrationStats,
    window: int,
    bits: int,
    activation_bits: int,
    table: str,
) -> LayerFit:
    """Choose formats and round the weights so that every 32-bit accumulator is proven to hold.

    window: T. Raises UserError where weights are so large or small, or the window so long, that none does.
    """
    check_window(window)

    def covering(name: str, width: int) -> int:
        low, high = stats.ranges[name]
        return min(covering_length(low * _HEADROOM, high * _HEADROOM, width), _FINEST_ACTIVATION)

    fitted = LayerFit(
        {
            "input": 0,
            "mean_sum": 0,
            "fir1_pre": gates.pre_length("h", table),
            "tanh": _TANH_LENGTH,
            "filtered": covering("filtered", 16),
            "features": covering("features", activation_bits),
            "dense_out": covering("dense_out", activation_bits),
            "logits": covering("logits", 16),
            "pole": POLE_LENGTH,
            "passed": PASSED_LENGTH,
        }
    )
    scaled = weights.fir1.T.astype(np.float64) / weights.std[:, None].astype(np.float64)
    # Standardisation subtracts the mean from every sample that a tap multiplies.
    bias = weights.fir1_bias - scaled @ np.ones(TAPS) * weights.mean
    _fit_taps(fitted, "fir1", scaled, np.asarray(bias, np.float64), "input", "fir1_pre", bits, stats)
    taps = weights.fir2.T.astype(np.float64)
    _fit_taps(fitted, "fir2", taps, weights.fir2_bias.astype(np.float64), "tanh", "filtered", bits, stats)
    _fit_high_pass(fitted, weights, window)
    _fit_features(fitted, weights, window)
    for name, source, target in (("dense", "features", "dense_out"), ("output", "dense_out", "logits")):
        fitted.layer(
            name,
            (source, target),
            getattr(weights, f"{name}_kernel").T.astype(np.float64),
            getattr(weights, f"{name}_bias"),
            bits=bits,
            largest_input=1 << (activation_bits - 1),
            moments=stats.moments[name],
        )
    return fitted


def _fit_taps(
    fitted: LayerFit,
    name: str,
    taps: FloatArray,
    bias: FloatArray,
    source: str,
    target: str,
    bits: int,
    stats: CalibrationStats,
) -> None:
    """Round taps (C, 8), oldest first; the sum's length is the longest at which it is proven to hold."""
    lengths = fitted.lengths
    closest = np.array([closest_length(row, bits) for row in taps])
    length = covering_length(float(taps.min()), float(taps.max()), 16)
    length = min(length, lengths[target] - lengths[source] + LARGEST_SHIFT)
    if target == "filtered":
        lengths[target] = min(lengths[target], length + lengths[source])
    while True:
        shift = length + lengths[source] - lengths[target]
        if shift < 0:
            raise UserError(
                f"student: the taps of '{name}' are too large for 32-bit sums "
                f"({np.abs(taps).max():.3g} for a step of its input); train it again with a smaller learning "
                "rate, and check that no axis is constant."
            )
        rows = np.clip(closest, length - (16 - bits), length)
        rounded, added = np.zeros(taps.shape, np.int64), np.zeros(len(taps))
        for c in range(len(taps)):
            row, moments = slice(c, c + 1), stats.moments[f"{name} {c}"]
            rounded[row] = round_rows(taps[row], rows[row], bits, moments)
            added[row] = rounding_bias(taps[row], rounded[row], rows[row], moments)
        stored = rounded << (length - rows)[:, None]
        start = rounded_at(bias - added, length + lengths[source])
        bound = dot_bound(stored, start, _INT16, shift)
        if bound < LIMIT:
            break
        length -= 1
        if target == "filtered":
            lengths[target] = min(lengths[target], length + lengths[source])
    lengths[name], lengths[f"{name}_sum"] = length, length + lengths[source]
    fitted.row_lengths[name] = rows
    fitted.arrays[name], fitted.arrays[f"{name}_bias"] = stored.astype(np.int16), start.astype(np.int32)
    fitted.bounds[name] = bound


def _fit_high_pass(fitted: LayerFit, weights: FilterMlpWeights, window: int) -> None:
    """Round the poles, and give the sum of magnitudes the longest length at which it holds.

    The high-pass of int16 samples from rest stays within 2^16 counts whatever its pole: its impulse response
    is 1, p − 1, (p − 1)p …, and what the first sample adds fades as the rest of it builds up. Rounding adds
    half a step at most, summed over the pole's memory.
    """
    pole = saturate(np.floor(np.ldexp(weights.pole.astype(np.float64), POLE_LENGTH) + 0.5), 16)
    fitted.arrays["pole"] = np.clip(pole, 1, None).astype(np.int16)
    least = (1 << POLE_LENGTH) - int(fitted.arrays["pole"].max())
    rounding_drift = -(-(1 << POLE_LENGTH) // (2 * least))
    highpassed = ((2 * _INT16) << PASSED_LENGTH) + rounding_drift
    change = (2 * _INT16 - 1) << PASSED_LENGTH
    fitted.bounds["high-pass"] = change + shifted(highpassed * int(fitted.arrays["pole"].max()), POLE_LENGTH)
    bounds = [(window - 1) * (highpassed >> shift) + _lost(window, shift) for shift in range(LARGEST_SHIFT)]
    shift = next(shift for shift, bound in enumerate(bounds) if bound < LIMIT)
    fitted.lengths["passed_sum"] = PASSED_LENGTH - shift
    fitted.bounds["sum of passed"] = bounds[shift]


def _fit_features(fitted: LayerFit, weights: FilterMlpWeights, window: int) -> None:
    """Choose the offset and the 16-bit factor that turn each of the 3C sums into a feature."""
    lengths, channels = fitted.lengths, weights.channels
    lengths["filtered_sum"] = lengths["filtered"]
    mean = np.clip(
        rounded_at(-weights.mean.astype(np.float64) * window, 0), -window * _INT16, window * _INT16
    )
    lost = _lost(window, PASSED_LENGTH - lengths["passed_sum"])
    offsets = [mean, np.full(channels, lost), np.zeros(channels)]
    fitted.arrays["offset"] = np.concatenate(offsets).astype(np.int32)
    std = weights.std.astype(np.float64)
    factors = {
        "mean": 1 / (window * std),
        "passed": 1 / ((window - 1) * std),
        "filtered": np.full(channels, 1 / (window - WARMUP_STEPS)),
    }
    scales = []
    for kind in FEATURE_KINDS:
        length = covering_length(0.0, float(factors[kind].max()), 16)
        shift = lengths[f"{kind}_sum"] + length - lengths["features"]
        if not 1 <= shift <= 2 * LARGEST_SHIFT:
            raise UserError(
                f"student: its standardisation (deviation {std.min():.3g} counts) does not suit 16-bit "
                "features; check that no axis of the data is constant, and train it again."
            )
        lengths[f"scale_{kind}"] = length
        scales.append(rounded_at(factors[kind], length))
    fitted.arrays["scale"] = np.concatenate(scales).astype(np.int16)
    fitted.bounds["sum of samples"] = window * _INT16 + int(np.abs(mean).max())
    fitted.bounds["sum of filtered"] = (window - WARMUP_STEPS) * _INT16


def _lost(window: int, shift: int) -> int:
    """Return by how much T − 1 right shifts without rounding lower a sum on average."""
    return (window - 1) * ((1 << shift) - 1) >> (shift + 1)


def fir(x: FloatArray, taps: NDArray[np.float32]) -> FloatArray:
    """Return x (N, T, C) filtered with taps (8, C) of each axis, without the first steps."""
    steps = x.shape[1] - TAPS + 1
    return np.asarray(sum(x[:, k : k + steps] * taps[k] for k in range(TAPS)))
