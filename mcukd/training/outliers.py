"""Synthetic outliers: windows unlike any that a student is taught, made of its training windows.

A student that learns to tell these from its classes keeps in its state what a behaviour it was never taught
differs in (outlier exposure, Hendrycks et al. 2019). Each is a training window whose movement about its mean
was changed: stilled, made louder, played faster or slower, added to another's, or replaced by noise. Changes
may lead to what another class looks like, so only those are kept whose movement is farther from all training
windows than these are from each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Of the movement's features: neighbours that a distance goes to, share of training windows that are nearer
#: to theirs than an outlier, windows looked at, and counts that are as good as no movement.
_NEIGHBOURS, _SHARE, _MOST, _QUIET = 5, 0.97, 4000, 20.0
#: Windows made for each that is kept at most.
_TRIES = 3

_Make = Callable[[NDArray[np.float64], NDArray[np.float64], np.random.Generator], NDArray[np.float64]]


def synthetic_outliers(counts: NDArray[np.int16], number: int, seed: int) -> NDArray[np.int16]:
    """Return at most `number` windows (n, T, C) unlike those of `counts` (N, T, C), drawn by the seed."""
    rng = np.random.default_rng(seed)
    values = counts.astype(np.float64)
    each = _TRIES * number // len(_KINDS) + 1
    made = [make(values[rng.integers(0, len(values), each)], values, rng) for make in _KINDS.values()]
    tried = np.clip(np.rint(np.concatenate(made)), -32768, 32767).astype(np.int16)
    features = movement_features(counts)
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    known = ((features - middle) / spread)[rng.permutation(len(features))[:_MOST]]
    others = (movement_features(tried) - middle) / spread
    usual = np.quantile(_to_neighbours(known, known[: _MOST // 2], 1), _SHARE)
    far = np.flatnonzero(_to_neighbours(known, others, 0) > usual)
    return np.asarray(tried[rng.permutation(far)[:number]])


def movement_features(counts: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return (N, 3): logarithms of deviation, mean step and mean change of steps, over all axes, in counts.

    They do not depend on how the sensor is turned.
    """
    values = counts.astype(np.float64)
    steps = np.diff(values, axis=1)
    deviation = np.sqrt(values.var(axis=1).sum(axis=1))
    return np.log(
        np.stack(
            [
                deviation + _QUIET,
                np.abs(steps).mean(axis=1).sum(axis=1) + _QUIET,
                np.abs(np.diff(steps, axis=1)).mean(axis=(1, 2)) + _QUIET,
            ],
            axis=1,
        )
    )


def _to_neighbours(known: NDArray[np.float64], points: NDArray[np.float64], own: int) -> NDArray[np.float64]:
    """Return the distances (n,) to the last neighbour. own: 1 where points are among the known."""
    found = []
    for start in range(0, len(points), 500):
        part = points[start : start + 500]
        squared = ((part[:, None] - known[None]) ** 2).sum(axis=2)
        place = min(_NEIGHBOURS + own, len(known)) - 1
        found.append(np.sqrt(np.partition(squared, place, axis=1)[:, place]))
    return np.concatenate(found)


def _parts(windows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = windows.mean(axis=1, keepdims=True)
    return mean, windows - mean


def _still(x: NDArray[np.float64], _: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    mean, movement = _parts(x)
    return np.asarray(mean + movement * rng.uniform(0, 0.3, (len(x), 1, 1)))


def _loud(x: NDArray[np.float64], _: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    mean, movement = _parts(x)
    return np.asarray(mean + movement * np.exp(rng.uniform(np.log(1.7), np.log(6), (len(x), 1, 1))))


def _fast(x: NDArray[np.float64], _: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Every second sample, then those between."""
    return np.concatenate([x[:, ::2], x[:, 1::2]], axis=1)


def _slow(x: NDArray[np.float64], _: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(x.shape[1])
    made = np.empty_like(x)
    for n, factor in enumerate(rng.uniform(1.7, 4, len(x))):
        for c in range(x.shape[2]):
            made[n, :, c] = np.interp(time / factor, time, x[n, :, c])
    return made


def _mixed(
    x: NDArray[np.float64], values: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    _, other = _parts(values[rng.integers(0, len(values), len(x))])
    return np.asarray(x + other * rng.uniform(0.5, 1.5, (len(x), 1, 1)))


def _noise(x: NDArray[np.float64], _: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of one colour for each window, from white to slow, 30 to 6,000 counts."""
    mean, _movement = _parts(x)
    size = np.exp(rng.uniform(np.log(30), np.log(6000), (len(x), 1, 1)))
    colour = rng.uniform(0, 0.95, (len(x), 1))
    noise = np.array(rng.normal(0, 1, x.shape))
    for t in range(1, x.shape[1]):
        noise[:, t] = colour * noise[:, t - 1] + np.sqrt(1 - colour**2) * noise[:, t]
    return np.asarray(mean + noise * size * rng.uniform(0.2, 1, (len(x), 1, x.shape[2])))


_KINDS: dict[str, _Make] = {
    "still": _still,
    "loud": _loud,
    "fast": _fast,
    "slow": _slow,
    "mixed": _mixed,
    "noise": _noise,
}
