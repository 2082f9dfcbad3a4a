"""Gaps in time stamps, and the stretches and windows between them: the one count all commands share.

A gap is a place where samples are missing. A long step alone is none: clocks of phones stall and then stamp
the samples that waited in quick succession, so the number of samples is held against the time that went by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

#: A step up to this many usual ones is no gap, so that a single lost sample is let pass.
LONG_STEP = 2.5
#: In a step of more usual ones than this, a sample is missing.
SINGLE_STEP = 1.5
#: Missing time up to this many usual steps, or this many seconds where that is longer, is let pass: at
#: 25 samples per second it is one sample, and at a faster rate it hides no more of a movement.
MISSING_STEPS, MISSING_S = 1.5, 0.04
#: Samples that wait for a clock are stamped within this many times the number that fits the step.
_CATCH_UP, _CATCH_UP_MOST = 1.5, 5000
#: Fewer steps than this have no mean of the middle two for their usual one.
_FEW_STEPS = 10
#: Times the usual steps are averaged, each about the mean before.
_ROUNDS = 3
#: Whether a step is a gap depends on no more samples than these before it and after it.
REACH = _CATCH_UP_MOST + 1


@dataclass(frozen=True)
class Gaps:
    """Gaps of one run. after: (k,) int64, the sample before each gap. missing_s: (k,) seconds of samples
    missing in each. hitches: long steps that are no gap, as their samples are there or hardly any is missing.
    let_pass_s: seconds of samples missing in those, and of single samples.
    """

    after: NDArray[np.int64]
    missing_s: NDArray[np.float64]
    hitches: int = 0
    let_pass_s: float = 0.0


@dataclass(frozen=True)
class Clock:
    """How a run is stamped, in seconds. step: the usual step between stamps that differ. period: what one
    sample takes, which is less where stamps repeat.
    """

    step: float
    period: float


def clock_of(seconds: NDArray[np.float64]) -> Clock | None:
    """Return how a run with stamps (n,) in seconds is stamped, None where no two stamps differ."""
    steps = np.diff(seconds)
    ahead = steps[steps > 0]
    if not len(ahead):
        return None
    # Of few steps, as of stamps in whole seconds, the mean of the middle two would hide the longer one.
    few = len(ahead) < _FEW_STEPS
    usual = float(np.sort(ahead)[(len(ahead) - 1) // 2]) if few else float(np.median(ahead))
    within = steps[(steps >= 0) & (steps <= LONG_STEP * usual)]
    period = float(np.median(within))
    # A mean, as stamps in whole milliseconds have a median that is off; without bursts, which shorten it.
    for _ in range(_ROUNDS):
        near = within[(within > 0.5 * period) & (within < 1.5 * period)]
        # There is none near where stamps repeat, as those of batches or of whole seconds.
        period = float((near if len(near) else within).mean())
    return Clock(usual, period)


def find_gaps(
    seconds: NDArray[np.float64],
    *,
    singles: bool = False,
    clock: Clock | None = None,
    among: slice | None = None,
) -> Gaps:
    """Find the gaps in stamps (n,) in seconds that do not run backwards.

    What a long step is short of samples may have come before it or after it, with stamps closer than usual.
    singles: look for single samples that are missing, too, which takes longer; they are no gap.
    clock: that of the run where the stamps are only a part of it. among: look only after these samples; with
    `REACH` more of them on both sides, the gaps are those found in the whole run.
    """
    none = Gaps(np.empty(0, np.int64), np.empty(0))
    clock = clock or clock_of(seconds)
    if clock is None:
        return none
    usual, period = clock.step, clock.period
    steps = np.diff(seconds)
    at = np.arange(len(steps))[among or slice(None)]
    long = at[steps[at] > (SINGLE_STEP if singles else LONG_STEP) * usual]
    if not len(long):
        return none
    late = np.array([_missing(seconds, steps, int(one), period) for one in long])
    # A hundredth of a step is rounding, as of stamps in whole milliseconds.
    far = steps[long] > LONG_STEP * usual
    gap = far & (late > max(MISSING_STEPS * period, MISSING_S) + 0.01 * period)
    return Gaps(long[gap], late[gap], int((far & ~gap).sum()), float(np.maximum(late[~gap], 0).sum()))


def _missing(seconds: NDArray[np.float64], steps: NDArray[np.float64], at: int, period: float) -> float:
    """Return the seconds of samples missing in the step after sample `at`."""
    late = float(steps[at]) - period
    reach = min(math.ceil(_CATCH_UP * late / period) + 2, _CATCH_UP_MOST)
    after = seconds[at + 1 : at + 2 + reach]
    before = seconds[max(at - reach, 0) : at + 1]
    gained_after = (after - after[0] - period * np.arange(len(after))).min()
    gained_before = (before[-1] - before[::-1] - period * np.arange(len(before))).min()
    return late + float(min(gained_after, gained_before))


def stretches(samples: int, seconds: NDArray[np.float64] | None, breaks: Sequence[int] = ()) -> list[slice]:
    """Return the stretches without a gap of a run of `samples` samples; one where there are no stamps.

    breaks: samples before which it is cut in any case.
    """
    cuts = [] if seconds is None else (find_gaps(seconds).after + 1).tolist()
    edges = [0, *sorted({*cuts, *(int(one) for one in breaks)}), samples]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:])]


def window_starts(samples: int, length: int, hop: int) -> NDArray[np.int64]:
    """Return the first sample of each whole window in a recording of `samples` samples."""
    return np.arange(0, samples - length + 1, hop, dtype=np.int64)


def resampled_length(samples: int, factor: Fraction) -> int:
    """Return how many samples `samples` become when their rate is multiplied by `factor`."""
    return samples if factor == 1 or samples < 2 else math.ceil(samples * factor)


@dataclass(frozen=True)
class Cut:
    """How windows are cut. length, hop: in samples of the board. factor: board rate / recorded rate."""

    length: int
    hop: int
    factor: Fraction = Fraction(1)

    def windows(self, samples: int) -> int:
        """Return the whole windows in a stretch of `samples` recorded samples."""
        return max(0, (resampled_length(samples, self.factor) - self.length) // self.hop + 1)

    def covered(self, samples: int) -> int:
        """Return how many of a stretch's recorded samples lie in a window."""
        count = self.windows(samples)
        ends = (count - 1) * self.hop + self.length if count else 0
        return min(samples, math.ceil(ends / self.factor))

    def count(self, lengths: Mapping[int, int]) -> int:
        """Return the windows in stretches: length in recorded samples → how many there are."""
        return sum(number * self.windows(length) for length, number in lengths.items())

    def rows(self, lengths: Mapping[int, int]) -> int:
        """Return the recorded samples of stretches that lie in a window."""
        return sum(number * self.covered(length) for length, number in lengths.items())
