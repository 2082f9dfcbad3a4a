"""Student families whose step is portable C on every core: random models of each, and windows for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builders import cnn, filter_mlp
from builders.filter_mlp import windows_of
from builders.students import extreme_windows

from mcukd.fixedpoint.model import IntegerModel


@dataclass(frozen=True)
class PortableFamily:
    """One family. steps: of its windows.

    weights: (seed) → random float weights; model: (seed, bits) → their integer model. varied: (bits) → models
    whose sizes, gains and activations take turns over the widths. worst: windows that drive a model's sums to
    their ends. sizes: options of `model` that lead to other C. state_halfwords: of the model of seed 0.
    traced: steps at which what a step does changes. host_windows, core_windows: how many are compared on this
    computer and on a core. sized_by_window: whether weights depend on the length of windows.
    """

    name: str
    steps: int
    weights: Callable[..., Any]
    model: Callable[..., Any]
    varied: Callable[[int], Any]
    worst: Callable[[Any], np.ndarray]
    sizes: tuple[dict[str, Any], ...]
    state_halfwords: int
    traced: tuple[int, ...]
    host_windows: int
    core_windows: int
    sized_by_window: bool = False

    def long_weights(self, seed: int, steps: int) -> Any:
        """Random weights for windows of other lengths; only some families' depend on it."""
        return self.weights(seed, steps=steps) if self.sized_by_window else self.weights(seed)

    def windows_for(self, model: IntegerModel, count: int) -> np.ndarray:
        """Windows like data, full-scale noise, constants, square waves, and those made for its sums."""
        steps = model.window
        usual = windows_of(model.channels, count, steps, seed=7).counts
        extreme = extreme_windows(count, steps)[:, :, :1]
        noise = np.random.default_rng(1).integers(-32768, 32768, (count, steps, model.channels))
        mixed = np.where(np.arange(count)[:, None, None] < 3, extreme, noise).astype(np.int16)
        return np.concatenate([usual, mixed, self.worst(model)])


def _varied_cnn(bits: int) -> IntegerModel:
    """Axes, filters, strides, gains and activations take turns."""
    channels, filters, gain = (3, 1, 3, 2, 6)[bits % 5], (4, 6, 3)[bits % 3], (1.0, 20.0, 0.05)[bits % 3]
    std, steps = (1.0, 0.01, 10.0, 1.0)[bits % 4], (cnn.STEPS, 103)[bits % 2]
    return cnn.cnn_model(bits, bits, channels, filters, steps, gain, std, 16 - bits % 4 * 2)


def _varied_filters(bits: int) -> IntegerModel:
    """Tables, axes, gains and activations take turns."""
    gates = ("interpolated", "direct")[bits % 2]
    channels, gain = (3, 1, 3, 2, 6)[bits % 5], (1.0, 20.0, 0.05)[bits % 3]
    std = (1.0, 0.01, 10.0, 1.0)[bits % 4]
    return filter_mlp.filter_model(
        bits, bits, gates, channels, filter_mlp.STEPS, gain, std, 16 - bits % 4 * 2
    )


CNN = PortableFamily(
    "cnn",
    cnn.STEPS,
    weights=cnn.random_cnn,
    model=cnn.cnn_model,
    varied=_varied_cnn,
    worst=cnn.worst_windows,
    sizes=({"filters": 3}, {"filters": 4}),
    state_halfwords=72,
    traced=(0, 7, 15, 23, 24, cnn.STEPS - 1, 2),
    host_windows=10,
    core_windows=20,
    sized_by_window=True,
)
FILTER_MLP = PortableFamily(
    "filter-mlp",
    filter_mlp.STEPS,
    weights=filter_mlp.random_filters,
    model=filter_mlp.filter_model,
    varied=_varied_filters,
    worst=filter_mlp.worst_windows,
    sizes=({"gates": "direct"},),
    state_halfwords=74,
    traced=(0, 13, 14, 29, 2),
    host_windows=25,
    core_windows=40,
)
PORTABLE = {family.name: family for family in (CNN, FILTER_MLP)}
