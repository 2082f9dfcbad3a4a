"""Taps: an observer taps the tag and presses a key with each tap; where in its samples those taps are.

A tap is an impulse: it lasts a sample or two and stands out of those around it. A step or a chew swings.
Which impulses are the observer's shows by their spacing alone, so taps at uneven intervals are found most
safely. A press and its tap do not quite coincide; by how much is estimated from how the presses scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mcukd.observation.clocks.anchors import NS, Anchor
from mcukd.observation.clocks.fit import FloatArray
from mcukd.observation.moments import Samples
from mcukd.tag.records import TICKS_PER_SECOND
from mcukd.text import plural

IntArray = NDArray[np.int64]
#: A group has at least this many taps; with two, one interval alone would have to tell them from chewing.
FEWEST = 3
#: A press and its tap are at most this far from the group's mean, s: a larger difference is another impulse.
STRAY_S = 0.13
#: Presses closer together than this, s, could be taken for one another.
CLOSEST_S = 0.35
#: An impulse is this many times the median around it, and a rival group this much weaker than the best.
STANDS_OUT, RIVAL = 5.0, 0.5
#: Below this rate an impulse between two samples is shared by them, and each alone shows a quarter of it. At
#: higher ones two samples together would show the flick of an ear as well.
SLOW_HZ = 40.0
#: Groups as strong and spaced like the presses that chance would make where taps are looked for, at most.
CHANCE = 1e-3
#: Assumed, not measured: no hand presses steadier than this with its taps, s. It is also the part of the
#: error that all presses of an observer share, and that no number of taps averages away.
STEADIEST_S = 0.03
#: Factor by which the standard error of a mean of n is widened, so that ± 1 holds 68.27 % as for many: the
#: quantile .8413 of Student's t with n - 1 degrees of freedom.
SMALL_SAMPLE = {3: 1.321, 4: 1.197, 5: 1.142, 6: 1.111, 7: 1.091, 8: 1.077, 9: 1.067, 10: 1.059}


@dataclass(frozen=True)
class TapSamples:
    """Samples of a tag in the order they were read. ticks: (n,) the tag's clock; counts: (n, C) int16."""

    ticks: IntArray
    counts: NDArray[np.int16]
    rate_hz: float


@dataclass(frozen=True)
class TapsFound:
    """A group of taps and the presses that go with it.

    tap_ticks, press_ns: (n,) of each tap and press. residuals_s: (n,) how far the press is after the tap,
    less the mean. uncertainty_s: standard uncertainty of the offset. strength: of the weakest tap, in counts.
    chance: how many such groups the other impulses as strong would make by chance.
    """

    tap_ticks: IntArray
    press_ns: IntArray
    residuals_s: FloatArray
    uncertainty_s: float
    strength: float
    chance: float

    @property
    def anchor(self) -> Anchor:
        """The anchor in the middle of the taps."""
        ticks = round(float(np.mean(self.tap_ticks - self.tap_ticks[0]))) + int(self.tap_ticks[0])
        host = round(float(np.mean(self.press_ns - self.press_ns[0]))) + int(self.press_ns[0])
        return Anchor(ticks, host, self.uncertainty_s, "taps")


@dataclass(frozen=True)
class NoTaps:
    """No group of taps was found, or several fit; `why` says it in a sentence, with what to do."""

    why: str


def samples_of(moments: Sequence[Samples], rate_hz: float) -> TapSamples:
    """Return the samples of a stream with a time each: the last of a batch has the batch's, others before it.

    The tag tells when it read the last sample of a batch. Between two batches without loss the samples lie at
    even distances; before the first and after a loss, at the distance of the rate.
    """
    ticks: list[FloatArray] = []
    before: Samples | None = None
    for one in moments:
        count = len(one.counts)
        follows = before is not None and not one.gap and one.first == before.first + len(before.counts)
        step = TICKS_PER_SECOND / rate_hz
        if follows and before is not None:
            told = (one.tag_ticks - before.tag_ticks) / count
            # A batch that is told late would squeeze the next one.
            step = float(np.clip(told, 0.9 * step, 1.1 * step))
        ticks.append(one.tag_ticks - step * np.arange(count - 1, -1, -1))
        before = one
    if not moments:
        return TapSamples(np.zeros(0, np.int64), np.zeros((0, 3), np.int16), rate_hz)
    counts = np.concatenate([one.counts for one in moments])
    return TapSamples(np.rint(np.concatenate(ticks)).astype(np.int64), counts, rate_hz)


def press_groups(press_ns: Sequence[int], apart_s: float = 5.0) -> list[list[int]]:
    """Return presses of the tap key in groups, between which at least `apart_s` passes."""
    groups: list[list[int]] = []
    for press in sorted(press_ns):
        if groups and press - groups[-1][-1] < apart_s * NS:
            groups[-1].append(press)
        else:
            groups.append([press])
    return groups


def find_taps(
    samples: TapSamples, press_ns: Sequence[int], between_ticks: tuple[int, int] | None = None
) -> TapsFound | NoTaps:
    """Find the taps that go with a group of presses.

    press_ns: presses, ns since 1970, at least `FEWEST`. between_ticks: where to look, None for everywhere.
    """
    presses = np.sort(np.asarray(press_ns, np.int64))
    seconds = (presses - presses[:1]) / NS
    if len(presses) < FEWEST:
        return NoTaps(
            f"the tap key was pressed {plural(len(presses), 'time')}: press it with at least {FEWEST} taps."
        )
    if np.min(np.diff(seconds)) < CLOSEST_S:
        return NoTaps(f"two presses of the tap key are less than {CLOSEST_S:g} s apart: tap more slowly.")
    times, strengths = _impulses(samples, between_ticks)
    groups = _groups(times, strengths, seconds)
    if not groups:
        return NoTaps(
            f"no {len(presses)} impulses in the tag's samples are spaced like the presses: tap harder, while "
            "the animal is calm."
        )
    best = max(groups, key=lambda one: one[0])
    offset = float(np.mean(times[best[1]] - seconds))
    for strength, taps in groups:
        elsewhere = float(np.mean(times[taps] - seconds))
        if strength >= RIVAL * best[0] and abs(elsewhere - offset) > STRAY_S / 2:
            return NoTaps(
                f"two groups of impulses fit the presses, {abs(elsewhere - offset):.1f} s apart: tap again, "
                "at uneven intervals."
            )
    after = seconds - times[best[1]]
    residuals = after - after.mean()
    width = 2 * max(float(np.max(np.abs(residuals))), 1 / samples.rate_hz)
    chance = _chance(strengths, best, width / _searched_s(samples, between_ticks))
    if chance > CHANCE:
        return NoTaps(
            "the impulses that fit the presses are no stronger than many others there: tap harder, while the "
            "animal is calm."
        )
    first = samples.ticks[0]
    ticks = first + np.rint(times[best[1]] * TICKS_PER_SECOND).astype(np.int64)
    return TapsFound(ticks, presses, residuals, _uncertainty(residuals, samples.rate_hz), best[0], chance)


def _impulses(samples: TapSamples, between_ticks: tuple[int, int] | None) -> tuple[FloatArray, FloatArray]:
    """Return times (P,) in s since the first sample and strengths (P,) of what stands out, strongest nearby.

    Strength is the length of the second difference in counts; an impulse is `STANDS_OUT` times its median in
    the four seconds around.
    """
    counts = samples.counts.astype(np.float64)
    if len(counts) < 5:
        return np.zeros(0), np.zeros(0)
    seconds = (samples.ticks - samples.ticks[0]) / TICKS_PER_SECOND
    height = np.zeros(len(counts))
    height[1:-1] = np.linalg.norm(counts[1:-1] - (counts[:-2] + counts[2:]) / 2, axis=1)
    if samples.rate_hz < SLOW_HZ:
        pairs = np.linalg.norm(counts[1:-2] + counts[2:-1] - counts[:-3] - counts[3:], axis=1) / 2
        height[1:-2] = np.maximum(height[1:-2], pairs)
    # A difference across lost samples is no impulse.
    lost = np.append(np.diff(seconds) > 1.5 / samples.rate_hz, False)
    height[_around(lost, 5).any(axis=1)] = 0
    nearby = _around(height, 2 * int(STRAY_S * samples.rate_hz) + 1).max(axis=1)
    # Of a still tag, whose median is less than 1 count, the sensor's steps alone would stand out.
    peaks = np.flatnonzero((height == nearby) & (height >= STANDS_OUT))
    if between_ticks is not None:
        low, high = between_ticks
        peaks = peaks[(samples.ticks[peaks] >= low) & (samples.ticks[peaks] <= high)]
    peaks = peaks[(peaks >= 3) & (peaks < len(counts) - 3)]
    medians = np.median(_around(height, int(4 * samples.rate_hz) | 1)[peaks], axis=1)
    peaks = peaks[height[peaks] >= STANDS_OUT * medians]
    # An impulse between two samples shows in both: its centre is that of their energy over what lies around.
    quiet = (counts[peaks - 3] + counts[peaks + 3]) / 2
    energy = np.stack([((counts[peaks + side] - quiet) ** 2).sum(axis=1) for side in (-2, -1, 0, 1, 2)])
    shift = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) @ energy / np.maximum(energy.sum(axis=0), 1.0)
    return seconds[peaks] + shift / samples.rate_hz, height[peaks]


def _around(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return for each of n values those around it, (n, size), size odd; the ends are repeated beyond them."""
    return sliding_window_view(np.pad(values, size // 2, mode="edge"), size)


def _groups(times: FloatArray, strengths: FloatArray, presses: FloatArray) -> list[tuple[float, IntArray]]:
    """Return the groups of impulses spaced like the presses: strength of the weakest, and which (n,)."""
    found: dict[tuple[int, ...], float] = {}
    for shift in np.linspace(-STRAY_S, STRAY_S, 11) if len(times) else ():
        due = (times + shift)[:, None] + presses - presses[0]
        # Impulses are further apart than `STRAY_S`: at most two lie around a moment.
        one = np.minimum(np.searchsorted(times, due - STRAY_S), len(times) - 1)
        two = np.minimum(one + 1, len(times) - 1)
        two = np.where((times[two] <= due + STRAY_S) & (strengths[two] > strengths[one]), two, one)
        after = times[two] - presses
        fits = np.all(np.diff(two, axis=1) > 0, axis=1)
        fits &= np.max(np.abs(after - after.mean(axis=1, keepdims=True)), axis=1) <= STRAY_S
        found.update({tuple(row): float(strengths[row].min()) for row in two[fits]})
    return [(strength, np.array(row, np.int64)) for row, strength in found.items()]


def _chance(strengths: FloatArray, group: tuple[float, IntArray], share: float) -> float:
    """Return how many groups spaced like the presses impulses at random moments would make.

    Those count that are half as strong as the weakest of the group, the group's own left out; one at least.
    share: of the time, in which an impulse would be spaced as well as the group's are.
    """
    strength, taps = group
    others = max(int(np.sum(strengths >= RIVAL * strength)) - len(taps), 1)
    return float(others * (share * others) ** (len(taps) - 1))


def _searched_s(samples: TapSamples, between_ticks: tuple[int, int] | None) -> float:
    """Return the length of the time in which taps are looked for, s."""
    low, high = int(samples.ticks[0]), int(samples.ticks[-1])
    if between_ticks is not None:
        low, high = max(low, between_ticks[0]), min(high, between_ticks[1])
    return max((high - low) / TICKS_PER_SECOND, 1.0)


def _uncertainty(residuals: FloatArray, rate_hz: float) -> float:
    """Return the standard uncertainty of the mean of how far presses are after taps, s."""
    count = len(residuals)
    spread = float(np.std(residuals, ddof=1))
    mean = SMALL_SAMPLE.get(count, 1.05) * spread / np.sqrt(count)
    # Where within a sample an impulse lay is known to the width of the sample only.
    return float(np.sqrt(mean**2 + STEADIEST_S**2 + 1 / (12 * rate_hz**2 * count)))
