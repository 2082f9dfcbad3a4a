"""Ethograms: the offset of two accounts of one animal from their agreement alone, where nobody tapped.

The time in which two tracks agree is a function of the lag between them that is made of straight lines: each
pair of intervals of one behaviour adds a trapezium. So it is computed exactly, at every lag at once, without
a grid. Its highest point is the median of how far changes of behaviour in the one come after those in the
other. What both accounts delay by the same, as an observer's reaction or a tag's window, is part of the
offset: agreement cannot tell it from a clock's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.track import Track
from mcukd.text import plural

NS = 1_000_000_000
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Changes of behaviour both accounts must show within `NEAR_S` of each other at the best lag.
FEWEST_CHANGES = 8
NEAR_S = 10.0
#: The best agreement must exceed the best at any lag further than `APART_S` by this share of the time.
STANDS_OUT = 0.08
APART_S = 20.0
#: And lie this many standard deviations above the mean over all other lags, which are a circular null.
SIGMAS = 4.0
#: Lags at which less than this share of the shorter account is known to both are not looked at.
OVERLAP = 0.5
#: Changes are not taken to scatter less than this, s: keys are pressed and results made in steps.
FINEST_S = 0.1
#: Half the width that a result must not exceed, s: twice its standard uncertainty.
WIDEST_S = 2.0


@dataclass(frozen=True)
class EthogramOffset:
    """The second track's times and `lag_s` more are the first's.

    uncertainty_s: standard uncertainty of the lag. agreement: share of the time in which both agree there;
    elsewhere: the best share at any other lag. changes: of behaviour that both show. middle_ns: of the time
    that they share, by the first's clock.
    """

    lag_s: float
    uncertainty_s: float
    agreement: float
    elsewhere: float
    changes: int
    middle_ns: int


@dataclass(frozen=True)
class NotEnough:
    """The two tracks do not tell their offset; `why` says in a sentence what is missing."""

    why: str


def agreement_by_lag(
    first: Track, second: Track, low_ns: int, high_ns: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return lags (B,) in ns, sorted, and the time in ns that both know and that both agree there.

    Between two lags both are straight lines. They are right from low_ns to high_ns; intervals that meet at
    other lags alone are left out. Classes are found by name.
    """
    second = second.with_classes(list(dict.fromkeys([*first.classes, *second.classes])))
    lags, agree = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for start, end, behaviour in zip(first.starts, first.ends, first.behaviours):
        # Sorted, as the second's intervals are: those that can meet this one lie together.
        meets = slice(
            int(np.searchsorted(second.ends, start - high_ns)),
            int(np.searchsorted(second.starts, end - low_ns, side="right")),
        )
        starts, ends = second.starts[meets], second.ends[meets]
        lags.append(np.stack([start - ends, start - starts, end - ends, end - starts], axis=1).ravel())
        agree.append(second.behaviours[meets] == behaviour)
    corners, place = np.unique(np.concatenate(lags), return_inverse=True)
    same = np.repeat(np.concatenate(agree), 4)
    # A trapezium turns upward at its first corner, downward at the next two, upward at the last.
    turns = np.tile([1.0, -1.0, -1.0, 1.0], len(same) // 4)
    steps = np.diff(corners).astype(np.float64)
    known, agreed = (
        np.append(0.0, np.cumsum(np.cumsum(np.bincount(place.ravel(), each, len(corners)))[:-1] * steps))
        for each in (turns, np.where(same, turns, 0.0))
    )
    return corners, known[: len(corners)], agreed[: len(corners)]


def find_offset(
    first: Track, second: Track, within_s: float = 3600.0, around_s: float = 0.0
) -> EthogramOffset | NotEnough:
    """Find by how much the second track's clock is behind the first's.

    within_s: largest offset looked for, from around_s, in s.
    """
    first, second = first.bouts(), second.bouts()
    for track in (first, second):
        if len(track) - 1 < FEWEST_CHANGES:
            return NotEnough(_too_few(max(len(track) - 1, 0), f"in what {track.source} says"))
    low, high = (round((around_s + side * within_s) * NS) for side in (-1, 1))
    lags, known, agreed = agreement_by_lag(first, second, low, high)
    shortest = min(float(np.sum(first.durations)), float(np.sum(second.durations)))
    near = (lags >= low) & (lags <= high) & (known >= OVERLAP * shortest)
    if not near.any():
        return NotEnough(
            f"at no offset of up to {within_s:g} s do both accounts cover half of the shorter one's time."
        )
    lags, share = lags[near], agreed[near] / known[near]
    best = int(np.argmax(share))
    far = np.abs(lags - lags[best]) > APART_S * NS
    if not far.any():
        return NotEnough(
            f"offsets of up to {within_s:g} s are too few to tell the best from others: look further."
        )
    elsewhere = float(share[far].max())
    mean, sd = _moments(lags[far], share[far])
    changes = _changes(first, second, int(lags[best]))
    if len(changes) < FEWEST_CHANGES:
        return NotEnough(_too_few(len(changes), f"that both show within {NEAR_S:g} s of each other"))
    if share[best] - elsewhere < STANDS_OUT or share[best] - mean < SIGMAS * sd:
        other = float(lags[far][np.argmax(share[far])] - lags[best]) / NS
        return NotEnough(
            f"the best offset agrees in {share[best]:.0%} of the time, and one {abs(other):.0f} s away in "
            f"{elsewhere:.0%}: observe for longer, over more changes of behaviour, or tap the tag."
        )
    # For normal errors: 1.4826 median deviations are a standard deviation, and a median scatters 1.2533 times
    # as much as a mean.
    spread = 1.4826 * float(np.median(np.abs(changes - np.median(changes))))
    uncertainty = 1.2533 * max(spread, FINEST_S) / np.sqrt(len(changes))
    if 2 * uncertainty > WIDEST_S:
        need = int(np.ceil(len(changes) * (2 * uncertainty / WIDEST_S) ** 2)) - len(changes)
        return NotEnough(
            f"the offset is known to ± {2 * uncertainty:.1f} s, more than {WIDEST_S:g} s: about "
            f"{plural(need, 'change')} of behaviour more would do, or tap the tag."
        )
    inside = [
        max(first.starts[0], second.starts[0] + lags[best]),
        min(first.ends[-1], second.ends[-1] + lags[best]),
    ]
    return EthogramOffset(
        float(lags[best]) / NS,
        float(uncertainty),
        float(share[best]),
        elsewhere,
        len(changes),
        int(inside[0] + (inside[1] - inside[0]) // 2),
    )


def offsets_of_halves(
    first: Track, second: Track, whole: EthogramOffset
) -> tuple[EthogramOffset | None, EthogramOffset | None]:
    """Return the offset within each half of the shared time, None where a half does not tell it.

    Two halves give a drift. One that lies further than a minute from the whole's is not believed.
    """
    found = []
    limits = [int(first.starts[0]), whole.middle_ns, int(first.ends[-1])]
    for low, high in zip(limits, limits[1:]):
        half = find_offset(first.within(np.array([[low, high]])), second, around_s=whole.lag_s)
        near = isinstance(half, EthogramOffset) and abs(half.lag_s - whole.lag_s) <= 60
        found.append(half if isinstance(half, EthogramOffset) and near else None)
    return found[0], found[1]


def _changes(first: Track, second: Track, lag: int) -> FloatArray:
    """Return how far changes of the first come after the same ones of the second at a lag, in s."""
    ours, theirs = _into(first), _into(second)
    found = []
    for kind, times in ours.items():
        others = theirs.get(kind)
        if others is None:
            continue
        apart = (times[:, None] - (others + lag)[None, :]) / NS
        nearest = np.argmin(np.abs(apart), axis=1)
        # Each of both is the other's nearest, so that no change counts twice.
        mutual = np.argmin(np.abs(apart), axis=0)[nearest] == np.arange(len(times))
        distance = apart[np.arange(len(times)), nearest]
        found.append(distance[mutual & (np.abs(distance) <= NEAR_S)])
    return np.concatenate(found) if found else np.zeros(0)


def _into(track: Track) -> dict[tuple[str, str], IntArray]:
    """Return the times at which one behaviour gave way to another, by the two names."""
    names = np.array(track.classes)[track.behaviours]
    found: dict[tuple[str, str], list[int]] = {}
    for k in np.flatnonzero(track.starts[1:] == track.ends[:-1]):
        found.setdefault((str(names[k]), str(names[k + 1])), []).append(int(track.starts[k + 1]))
    return {kind: np.array(times, np.int64) for kind, times in found.items()}


def _moments(lags: IntArray, share: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation of the agreement over lags, which lie at uneven distances."""
    weights = np.gradient(lags.astype(np.float64)) if len(lags) > 1 else np.ones(1)
    mean = float(np.average(share, weights=weights))
    return mean, float(np.sqrt(np.average((share - mean) ** 2, weights=weights)))


def _too_few(count: int, where: str) -> str:
    return (
        f"there are {plural(count, 'change')} of behaviour {where}, and {FEWEST_CHANGES} are needed: observe "
        "for longer, or tap the tag."
    )
