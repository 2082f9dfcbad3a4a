"""Seeded random students and windows, so that measurements can be repeated anywhere.

Weights: glorot kernel, orthogonal recurrent kernel (both over all three gates, as Keras starts a GRU), both
bias rows uniform ±0.1, head glorot times two. Windows: gravity in a random direction, three sines per axis
of 0.2 to 6 Hz and up to 0.4 g, and noise of 0.02 g, at 50 Hz and 16384 counts per g.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.models.weights import GruMlpWeights

COUNTS_PER_G = 16384.0
RATE_HZ = 50.0


def random_student(
    hidden: int, dense: int = 16, classes: int = 6, channels: int = 3, seed: int = 0
) -> GruMlpWeights:
    """Return a random student that sees samples in g: mean 0, deviation 16384 counts."""
    rng = np.random.default_rng([seed, hidden, dense, classes, channels])

    def glorot(rows: int, columns: int) -> NDArray[np.float64]:
        limit = np.sqrt(6 / (rows + columns))
        return np.asarray(rng.uniform(-limit, limit, (rows, columns)))

    orthogonal, triangular = np.linalg.qr(rng.normal(size=(3 * hidden, hidden)))
    arrays = {
        "mean": np.zeros(channels),
        "std": np.full(channels, COUNTS_PER_G),
        "kernel": glorot(channels, 3 * hidden),
        "recurrent": (orthogonal * np.sign(np.diag(triangular))).T,
        "bias": rng.uniform(-0.1, 0.1, (2, 3 * hidden)),
        "dense_kernel": 2 * glorot(hidden, dense),
        "dense_bias": np.zeros(dense),
        "output_kernel": 2 * glorot(dense, classes),
        "output_bias": np.zeros(classes),
    }
    return GruMlpWeights.from_arrays({name: array.astype(np.float32) for name, array in arrays.items()})


def random_windows(
    count: int, steps: int = 256, channels: int = 3, classes: int = 6, seed: int = 0
) -> Windows:
    """Return `count` random windows (count, steps, channels); other seeds give other windows."""
    rng = np.random.default_rng([seed, count, steps, channels])
    gravity = rng.normal(size=(count, 1, channels))
    gravity /= np.linalg.norm(gravity, axis=2, keepdims=True)
    time = np.arange(steps)[None, :, None] / RATE_HZ
    samples = gravity + rng.normal(0, 0.02, (count, steps, channels))
    for _ in range(3):
        amplitude = rng.uniform(0, 0.4, (count, 1, channels))
        frequency = rng.uniform(0.2, 6, (count, 1, channels))
        phase = rng.uniform(0, 2 * np.pi, (count, 1, channels))
        samples = samples + amplitude * np.sin(2 * np.pi * frequency * time + phase)
    return Windows(
        counts=np.clip(np.round(samples * COUNTS_PER_G), -32768, 32767).astype(np.int16),
        labels=np.arange(count) % classes,
        animals=np.array([f"a{number % 8}" for number in range(count)]),
        segments=np.arange(count),
        classes=tuple(f"class-{number}" for number in range(classes)),
        rate_hz=RATE_HZ,
        counts_per_g=COUNTS_PER_G,
        card="random",
        simulated=True,
    )


def extreme_windows(count: int, steps: int = 256, channels: int = 3, seed: int = 0) -> NDArray[np.int16]:
    """Return counts (count, steps, channels) that no animal makes, to drive gates and sums to their ends.

    In turn: full-scale noise, a constant at either end on each axis, square waves of 1 to 32 samples a half
    period, and random windows scaled until most samples are clipped.
    """
    rng = np.random.default_rng([seed, count, steps, channels, 1])
    ends = np.where(rng.integers(0, 2, (count, 1, channels)), 32767, -32768)
    half = rng.integers(1, 33, (count, 1, 1))
    phase = (np.arange(steps)[None, :, None] // half) % 2
    tame = random_windows(count, steps, channels, seed=seed).counts.astype(np.int64)
    kinds = (
        rng.integers(-32768, 32768, (count, steps, channels)),
        np.broadcast_to(ends, (count, steps, channels)),
        np.where(phase, ends, -1 - ends),
        np.clip((tame - tame.mean(axis=1, keepdims=True).astype(np.int64)) * 50, -32768, 32767),
    )
    chosen = np.arange(count)[:, None, None] % len(kinds)
    return np.choose(chosen, kinds).astype(np.int16)
