"""Random filter-MLPs and their integer models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from builders.students import random_windows

from mcukd.data.windows import Windows
from mcukd.fixedpoint.filter_mlp.model import FilterMlpModel
from mcukd.fixedpoint.filter_mlp.quantize import quantize
from mcukd.fixedpoint.quantize import QuantizeConfig
from mcukd.models.filter_weights import FilterMlpWeights

STEPS = 30


def random_filters(
    seed: int = 0, channels: int = 3, classes: int = 4, gain: float = 1.0, std: float = 1.0
) -> FilterMlpWeights:
    """A filter-MLP with biases that are not zero and poles from slow to fast.

    gain: of all taps and weights. std: of the standardisation, by which small counts become large.
    """
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return gain * rng.normal(size=shape)

    arrays = {
        "mean": rng.uniform(-3000, 3000, channels),
        "std": std * rng.uniform(500, 3000, channels),
        "pole": rng.choice([0.001, 0.3, 0.88, 0.999], channels),
        "fir1": normal(8, channels) * 8**-0.5,
        "fir1_bias": rng.uniform(-0.3, 0.3, channels),
        "fir2": normal(8, channels) * 8**-0.5,
        "fir2_bias": rng.uniform(-0.3, 0.3, channels),
        "dense_kernel": normal(3 * channels, 7) * 0.5,
        "dense_bias": rng.uniform(-0.3, 0.3, 7),
        "output_kernel": normal(7, classes) * 0.5,
        "output_bias": rng.uniform(-0.3, 0.3, classes),
    }
    return FilterMlpWeights.from_arrays({name: a.astype(np.float32) for name, a in arrays.items()})


def windows_of(channels: int = 3, count: int = 60, steps: int = 30, seed: int = 0) -> Windows:
    """Random windows of any number of axes."""
    windows = random_windows(count, steps, seed)
    counts = np.tile(windows.counts, (1, 1, -(-channels // 3)))[:, :, :channels]
    return replace(windows, counts=counts)


def filter_model(
    seed: int = 0,
    bits: int = 8,
    gates: str = "interpolated",
    channels: int = 3,
    steps: int = 30,
    gain: float = 1.0,
    std: float = 1.0,
    activation_bits: int = 16,
) -> FilterMlpModel:
    """An integer model of a random filter-MLP."""
    weights = random_filters(seed, channels, 4, gain, std)
    config = QuantizeConfig(bits, activation_bits, gates)
    return quantize(weights, windows_of(channels, steps=steps, seed=seed), config, steps)


def worst_windows(model: FilterMlpModel) -> np.ndarray:
    """Windows that drive sums to their ends: each tap met by the sample that adds to it, and constants."""
    steps, taps = model.window, model.arrays["fir1"].astype(np.int64).T
    counts = []
    for sign in (1, -1):
        ends = np.where(sign * taps >= 0, 32767, -32768)
        counts.append(np.resize(ends, (steps, model.channels)))
        window = np.full((steps, model.channels), -32768 if sign > 0 else 32767)
        window[-1] = -1 - window[-1]
        counts.append(window)
        counts.append(np.full((steps, model.channels), sign * 32767 - (sign < 0)))
    # A square wave of the slowest pole's own slowness keeps the high-pass far out.
    for half in (1, 2, 5, steps // 2):
        square = np.where(np.arange(steps) // half % 2, 32767, -32768)
        counts.append(np.repeat(square[:, None], model.channels, axis=1))
    return np.array(counts, np.int16)
