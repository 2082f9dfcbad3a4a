"""Registry of perturbations of recorded windows: a slipped collar, another sensor, a busy driver.

Each is a pure function on counts (N, T, C) int16. Counts are rounded to the nearest integer and saturate at
the sensor's limits, as its own converter would do. They are computed from recordings: a real collar that
slips may also sit looser. To add one, add an entry to `PERTURBATIONS`; a plugin (`mcukd.plugins`) registers
it there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.errors import UserError
from mcukd.plugins import Registry
from mcukd.text import did_you_mean, listed
from mcukd.training.augmentation import hold_lost_samples, rotations_about, stretched

Counts = NDArray[np.int16]


@dataclass(frozen=True)
class Sensor:
    """What the perturbations need to know of a sensor as worn.

    neck_axis: number of the axis along the neck. range_g: full scale, both ways.
    """

    counts_per_g: float
    range_g: float
    neck_axis: int = 0
    axes: tuple[str, ...] = ("x", "y", "z")

    @classmethod
    def of(cls, card: Card) -> Sensor:
        """Return what a card says."""
        return cls(card.counts_per_g, card.signal.range_g, card.neck_axis, card.axes)

    def limits(self, range_g: float) -> tuple[int, int]:
        """Return the lowest and highest count at a full scale of `range_g`, in two's complement."""
        limit = math.floor(range_g * self.counts_per_g)
        return -limit, limit - 1

    def sensed(self, values: NDArray[np.floating]) -> Counts:
        """Return values in counts as this sensor would give them: rounded and saturated, int16."""
        return np.clip(np.rint(values), *self.limits(self.range_g)).astype(np.int16)


def turned(counts: Counts, sensor: Sensor, degrees: float) -> Counts:
    """Turn the sensor by an angle about the axis along the neck. Raises ValueError unless C is 3."""
    if counts.shape[2] != 3:
        raise ValueError(f"{counts.shape[2]} axes cannot be turned, 3 are needed")
    axis = np.eye(3)[[sensor.neck_axis]]
    return sensor.sensed(counts @ rotations_about(axis, np.deg2rad([degrees]))[0])


def flipped(counts: Counts, sensor: Sensor, axis: int) -> Counts:
    """Reverse the sign of one axis, as of a driver or a data sheet misread."""
    signs = np.where(np.arange(counts.shape[2]) == axis, -1, 1)
    return sensor.sensed(counts * signs.astype(np.float64))


def scaled(counts: Counts, sensor: Sensor, percent: Sequence[float]) -> Counts:
    """Put a gain error on each axis, in percent (C,)."""
    return sensor.sensed(counts * (1 + np.asarray(percent) / 100))


def at_rate(counts: Counts, sensor: Sensor, percent: float) -> Counts:
    """Sample with a clock that is fast (+) or slow (−), so that T samples span T / (1 + percent/100).

    Interpolated within the window, band-limited and about its middle, so that fast movements keep their
    height. Where a slow clock would reach past the ends (at −10 % by a twentieth of T on each side), the
    window is continued by its mirror image, because a window may have no neighbour in the recording. What the
    sensor would have seen above the recording's Nyquist frequency is not known and stays out.
    """
    tempo = np.full(len(counts), 1 / (1 + percent / 100))
    return sensor.sensed(stretched(counts.astype(np.float32), tempo))


def noisy(counts: Counts, sensor: Sensor, mg: float, rng: np.random.Generator) -> Counts:
    """Add white noise of `mg` rms to every axis."""
    noise = rng.standard_normal(counts.shape, np.float32)
    return sensor.sensed(counts + mg / 1000 * sensor.counts_per_g * noise)


def lossy(counts: Counts, percent: float, rng: np.random.Generator) -> Counts:
    """Lose samples at random; a driver that finds no new one hands out the one before again.

    A window's first sample is never lost.
    """
    return np.asarray(hold_lost_samples(counts, rng.random(counts.shape[:2]) < percent / 100))


def clipped(counts: Counts, sensor: Sensor, halvings: float) -> Counts:
    """Clip at the full scale of a sensor whose range was halved so often; its resolution stays."""
    return np.clip(counts, *sensor.limits(sensor.range_g / 2**halvings)).astype(np.int16)


Apply = Callable[[Counts, Sensor, float, np.random.Generator], Counts]


@dataclass(frozen=True)
class Perturbation:
    """One way for windows to differ from those trained on, at some levels; level 0 leaves them as they are.

    unit: of the levels, empty where they are numbers of something. sentence: what it stands for. against: the
    name in `--augment` that trains against it, empty without one. text: how a level is called where number
    and unit do not say it.
    """

    name: str
    title: str
    unit: str
    levels: tuple[float, ...]
    sentence: str
    against: str
    change: Apply
    text: Callable[[float, Sensor], str] | None = None

    def __call__(self, counts: Counts, sensor: Sensor, level: float, seed: int = 0) -> Counts:
        """Return counts (N, T, C) int16 perturbed at `level`; equal arguments give equal counts."""
        if level == 0:
            return counts.copy()
        key = [seed, zlib.crc32(self.name.encode()), round(abs(level) * 1000)]
        return self.change(counts, sensor, level, np.random.default_rng(key))

    def label(self, level: float, sensor: Sensor) -> str:
        """Return a level for people, such as "+5 %" or "axis y"."""
        if self.text is not None:
            return self.text(level, sensor)
        sign = "+" if level > 0 and min(self.levels) < 0 else ""
        return f"{sign}{level:g} {self.unit}".replace("-", "−").replace(" °", "°")


def _both_ways(*levels: float) -> tuple[float, ...]:
    return (*(-level for level in reversed(levels)), 0, *levels)


def _apart(counts: Counts, sensor: Sensor, level: float, rng: np.random.Generator) -> Counts:
    return scaled(counts, sensor, [level if axis % 2 == 0 else -level for axis in range(counts.shape[2])])


_ENTRIES = (
    Perturbation(
        "rotation",
        "Collar turned about the neck",
        "°",
        (*_both_ways(15, 30, 45, 60, 90, 120, 150), 180),
        "The collar has slipped round the neck: all samples are turned about the axis along it.",
        "rotation",
        lambda counts, sensor, level, rng: turned(counts, sensor, level),
    ),
    Perturbation(
        "flip",
        "Axis with the wrong sign",
        "",
        (0, 1, 2, 3),
        "One axis has the wrong sign, by a misread data sheet or a board mounted in mirror image.",
        "flip",
        lambda counts, sensor, level, rng: flipped(counts, sensor, int(level) - 1),
        lambda level, sensor: f"axis {sensor.axes[int(level) - 1]}" if level else "none",
    ),
    Perturbation(
        "gain",
        "Gain error, all axes",
        "%",
        _both_ways(2, 5, 10, 20),
        "All axes read too much or too little.",
        "scale",
        lambda counts, sensor, level, rng: scaled(counts, sensor, [level] * counts.shape[2]),
    ),
    Perturbation(
        "gain-axes",
        "Gain error, axes apart",
        "%",
        _both_ways(2, 5, 10, 20),
        "The first and third axis read too much and the second too little, or the other way round.",
        "scale",
        _apart,
    ),
    Perturbation(
        "rate",
        "Clock fast or slow",
        "%",
        _both_ways(2, 5, 10, 20),
        "The sensor's clock is fast or slow, so that a window of T samples spans less or more time.",
        "rate",
        lambda counts, sensor, level, rng: at_rate(counts, sensor, level),
    ),
    Perturbation(
        "noise",
        "White noise",
        "mg rms",
        (0, 5, 10, 20, 50, 100, 200),
        "The sensor adds white noise to every axis.",
        "noise",
        noisy,
    ),
    Perturbation(
        "drop",
        "Samples lost and held",
        "%",
        (0, 1, 5, 10, 20, 40),
        "Samples are lost at random, and the driver hands out the one before in their place.",
        "drop",
        lambda counts, sensor, level, rng: lossy(counts, level, rng),
    ),
    Perturbation(
        "clip",
        "Range halved",
        "halvings",
        (0, 1, 2, 3),
        "The sensor is set to a smaller range and saturates earlier.",
        "clip",
        lambda counts, sensor, level, rng: clipped(counts, sensor, level),
        lambda level, sensor: f"±{sensor.range_g / 2**level:g} g",
    ),
)

#: What `mcukd robustness` tries, in this order.
PERTURBATIONS: Registry[Perturbation] = Registry("perturbation", _ENTRIES)


def chosen(names: Sequence[str]) -> list[Perturbation]:
    """Return perturbations by name, all without any. Raises UserError for a name that is none."""
    for name in names:
        if name not in PERTURBATIONS:
            raise UserError(
                f"there is no perturbation '{name}'{did_you_mean(name, PERTURBATIONS)}; expected one or more "
                f"of {listed(PERTURBATIONS)}."
            )
    return [one for one in PERTURBATIONS.values() if not names or one.name in names]
