"""Hand-made features of windows, for the random forest.

The list is what field studies of livestock have used for years: posture (means, pitch, roll), strength of
movement (deviations, ODBA, VeDBA, jerk) and rhythm (spectrum), with the vertical and the horizontal told
apart where gravity tells them. `FEATURES` names each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Edges of the bands whose share of the power is a feature, in Hz; what lies above Nyquist is nought.
BANDS = ((0.1, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 25.0))

_AXES = "xyz"
_PER_AXIS = ("mean", "sd", "min", "max", "skewness", "jerk")
FEATURES: tuple[str, ...] = (
    *(f"{name}_{axis}" for name in _PER_AXIS for axis in _AXES),
    *("correlation_xy", "correlation_xz", "correlation_yz"),
    *("pitch", "roll"),
    *("odba", "vedba", "vedba_sd"),
    *("magnitude_mean", "magnitude_sd"),
    *("vertical_sd", "horizontal_sd", "vertical_jerk"),
    *("dominant_hz", "dominant_share", "spectral_entropy", "spectral_centroid_hz"),
    *(f"power_{low:g}_{high:g}_hz" for low, high in BANDS),
)

_CHUNK = 2048


def hand_features(counts: NDArray[Any], rate_hz: float, counts_per_g: float) -> NDArray[np.float32]:
    """Return the features (N, F) of windows of three-axis counts (N, T, 3); F names are `FEATURES`.

    Accelerations are in g, jerk in g/s, angles in radians. The dynamic part of a sample is what is left when
    the window's mean is taken off: ODBA is the mean over the window of |x| + |y| + |z| of it, VeDBA of its
    length. Vertical is the direction of the window's mean, so that `vertical_…` and `horizontal_sd` do not
    depend on how the sensor is turned. The spectrum is the sum of the three axes' (Hann window), and does
    not either. Features undefined for a constant axis (correlation, skewness) are zero.
    """
    parts = [
        np.column_stack(list(_columns(counts[i : i + _CHUNK].astype(np.float64) / counts_per_g, rate_hz)))
        for i in range(0, len(counts), _CHUNK)
    ]
    return np.concatenate(parts).astype(np.float32) if parts else np.empty((0, len(FEATURES)), np.float32)


def turned_copies(
    counts: NDArray[Any], augment: Callable[[Any, np.random.Generator], Any], copies: int, seed: int
) -> NDArray[np.float32]:
    """Return windows (N, T, C) and after them `copies` − 1 augmented copies: (copies · N, T, C)."""
    rng = np.random.default_rng(seed)
    windows = counts.astype(np.float32)
    return np.concatenate([windows, *(augment(windows, rng) for _ in range(copies - 1))])


def _columns(g: FloatArray, rate_hz: float) -> Iterator[FloatArray]:
    mean = g.mean(axis=1)
    dynamic = g - mean[:, None]
    sd = dynamic.std(axis=1)
    jerk = np.diff(g, axis=1) * rate_hz
    yield from mean.T
    yield from sd.T
    yield from g.min(axis=1).T
    yield from g.max(axis=1).T
    yield from _quotient((dynamic**3).mean(axis=1), sd**3).T
    yield from np.abs(jerk).mean(axis=1).T
    for one, other in ((0, 1), (0, 2), (1, 2)):
        yield _quotient((dynamic[:, :, one] * dynamic[:, :, other]).mean(axis=1), sd[:, one] * sd[:, other])
    yield np.arctan2(-mean[:, 0], np.hypot(mean[:, 1], mean[:, 2]))
    yield np.arctan2(mean[:, 1], mean[:, 2])
    vedba = np.linalg.norm(dynamic, axis=2)
    yield np.abs(dynamic).sum(axis=2).mean(axis=1)
    yield vedba.mean(axis=1)
    yield vedba.std(axis=1)
    magnitude = np.linalg.norm(g, axis=2)
    yield magnitude.mean(axis=1)
    yield magnitude.std(axis=1)
    down = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    vertical = np.einsum("ntc,nc->nt", dynamic, down)
    yield vertical.std(axis=1)
    yield np.sqrt(np.maximum((vedba**2 - vertical**2).mean(axis=1), 0))
    yield np.abs(np.diff(vertical, axis=1)).mean(axis=1) * rate_hz
    yield from _spectrum(dynamic, rate_hz)


def _spectrum(dynamic: FloatArray, rate_hz: float) -> Iterator[FloatArray]:
    steps = dynamic.shape[1]
    tapered = dynamic * np.hanning(steps)[:, None]
    power = (np.abs(np.fft.rfft(tapered, axis=1)) ** 2).sum(axis=2)[:, 1:]
    frequency = np.fft.rfftfreq(steps, 1 / rate_hz)[1:]
    share = _quotient(power, power.sum(axis=1, keepdims=True))
    yield frequency[share.argmax(axis=1)]
    yield share.max(axis=1)
    entropy = -(share * np.log(np.maximum(share, 1e-30))).sum(axis=1)
    yield entropy / np.log(max(len(frequency), 2))
    yield share @ frequency
    for low, high in BANDS:
        yield share[:, (frequency >= low) & (frequency < high)].sum(axis=1)


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    """Divide, with nought where the divisor is next to nothing (a constant axis)."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-12)
