"""Formats, integers and the overflow proof of the CNN.

Rows of a convolution have lengths of their own, because batch normalization leaves filters of unlike scale.
The mean over time is a sum and a shift: what the shift leaves of the division is in the weights of the head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint.arithmetic import covering_length
from mcukd.fixedpoint.bounds import INT16, LIMIT, addend
from mcukd.fixedpoint.calibration import CalibrationStats
from mcukd.fixedpoint.cnn.model import CONVOLUTION_INPUTS, LONGEST_WINDOW
from mcukd.fixedpoint.layers import FloatArray, LayerFit
from mcukd.fixedpoint.rounding import Moments
from mcukd.models.cnn_weights import CONVOLUTIONS, CnnWeights, output_counts

#: How far beyond calibration the range of a tensor of 16 bits reaches; narrower ones have no bit to spare.
_HEADROOM = 2.0
_FINEST_ACTIVATION = 20
#: Windows whose tensors are computed at once, and patches of each that moments are measured on.
_CHUNK = 64
_PATCHES = 16


def check_window(window: int) -> None:
    """Raise UserError for a window of T samples that a device cannot count."""
    if window > LONGEST_WINDOW:
        raise UserError(
            f"student: a window of {window} samples is too long for the counters of a cnn student; expected "
            f"at most {LONGEST_WINDOW}."
        )


def pooling(weights: CnnWeights, window: int) -> tuple[int, float]:
    """Return the shift p of a sum over a window of T samples, and the rest of the mean's divisor, M / 2^p."""
    outputs = output_counts(window, weights.layers)[-1]
    if outputs == 0:
        raise UserError(f"student: a window of {window} samples is too short for its convolutions.")
    shift = (outputs - 1).bit_length()
    return shift, outputs / (1 << shift)


def float_layers(weights: CnnWeights, window: int) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return the weights (rows, n) and biases (rows,) of all layers as they are rounded.

    The first convolution reads counts, and the hidden layer sums that were shifted instead of divided.
    """
    layers = {}
    for name in CONVOLUTIONS:
        kernel, bias = (getattr(weights, f"{name}_{part}").astype(np.float64) for part in ("kernel", "bias"))
        if name == CONVOLUTIONS[0]:
            kernel = kernel / weights.std.astype(np.float64)[:, None]
            bias = bias - weights.mean.astype(np.float64) @ kernel.sum(axis=0)
        layers[name] = kernel.reshape(-1, kernel.shape[2]).T, bias
    for name in ("dense", "output"):
        kernel, bias = (getattr(weights, f"{name}_{part}").astype(np.float64) for part in ("kernel", "bias"))
        layers[name] = kernel.T, bias
    dense, bias = layers["dense"]
    layers["dense"] = dense / pooling(weights, window)[1], bias
    return layers


def collect_ranges(weights: CnnWeights, counts: NDArray[np.int16]) -> CalibrationStats:
    """Run the float model on counts (N, T, C); keep ranges, and moments of what each layer reads."""
    rest = pooling(weights, counts.shape[1])[1]
    stats = CalibrationStats()
    read: dict[str, list[FloatArray]] = {name: [] for name in (*CONVOLUTIONS, "dense", "output")}
    for first in range(0, len(counts), _CHUNK):
        chunk = counts[first : first + _CHUNK]
        tensors = weights.tensors(chunk)
        tensors["features"] = tensors["means"] * rest
        stats.update("input", chunk)
        for name in (*(f"{one}_out" for one in CONVOLUTIONS), "features", "dense_out", "logits"):
            stats.update(name, tensors[name])
        # The first convolution's patches are counts, whose standardisation is in its weights.
        std, mean = (np.tile(a, weights.layers[0].taps) for a in (weights.std, weights.mean))
        tensors["conv1_in"] = tensors["conv1_in"] * std + mean
        for name in CONVOLUTIONS:
            patches = tensors[f"{name}_in"]
            every = -(-patches.shape[1] // _PATCHES)
            read[name].append(patches[:, ::every].reshape(-1, patches.shape[2]))
        read["dense"].append(tensors["features"])
        read["output"].append(tensors["dense_out"])
    stats.moments = {name: Moments.of(np.concatenate(parts)) for name, parts in read.items()}
    return stats


def fit(
    weights: CnnWeights, stats: CalibrationStats, window: int, bits: int, activation_bits: int
) -> LayerFit:
    """Choose formats and round the weights so that every 32-bit accumulator is proven to hold.

    window: T. Raises UserError where weights are so large or small, or the window so long, that none does.
    """
    check_window(window)

    def covering(name: str, width: int) -> int:
        low, high = (end * (_HEADROOM if width == 16 else 1.0) for end in stats.ranges[name])
        return min(covering_length(low, high, width), _FINEST_ACTIVATION)

    made = (*(f"{name}_out" for name in CONVOLUTIONS), "features", "dense_out")
    lengths = {name: covering(name, activation_bits) for name in made}
    fitted = LayerFit({"input": 0, **lengths, "logits": covering("logits", 16)})
    layers = float_layers(weights, window)
    largest = (1 << (activation_bits - 1)) - 1
    for name, source in CONVOLUTION_INPUTS.items():
        read = INT16 if source == "input" else largest
        fitted.layer(
            name, (source, f"{name}_out"), *layers[name], bits=bits, largest_input=read,
            moments=stats.moments[name], own_rows=True,
        )  # fmt: skip
    _fit_pooling(fitted, weights, window, largest)
    for name, source, target in (("dense", "features", "dense_out"), ("output", "dense_out", "logits")):
        fitted.layer(
            name, (source, target), *layers[name], bits=bits, largest_input=largest,
            moments=stats.moments[name],
        )  # fmt: skip
    return fitted


def _fit_pooling(fitted: LayerFit, weights: CnnWeights, window: int, largest: int) -> None:
    """Give the sum over time its length, and features one that needs no shift to the left."""
    lengths = fitted.lengths
    lengths["pooled"] = lengths[f"{CONVOLUTIONS[-1]}_out"] + pooling(weights, window)[0]
    lengths["features"] = min(lengths["features"], lengths["pooled"])
    outputs = output_counts(window, weights.layers)[-1]
    bound = outputs * largest + addend(lengths["pooled"] - lengths["features"])
    assert bound < LIMIT  # by the longest window
    fitted.bounds["pooled"] = bound
