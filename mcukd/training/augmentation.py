"""Augmentation: random changes to training windows that keep their behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mcukd.data.extra import turn_extra

FloatArray = NDArray[np.float32]

#: The windows have no common vertical where the mean of their unit directions is shorter than this.
AGREEMENT = 0.5
#: Steps of tempo in each direction: few, so that the resampling matrix of each is computed once.
TEMPOS = 16

Turn = Literal["vertical", "any", "none"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes to a window, drawn anew each time it is presented.

    turn: "vertical" turns the sensor about the vertical by any angle, because the weight of a tag or its
    strap keeps one face down, but animals wear it either way round; where the training windows have no common
    vertical, it turns in every direction. "any" always does that, "none" never turns.
    tilt: standard deviation, in degrees, of a further turn about a random axis, for straps that sit askew.
    scale: standard deviation of the logarithm of a common gain. stretch: largest logarithm of a change of
    tempo, drawn evenly both ways, in `TEMPOS` steps each.
    roll_axis: index of the axis along the neck, about which the sensor then turns by any angle; None for no
    roll. flip: reverse the sign of no axis or of one, each equally likely. scale_axes: as scale, for each
    axis on its own. noise: largest standard deviation of white noise in g; each window has its own, drawn
    uniformly.
    drop: largest fraction of samples that are lost and replaced by the sample before; that of a window is
    drawn uniformly. clip: lowest limit in g at which samples are clipped; that of a window is drawn
    log-uniformly from there to eight times as much. extra_vectors: of windows with more channels than the
    accelerometer's three, the first channel of each vector that turns with it, counted from the fourth
    channel. Of the other changes only those of tempo apply to extra channels.
    """

    turn: Turn = "vertical"
    tilt: float = 0.0
    scale: float = 0.0
    stretch: float = 0.0
    roll_axis: int | None = None
    flip: bool = False
    scale_axes: float = 0.0
    noise: float = 0.0
    drop: float = 0.0
    clip: float = 0.0
    extra_vectors: tuple[int, ...] = ()


class Augmenter:
    """Augments windows of one training set, from which it estimates the vertical and the counts of 1 g.

    windows: the training set (N, T, C + E), in any unit: the accelerometer's axes, at most three, and extra
    channels. Axes are turned only where there are three.
    """

    def __init__(self, windows: FloatArray, how: Augmentation) -> None:
        self._how = how
        windows = windows[..., :3]
        three_axes = windows.shape[2] == 3
        self.vertical = vertical(windows) if three_axes and how.turn == "vertical" else None
        self._turns = three_axes and (how.turn != "none" or how.tilt > 0)
        self._rolls = three_axes and how.roll_axis is not None
        self._one_g = one_g(windows) if how.noise or how.clip else 1.0

    def __call__(self, windows: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return changed copies of windows (n, T, C + E) float32."""
        how, count = self._how, len(windows)
        if how.stretch:
            share = rng.integers(-TEMPOS, TEMPOS, count, endpoint=True) / TEMPOS
            windows = stretched(windows, np.exp(how.stretch * share))
        windows, extra = windows[..., :3], windows[..., 3:]
        if self._turns:
            rotations = self._rotations(count, rng)
            windows, extra = windows @ rotations, self._turned(extra, rotations)
        if self._rolls:
            axes = np.tile(np.eye(3)[how.roll_axis], (count, 1))
            rotations = rotations_about(axes, rng.uniform(0, 2 * np.pi, count)).astype(np.float32)
            windows, extra = windows @ rotations, self._turned(extra, rotations)
        if how.flip:
            signs = np.ones((windows.shape[2] + 1, windows.shape[2]), np.float32)
            np.fill_diagonal(signs, -1)
            windows = windows * signs[rng.integers(len(signs), size=count), None]
        if how.scale:
            windows = windows * np.exp(rng.normal(scale=how.scale, size=(count, 1, 1))).astype(np.float32)
        if how.scale_axes:
            gains = np.exp(rng.normal(scale=how.scale_axes, size=(count, 1, windows.shape[2])))
            windows = windows * gains.astype(np.float32)
        windows = self._as_sensed(windows, rng)
        return np.concatenate([windows, extra], axis=2) if extra.shape[2] else windows

    def _turned(self, extra: FloatArray, rotations: FloatArray) -> FloatArray:
        return turn_extra(extra, rotations, self._how.extra_vectors) if extra.shape[2] else extra

    def _as_sensed(self, windows: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return windows with noise, clipped range and lost samples."""
        how, count = self._how, len(windows)
        if how.noise:
            deviation = rng.uniform(0, how.noise * self._one_g, (count, 1, 1)).astype(np.float32)
            windows = windows + deviation * rng.standard_normal(windows.shape, np.float32)
        if how.clip:
            limit = how.clip * self._one_g * np.exp(rng.uniform(0, np.log(8), (count, 1, 1)))
            windows = np.clip(windows, -limit, limit).astype(np.float32)
        if how.drop:
            lost = rng.random(windows.shape[:2]) < rng.uniform(0, how.drop, (count, 1))
            windows = hold_lost_samples(windows, lost)
        return windows

    def _rotations(self, count: int, rng: np.random.Generator) -> FloatArray:
        how = self._how
        turns = np.tile(np.eye(3), (count, 1, 1))
        if how.turn != "none" and self.vertical is None:
            return random_rotations(count, rng)
        if self.vertical is not None:
            turns = rotations_about(np.tile(self.vertical, (count, 1)), rng.uniform(0, 2 * np.pi, count))
        if how.tilt:
            angles = np.deg2rad(rng.normal(scale=how.tilt, size=count))
            turns = turns @ rotations_about(rng.normal(size=(count, 3)), angles)
        return turns.astype(np.float32)


def vertical(windows: FloatArray) -> NDArray[np.float64] | None:
    """Return the unit vector (3,) of gravity in windows (N, T, 3); None where they have no common one."""
    means = windows.mean(axis=1, dtype=np.float64)
    directions = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    common = directions.mean(axis=0)
    length = float(np.linalg.norm(common))
    return common / length if length >= AGREEMENT else None


def one_g(windows: FloatArray) -> float:
    """Return 1 g in the units of windows (N, T, C): the median length of their means."""
    return float(np.median(np.linalg.norm(windows.mean(axis=1, dtype=np.float64), axis=1)))


def hold_lost_samples(windows: NDArray[Any], lost: NDArray[np.bool_]) -> NDArray[Any]:
    """Return windows (n, T, C) in which each sample that is `lost` (n, T) repeats the sample before.

    The first sample is kept, because the one before it is not known.
    """
    steps = np.arange(windows.shape[1])
    kept = np.where(lost & (steps > 0), 0, steps)
    return np.take_along_axis(windows, np.maximum.accumulate(kept, axis=1)[..., None], axis=1)


def rotations_about(axes: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rotation matrices (n, 3, 3) by angles (n,) in radians about axes (n, 3): Rodrigues' formula."""
    x, y, z = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).T
    zero = np.zeros_like(x)
    cross = np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), 2, 0)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.asarray(np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross))


def random_rotations(count: int, rng: np.random.Generator) -> FloatArray:
    """Return (count, 3, 3) rotation matrices, uniform over SO(3): unit quaternions of normal draws."""
    quaternions = rng.normal(size=(count, 4))
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows, np.float32), 2, 0)


def stretched(windows: FloatArray, tempo: NDArray[np.float64]) -> FloatArray:
    """Return windows (n, T, C) resampled about their middle, each at its own tempo (n,).

    Band-limited: samples are interpolated by the cosine series of the whole window, which continues as its
    mirror image beyond the ends. Linear interpolation would attenuate the fast movements by which behaviours
    differ.
    """
    resampled = np.empty_like(windows)
    for one in np.unique(tempo):
        chosen = tempo == one
        resampled[chosen] = np.matmul(_resampling(windows.shape[1], float(one)), windows[chosen])
    return resampled


@lru_cache(maxsize=256)
def _resampling(steps: int, tempo: float) -> FloatArray:
    """Return the matrix (T, T) that resamples T samples at another tempo about their middle."""
    frequency = np.pi * np.arange(steps)[:, None] / steps
    middle = (steps - 1) / 2
    given = np.arange(steps) + 0.5
    series = np.cos(frequency * given) * 2 / steps
    series[0] /= 2
    wanted = (np.arange(steps) - middle) * tempo + middle + 0.5
    return np.asarray(np.cos(frequency * wanted).T @ series, np.float32)
