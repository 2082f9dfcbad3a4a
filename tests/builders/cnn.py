"""Random CNNs and their integer models."""

from __future__ import annotations

import numpy as np
from builders.filter_mlp import windows_of

from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.cnn.quantize import quantize
from mcukd.fixedpoint.quantize import QuantizeConfig
from mcukd.models.cnn_weights import CONVOLUTIONS, CnnWeights, convolutions

STEPS = 40


def random_cnn(
    seed: int = 0,
    channels: int = 3,
    filters: int = 4,
    gain: float = 1.0,
    std: float = 1.0,
    steps: int = STEPS,
) -> CnnWeights:
    """A CNN of four classes and six dense units, with biases that are not zero.

    gain: of all weights. std: of the standardisation, by which small counts become large. steps: of its
    windows, which decide the strides.
    """
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return gain * rng.normal(size=shape) * (2 / np.prod(shape[:-1])) ** 0.5

    sizes = convolutions(steps, filters)
    arrays: dict[str, np.ndarray] = {
        "mean": rng.uniform(-3000, 3000, channels),
        "std": std * rng.uniform(500, 3000, channels),
        "strides": np.array([size.stride for size in sizes]),
    }
    inputs = channels
    for name, size in zip(CONVOLUTIONS, sizes):
        arrays[f"{name}_kernel"] = normal(size.taps, inputs, size.filters)
        arrays[f"{name}_bias"] = rng.uniform(-0.3, 0.3, size.filters)
        inputs = size.filters
    arrays["dense_kernel"], arrays["dense_bias"] = normal(inputs, 6), rng.uniform(-0.3, 0.3, 6)
    arrays["output_kernel"], arrays["output_bias"] = normal(6, 4), rng.uniform(-0.3, 0.3, 4)
    return CnnWeights.from_arrays(arrays)


def cnn_model(
    seed: int = 0,
    bits: int = 8,
    channels: int = 3,
    filters: int = 4,
    steps: int = STEPS,
    gain: float = 1.0,
    std: float = 1.0,
    activation_bits: int = 16,
) -> CnnModel:
    """An integer model of a random CNN."""
    weights = random_cnn(seed, channels, filters, gain, std, steps)
    windows = windows_of(channels, steps=steps, seed=seed)
    return quantize(weights, windows, QuantizeConfig(bits, activation_bits), steps)


def worst_windows(model: CnnModel) -> np.ndarray:
    """Windows that drive sums to their ends: every tap of a filter of the first convolution met by the sample
    that adds to it, constants, and square waves."""
    weights = model.arrays["conv1"].astype(np.int64)
    counts = []
    for row in weights:
        for sign in (1, -1):
            counts.append(np.resize(np.where(sign * row >= 0, 32767, -32768), (model.window, model.channels)))
    for level in (32767, -32768):
        counts.append(np.full((model.window, model.channels), level))
    for half in (1, 2, 5):
        square = np.where(np.arange(model.window) // half % 2, 32767, -32768)
        counts.append(np.repeat(square[:, None], model.channels, axis=1))
    return np.array(counts, np.int16)
