"""Models and windows for comparing the compiled batch with the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from builders.students import random_student, random_windows

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import InferenceResult

STEPS = 9


GAINS = (1.0, 8.0, 0.01)


def host_model(
    seed: int, bits: int, gates: str, hidden: int, channels: int, gain: float = 1.0, activation_bits: int = 16
) -> IntegerModel:
    """A random model; a large gain makes sums, gates and states saturate, a small one needs no shifts."""
    student = random_student(seed, hidden=hidden, channels=channels)
    names = ("kernel", "recurrent", "bias") if gain > 1 else ("kernel",)
    student = replace(student, **{name: (getattr(student, name) * gain).astype(np.float32) for name in names})
    windows = random_windows(30, STEPS, seed=seed)
    counts = np.tile(windows.counts, (1, 1, -(-channels // 3)))[:, :, :channels]
    config = QuantizeConfig(bits, activation_bits, gates=gates)
    return quantize(student, replace(windows, counts=counts), config, STEPS)


def all_kinds(channels: int, count: int = 45, steps: int = STEPS, seed: int = 0) -> np.ndarray:
    """Data-like windows, full-scale noise, constants at both ends, square waves, one axis at a time."""
    rng = np.random.default_rng(seed)
    windows = rng.integers(-32768, 32768, (count, steps, channels))
    windows[::3] = rng.normal(0, 3000, windows[::3].shape)
    windows[1], windows[4] = -32768, 32767
    windows[7] = np.where(np.arange(steps) % 2, 32767, -32768)[:, None]
    windows[10] = np.where(np.arange(steps) < steps // 2, 32767, -32768)[:, None]
    windows[13::9] *= np.arange(channels) == seed % channels
    return np.clip(windows, -32768, 32767).astype(np.int16)


def assert_same(found: InferenceResult, expected: InferenceResult) -> None:
    for name in ("logits", "classes", "state", "state_crc"):
        got, wanted = getattr(found, name), getattr(expected, name)
        assert got.dtype == wanted.dtype, name
        assert np.array_equal(got, wanted), name
    assert found.saturations == expected.saturations
