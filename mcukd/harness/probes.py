"""Windows for proving a device: recorded ones of every class and animal, and extreme ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.scaling import UNSCALED, Scaling

LOWEST, HIGHEST = -32768, 32767
#: Number of extreme windows among those requested, where there is data for the rest.
_EXTREMES_LEAST, _EXTREMES_MOST = 3, 8


@dataclass(frozen=True)
class Probes:
    """Windows and where they come from.

    counts: (N, T, C) int16, as the device's sensor gives them. origins: a phrase for each window. extremes:
    how many are made up. scaling: what the device does to counts before its model.
    """

    counts: NDArray[np.int16]
    origins: tuple[str, ...]
    extremes: int
    scaling: Scaling = UNSCALED

    @property
    def model_counts(self) -> NDArray[np.int16]:
        """The windows (N, T, C) int16 as the device's model meets them."""
        return self.scaling.apply(self.counts)

    @property
    def sha256(self) -> str:
        """Hash of the windows and their scaling, by which a proof tells which ones it is of."""
        facts = f"{self.counts.shape} {self.scaling.multiplier} {self.scaling.shift}\n"
        return hashlib.sha256(facts.encode() + self.counts.astype("<i2").tobytes()).hexdigest()


def choose_probes(windows: Windows, count: int, seed: int = 0, scaling: Scaling = UNSCALED) -> Probes:
    """Choose `count` windows: evenly over all classes and animals, then extremes.

    windows: as the device's sensor gives them. scaling: what the device does to their counts.
    Where fewer windows are recorded than asked for, seeded extremes fill the rest.
    """
    wanted = min(_EXTREMES_MOST, max(_EXTREMES_LEAST, count // 10), count // 2)
    chosen = spread(windows, count - wanted)
    steps, channels = windows.counts.shape[1:]
    made = dict(extremes(count - len(chosen), steps, channels, seed))
    origins = [
        f"recorded {n}: {windows.classes[windows.labels[n]]}, animal {windows.animals[n]}" for n in chosen
    ]
    return Probes(
        np.concatenate([windows.counts[chosen], *(window[None] for window in made.values())]),
        (*origins, *made),
        len(made),
        scaling,
    )


def spread(windows: Windows, count: int) -> NDArray[np.int64]:
    """Return the indices of up to `count` windows, spread evenly over classes, animals and time."""
    animals = sorted(set(windows.animals.tolist()))
    classes = range(len(windows.classes))
    # Each round takes every class from another animal, so that even a handful meets many of both.
    groups = [
        np.flatnonzero((windows.labels == k) & (windows.animals == animals[(k + turn) % len(animals)]))
        for turn in range(len(animals))
        for k in classes
    ]
    shares = [0] * len(groups)
    while sum(shares) < min(count, len(windows)):
        for n, group in enumerate(groups):
            if shares[n] < len(group) and sum(shares) < count:
                shares[n] += 1
    taken = [
        group[np.linspace(0, len(group) - 1, share).round().astype(int)]
        for group, share in zip(groups, shares)
        if share
    ]
    return np.concatenate(taken).astype(np.int64) if taken else np.empty(0, np.int64)


def extremes(count: int, steps: int, channels: int, seed: int = 0) -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Yield `count` windows (T, C) int16 at and between the ends of int16, each with its name."""
    rng = np.random.default_rng(seed)
    time = np.arange(steps)[:, None]
    shape = (steps, channels)
    for n in range(count):
        switch = int(rng.integers(1, max(steps, 2)))
        levels = rng.integers(LOWEST, HIGHEST + 1, (2, channels))
        name, values = (
            ("full-scale noise", rng.integers(LOWEST, HIGHEST + 1, shape)),
            ("constant at the lowest count", np.full(shape, LOWEST)),
            ("constant at the highest count", np.full(shape, HIGHEST)),
            ("step from end to end", np.where(time < switch, LOWEST, HIGHEST) + np.zeros(shape, int)),
            ("alternating ends", np.where(time % 2, HIGHEST, LOWEST) + np.zeros(shape, int)),
            ("constant at zero", np.zeros(shape, int)),
            ("one impulse", np.where(time == switch, HIGHEST, 0) + np.zeros(shape, int)),
            ("step between random levels", np.where(time < switch, levels[0], levels[1])),
            ("a random level with noise", levels[0] + rng.integers(-2000, 2001, shape)),
        )[n % 9]
        yield f"extreme {n}: {name}", np.clip(values, LOWEST, HIGHEST).astype(np.int16)
