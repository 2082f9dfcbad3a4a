"""Rows of a recording that are no measurement: all zeros, a sensor that stands still, values for "missing".

What a row is judged by does not depend on its units: lengths are compared with the median vector length,
which is 1 g in whatever unit a worn sensor writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Noise in g of the quietest accelerometers that animals wear, at a few hertz of bandwidth.
QUIETEST_G = 0.0003
#: Rows and seconds that a reading has to stand still before it can count as frozen.
FROZEN_ROWS, FROZEN_SECONDS = 10, 1.0
#: How often by chance alone a stretch may be taken for frozen, over all rows that are looked at.
_CHANCE = 1e-6
#: Readings that stand for several rows each (a slow sensor in fast rows) are frozen after so many times that.
_HOLDS = 10
#: The same where steps are coarse, but the calmest stretches scatter by a step and more: seconds, or rows.
_COARSE_SECONDS, _COARSE_ROWS = 30.0, 1000
#: A stretch that repeats for so long is told of, where steps are too coarse to say what it is.
SUSPECT_SECONDS = 10.0
#: Numbers that programs and loggers write for "no value", positive and negative.
SENTINELS = (
    *(99.99, 999.0, 999.9, 999.99, 9999.0, 9999.9, 9999.99, 99999.0, 999999.0, 9999999.0, 99999999.0),
    *(888.0, 8888.0, 88888.0, 7999.0, 32767.0, 32768.0, 65535.0, 8388607.0, 8388608.0, 16777215.0),
    *(2147483647.0, 2147483648.0, 4294967295.0, 1e10, 1e20, 1e30, 3.4e38),
)
_LEAST_SENTINEL = min(SENTINELS)
#: Longer than this many times the median vector, no accelerometer reads (the widest reach ±400 g).
IMPOSSIBLE = 400.0
#: No sensor's reading where the value is one of SENTINELS and nothing else comes near it: so many g from
#: zero, or nearer where it is read several times (−9999 in mg is 10 g).
_FAR, _FAR_REPEATED, _REPEATED, _NEAR_SHARE = 12.0, 4.0, 3, 0.5
_BLOCK = 16
_STILL_SHARE = 0.02
_LOOKED_AT = 200_000
_FEWEST_BLOCKS = 30


@dataclass(frozen=True)
class Grain:
    """How finely values are written, in units of the median vector length (about 1 g).

    step: between neighbouring values of the finest axis; infinite where only one value was seen. noise: of
    the calmest stretches that are not constant, None where too few are calm. held: rows that a reading
    usually stands for. rows: looked at.
    """

    step: float
    noise: float | None
    held: float
    rows: int


def zero_rows(samples: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows of samples (n, 3) are zero on all axes: no sensor with gravity reads that."""
    return np.asarray((samples == 0).all(axis=1))


def usual_length(samples: NDArray[np.float64]) -> float:
    """Return the median vector length of samples (n, 3) over rows finite and not all zero, or NaN."""
    length = np.linalg.norm(samples[np.isfinite(samples).all(axis=1)], axis=1)
    length = length[length > 0]
    return float(np.median(length)) if len(length) else float("nan")


def repeated_runs(samples: NDArray[np.float64], shortest: int = FROZEN_ROWS) -> NDArray[np.int64]:
    """Return (k, 2) first row and row after the last of stretches whose rows are the same on all axes."""
    edges = _run_edges(samples)
    lengths = np.diff(edges)
    long = lengths >= shortest
    return np.stack([edges[:-1][long], edges[1:][long]], axis=1)


def grain(samples: NDArray[np.float64], one_g: float | None = None) -> Grain:
    """Return how finely the values of samples (n, 3) are written; rows not finite or zero are let be.

    one_g: the median vector length, worked out where it is None.
    """
    good = samples[np.isfinite(samples).all(axis=1) & ~zero_rows(samples)][:_LOOKED_AT]
    one_g = usual_length(good) if one_g is None else one_g
    if not len(good) or not one_g > 0:
        return Grain(math.inf, None, 1.0, len(good))
    good = good / one_g
    steps = [one for one in (_step(good[:, axis]) for axis in range(3)) if one is not None]
    lengths = np.sort(np.diff(_run_edges(good)))
    half = int(np.searchsorted(np.cumsum(lengths), len(good) / 2))
    return Grain(min(steps, default=math.inf), _noise(good), float(lengths[half]), len(good))


def pooled(grains: Sequence[Grain]) -> Grain:
    """Return one grain for several pieces of a recording: its calmest noise and its finest usual step."""
    known = [one for one in grains if one.rows]
    if not known:
        return Grain(math.inf, None, 1.0, 0)
    noises = [one.noise for one in known if one.noise is not None]
    # A piece that is frozen from end to end says nothing of how long a reading usually stands.
    known.sort(key=lambda one: one.held)
    half = int(np.searchsorted(np.cumsum([one.rows for one in known]), sum(one.rows for one in known) / 2))
    return Grain(
        min(one.step for one in known),
        min(noises) if noises else None,
        known[half].held,
        sum(one.rows for one in known),
    )


def frozen_length(of: Grain, rate_hz: float | None = None) -> float:
    """Return from how many rows on a reading that repeats is a sensor that stands still; infinite for never.

    Noise makes a working sensor change its value. How soon depends on the noise against the step between
    values: from the chance that a reading repeats follows the length that chance does not reach once in
    a million recordings. Noise is taken as that of the quietest sensors, or less where the recording has
    calmer stretches. Where steps are coarse against it (8 bits over ±2 g are 16 mg), a sensor at rest
    repeats as long as it rests, and no length tells it from a frozen one, unless even the calmest
    stretches of the recording scatter by a step and more.
    """
    if not math.isfinite(of.step):
        return math.inf
    chance = _repeats(QUIETEST_G / of.step) ** 3
    if of.noise is not None:
        chance = max(chance, _repeats(of.noise / of.step))
    held = _HOLDS * of.held if of.held > 1 else 0.0
    least = max(FROZEN_ROWS, FROZEN_SECONDS * (rate_hz or 0.0), held, _chance_rows(chance, of.rows))
    if of.noise is not None and of.noise >= of.step:
        coarse = _COARSE_SECONDS * rate_hz if rate_hz else _COARSE_ROWS
        chance = _repeats(of.noise / of.step)
        least = min(least, max(FROZEN_ROWS, coarse, held, _chance_rows(chance, of.rows)))
    return float(least)


def frozen_rows(
    samples: NDArray[np.float64], rate_hz: float | None = None, of: Grain | None = None
) -> NDArray[np.bool_]:
    """Tell which rows of samples (n, 3) repeat for longer than a working sensor can.

    The first row of such a stretch is a reading and is not told. of: the grain of the whole recording
    where `samples` are a part of it. Rows of zeros are told by `zero_rows`, not here.
    """
    mask = np.zeros(len(samples), dtype=bool)
    least = frozen_length(of or grain(samples), rate_hz)
    if math.isfinite(least):
        for start, stop in repeated_runs(samples, max(FROZEN_ROWS, math.ceil(least))):
            mask[start + 1 : stop] = samples[start].any()
    return mask


def suspect_rows(samples: NDArray[np.float64], rate_hz: float, of: Grain | None = None) -> NDArray[np.bool_]:
    """Tell which rows repeat for a minute and more and yet may be of a sensor at rest with coarse steps.

    samples: (n, 3). Rows that `frozen_rows` tells are not among them.
    """
    mask = np.zeros(len(samples), dtype=bool)
    frozen = frozen_rows(samples, rate_hz, of)
    for start, stop in repeated_runs(samples, max(FROZEN_ROWS, math.ceil(SUSPECT_SECONDS * rate_hz))):
        mask[start + 1 : stop] = samples[start].any()
    return mask & ~frozen


def sentinel_values(samples: NDArray[np.float64], one_g: float | None = None) -> tuple[float, ...]:
    """Return the values in samples (n, 3) that stand for "missing", sorted."""
    finite = samples[np.isfinite(samples)]
    length = usual_length(samples) if one_g is None else one_g
    return sentinels_among(odd_values(finite, length), ordinary_reach(finite), length)


def sentinel_rows(samples: NDArray[np.float64], values: Iterable[float]) -> NDArray[np.bool_]:
    """Tell which rows of samples (n, 3) hold one of `values` on an axis."""
    known = np.array(sorted(values), dtype=np.float64)
    if not len(known):
        return np.zeros(len(samples), dtype=bool)
    return np.asarray(np.isin(samples, known).any(axis=1))


def odd_values(values: NDArray[np.float64], one_g: float) -> dict[float, int]:
    """Return value → how often it stands in `values` (any shape), of those that may stand for "missing"."""
    flat = values[np.isfinite(values)]
    size = np.abs(flat)
    # Of most recordings, the largest value already tells that there is none.
    if not len(size) or size.max() < min(_LEAST_SENTINEL, IMPOSSIBLE * one_g if one_g > 0 else math.inf):
        return {}
    listed = np.isin(size, SENTINELS)
    if one_g > 0:
        listed |= size > IMPOSSIBLE * one_g
    found, counts = np.unique(flat[listed], return_counts=True)
    return {float(value): int(count) for value, count in zip(found, counts)}


def ordinary_reach(values: NDArray[np.float64]) -> float:
    """Return the greatest absolute value that is finite and none of SENTINELS; 0.0 where there is none."""
    size = np.abs(values[np.isfinite(values)])
    if len(size) and size.max() >= _LEAST_SENTINEL:
        size = size[~np.isin(size, SENTINELS)]
    return float(size.max()) if len(size) else 0.0


def sentinels_among(odd: dict[float, int], reach: float, one_g: float) -> tuple[float, ...]:
    """Return which of `odd` values stand for "missing", sorted.

    odd: value → how often. reach: the greatest absolute value of the others. A value counts where no sensor
    reads so much and it repeats exactly, or where it is one that programs write for "missing", lies far
    outside of gravity, and nothing else comes half as far: the end of a sensor's range has values near it.
    """
    if not one_g > 0:
        return ()
    candidates = [value for value, times in odd.items() if _may_stand_for_missing(value, times, one_g)]
    inside = [abs(value) for value in odd if value not in candidates and abs(value) <= IMPOSSIBLE * one_g]
    reach = max([*inside, min(reach, IMPOSSIBLE * one_g)])
    found = [
        value for value in candidates if abs(value) > IMPOSSIBLE * one_g or reach < _NEAR_SHARE * abs(value)
    ]
    return tuple(sorted(found))


def _may_stand_for_missing(value: float, times: int, one_g: float) -> bool:
    """Tell whether a value that was read so many times can stand for "missing", whatever the others are."""
    listed = abs(value) in SENTINELS
    if abs(value) > IMPOSSIBLE * one_g:
        return listed or times > 1
    return listed and abs(value) > (_FAR if times < _REPEATED else _FAR_REPEATED) * one_g


def _run_edges(samples: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first row of every stretch of equal rows, and the number of rows."""
    if not len(samples):
        return np.zeros(1, dtype=np.int64)
    changes = np.flatnonzero((samples[1:] != samples[:-1]).any(axis=1)) + 1
    return np.concatenate([[0], changes, [len(samples)]]).astype(np.int64)


def _step(values: NDArray[np.float64]) -> float | None:
    """Return the usual least difference between two different values; None where there is one value only."""
    between = np.diff(np.unique(values))
    # Single precision tells numbers apart to some 1e-7.
    between = between[between > 1e-6]
    return float(np.percentile(between, 5, method="lower")) if len(between) else None


def _noise(samples: NDArray[np.float64]) -> float | None:
    """Return the deviation of the noisiest axis in the calmest stretches (5th percentile), less rounding."""
    pieces = len(samples) // _BLOCK
    blocks = samples[: pieces * _BLOCK].reshape(pieces, _BLOCK, 3)
    deviation = blocks.std(axis=1).max(axis=1) if pieces else np.empty(0)
    calm = deviation[(deviation > 1e-7) & (deviation < _STILL_SHARE)]
    return float(np.percentile(calm, 5)) if len(calm) >= _FEWEST_BLOCKS else None


def _chance_rows(chance: float, rows: int) -> float:
    """Return the length that a stretch of repeats reaches once in 1 / _CHANCE recordings of so many rows."""
    if chance >= 1:
        return math.inf
    return 1 + math.log(_CHANCE / max(rows, 1)) / math.log(chance) if chance > 0 else 1.0


def _repeats(ratio: float) -> float:
    """Return the chance that two readings round to the same value, noise being `ratio` steps.

    At worst, which is where the true value lies in the middle of a step.
    """
    if ratio > 3:
        return 1 / (2 * math.sqrt(math.pi) * ratio)
    if ratio <= 0:
        return 1.0
    reach = math.ceil(6 * ratio) + 1
    ends = [math.erf((k + 0.5) / ratio / math.sqrt(2)) for k in range(-reach - 1, reach + 1)]
    return float(sum(((b - a) / 2) ** 2 for a, b in zip(ends[:-1], ends[1:])))
