"""Survey of the samples of a data set, animal by animal, gathered in one pass and bounded memory.

Used to work out the card of new data, and to check a card against the data it is of.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.gaps import Cut, find_gaps, stretches
from mcukd.data.raw_segments import RawSegment

#: Samples of a stretch short enough that an animal may keep still in it, long enough to average noise.
STILL_SAMPLES = 16
#: Deviation per axis, as a share of the median vector length, below which a stretch counts as still.
STILL_SHARE = 0.02
_KEPT_STILL = 4000
_KEPT_STEPS = 100_000
_KEPT_PLACES = 5000
#: Shorter runs are too likely to be alike by chance (a still animal in coarse steps).
_HASHED_SAMPLES = 32
#: Median vector lengths from a millionth to a million, in steps of about one per cent.
LENGTH_EDGES = np.geomspace(1e-6, 1e6, 2801)


@dataclass
class Place:
    """One continuous recording: name and origin, samples, their sum (3,), their median length, labels.

    median_length: over all of its runs. labels: label → samples, with "" for none.
    """

    name: str
    origin: str
    samples: int
    total: NDArray[np.float64]
    median_length: float
    labels: Counter[str]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean vector (3,)."""
        return self.total / max(self.samples, 1)


@dataclass
class AnimalSurvey:
    """Everything known of one animal's samples, in the source's units.

    labels: label → samples, with "" for none. runs, stretches: label → length in samples → number, of its
    runs and of what gaps leave of them. still: mean vectors of stretches at rest. steps: time steps in
    seconds. missing_s: of samples that gaps lack. hitches: long steps that are no gap. repeated: stamps that
    stand twice; duplicates: whole rows that do. dropped: rows left out
    as no measurement. clock_s, clock_steps: time that passed outside of gaps and
    the steps it took. transitions: (label, label) → times within one recording. origin: of its first segment.
    """

    origin: str
    samples: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    runs: dict[str, Counter[int]] = field(default_factory=dict)
    stretches: dict[str, Counter[int]] = field(default_factory=dict)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LENGTH_EDGES) + 1, np.int64))
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(3, np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(3, -np.inf))
    at_low: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    at_high: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    whole_numbers: bool = True
    still: list[NDArray[np.float64]] = field(default_factory=list)
    steps: list[NDArray[np.float64]] = field(default_factory=list)
    gaps: list[tuple[float, str]] = field(default_factory=list)
    gap_count: int = 0
    backwards: int = 0
    repeated: int = 0
    duplicates: int = 0
    dropped: int = 0
    hitches: int = 0
    missing_s: float = 0.0
    clock_s: float = 0.0
    clock_steps: int = 0
    first_time: float = np.inf
    last_time: float = -np.inf
    places: list[Place] = field(default_factory=list)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def median_length(self) -> float:
        """Median length of the acceleration vector, to about one per cent."""
        return _median(self.lengths)

    @property
    def step(self) -> float | None:
        """Usual time step in seconds, None without stamps.

        The mean over what is no gap, because stamps cut to whole milliseconds or seconds have no such step.
        """
        return self.clock_s / self.clock_steps if self.clock_steps and self.clock_s > 0 else None

    @property
    def longest(self) -> Counter[str]:
        """Label → samples of its longest stretch without a gap."""
        return Counter({label: max(lengths) for label, lengths in self.stretches.items()})

    def windows(self, label: str, cut: Cut) -> int:
        """Return the whole windows of a label."""
        return cut.count(self.stretches.get(label, {}))

    @property
    def jitter(self) -> float | None:
        """Share of the usual step by which steps scatter (half the distance of 5th and 95th percentile)."""
        steps, usual = self._steps(), self.step
        if usual is None:
            return None
        near = steps[(steps >= 0) & (steps <= 2.5 * usual)]
        return float((np.percentile(near, 95) - np.percentile(near, 5)) / 2 / usual) if len(near) else None

    @property
    def constant(self) -> list[int]:
        """Axes that never change."""
        return np.flatnonzero(self.low == self.high).tolist() if self.samples >= 100 else []

    def at_ends(self) -> tuple[float, int]:
        """Return the greatest absolute value and how many values lie exactly there, with both signs."""
        level = float(max(np.abs(self.low).max(), np.abs(self.high).max()))
        ends = int(
            self.at_low[self.low <= -level * (1 - 1e-3)].sum()
            + self.at_high[self.high >= level * (1 - 1e-3)].sum()
        )
        return level, ends

    def rest(self) -> NDArray[np.float64]:
        """Return mean vectors (n, 3) of stretches at rest."""
        return np.array(self.still).reshape(-1, 3)

    def _steps(self) -> NDArray[np.float64]:
        return np.concatenate(self.steps) if self.steps else np.empty(0)


@dataclass(frozen=True)
class Stretch:
    """One segment of samples. start: seconds of its first, None without stamps."""

    animal: str
    place: str
    origin: str
    samples: int
    start: float | None


@dataclass
class Survey:
    """Surveys of all animals. copies, copied: origins and stretches with the same samples, bit for bit."""

    animals: dict[str, AnimalSurvey] = field(default_factory=dict)
    copies: list[tuple[str, str]] = field(default_factory=list)
    copied: list[tuple[Stretch, Stretch]] = field(default_factory=list)
    _hashes: dict[bytes, Stretch] = field(default_factory=dict)
    _last: RawSegment | None = None
    _open: list[RawSegment] = field(default_factory=list)
    _before: NDArray[np.float64] | None = None
    _place_lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def labels(self) -> Counter[str]:
        """Label → samples, of all animals."""
        return sum((one.labels for one in self.animals.values()), Counter())

    @property
    def median_length(self) -> float:
        """Median of the animals' median vector lengths."""
        return float(np.median([one.median_length for one in self.animals.values()]))

    def add(self, segment: RawSegment) -> None:
        """Take in one segment, or the next piece of it; the last piece says that the segment is whole."""
        one = self.animals.get(segment.animal)
        if one is None and (len(segment.samples) or segment.dropped):
            one = self.animals.setdefault(segment.animal, AnimalSurvey(segment.origin))
        if one is not None and segment.dropped:
            one.dropped += segment.dropped
        if one is None or not len(segment.samples):
            return
        label = segment.label or ""
        last = self._last
        goes_on = last is not None and (last.animal, last.place) == (segment.animal, segment.place)
        continued = goes_on and last is not None and not last.whole and (last.label or "") == label
        one.samples += len(segment.samples)
        one.labels[label] += len(segment.samples)
        if goes_on and last is not None and not continued and (last.label or "") != label:
            one.transitions[last.label or "", label] += 1
        _add_values(one, segment)
        if not continued:
            self._open, self._before = [], last.seconds if goes_on and last is not None else None
        # Gaps are told from the stamps of the whole segment, as the readers do; its samples are not kept.
        self._open.append(replace(segment, samples=np.empty((len(segment.samples), 0))))
        one.duplicates += _duplicates(segment)
        if segment.whole:
            _add_times(one, self._open, self._before)
        self._add_place(one, segment, goes_on)
        self._add_hash(segment)
        self._last = segment

    def _add_place(self, one: AnimalSurvey, segment: RawSegment, goes_on: bool) -> None:
        total, lengths = segment.samples.sum(axis=0), np.linalg.norm(segment.samples, axis=1)
        counts = np.bincount(np.searchsorted(LENGTH_EDGES, lengths), minlength=len(LENGTH_EDGES) + 1)
        if goes_on and one.places and one.places[-1].name == segment.place:
            # Of the whole recording, not of how it begins: a splash does not make a recording faulty.
            self._place_lengths += counts
            place = one.places[-1]
            place.samples += len(segment.samples)
            place.total = place.total + total
            place.median_length = _median(self._place_lengths)
            place.labels[segment.label or ""] += len(segment.samples)
        elif len(one.places) < _KEPT_PLACES:
            self._place_lengths = counts
            labels = Counter({segment.label or "": len(segment.samples)})
            one.places.append(
                Place(
                    segment.place,
                    segment.origin,
                    len(segment.samples),
                    total,
                    float(np.median(lengths)),
                    labels,
                )
            )

    def _add_hash(self, segment: RawSegment) -> None:
        if len(segment.samples) < _HASHED_SAMPLES or len(self._hashes) > 1_000_000:
            return
        digest = hashlib.blake2b(np.ascontiguousarray(segment.samples).tobytes(), digest_size=16).digest()
        start = None if segment.seconds is None else float(segment.seconds[0])
        own = Stretch(segment.animal, segment.place, segment.origin, len(segment.samples), start)
        first = self._hashes.setdefault(digest, own)
        if first is not own and first.origin != segment.origin:
            self.copies.append((first.origin, segment.origin))
            # What stands still is alike by chance.
            if np.ptp(segment.samples, axis=0).any():
                self.copied.append((first, own))


def survey(runs: Iterable[RawSegment]) -> Survey:
    """Survey segments (see `mcukd.data.raw_segments`)."""
    result = Survey()
    for segment in runs:
        result.add(segment)
    return result


def _median(lengths: NDArray[np.int64]) -> float:
    """Return the median, to about one per cent, of lengths counted by LENGTH_EDGES."""
    total = np.cumsum(lengths)
    place = int(np.searchsorted(total, total[-1] / 2))
    return float(
        LENGTH_EDGES[min(max(place - 1, 0), len(LENGTH_EDGES) - 1)]
        * np.sqrt(LENGTH_EDGES[1] / LENGTH_EDGES[0])
    )


def _add_values(one: AnimalSurvey, segment: RawSegment) -> None:
    samples = segment.samples
    length = np.linalg.norm(samples, axis=1)
    one.lengths += np.bincount(np.searchsorted(LENGTH_EDGES, length), minlength=len(LENGTH_EDGES) + 1)
    low, high = samples.min(axis=0), samples.max(axis=0)
    for axis in range(3):
        values = samples[:, axis]
        if low[axis] <= one.low[axis]:
            one.at_low[axis] = int(np.sum(values == low[axis])) + (
                one.at_low[axis] if low[axis] == one.low[axis] else 0
            )
        if high[axis] >= one.high[axis]:
            one.at_high[axis] = int(np.sum(values == high[axis])) + (
                one.at_high[axis] if high[axis] == one.high[axis] else 0
            )
    one.low, one.high = np.minimum(one.low, low), np.maximum(one.high, high)
    if one.whole_numbers:
        head = samples[:2000]
        one.whole_numbers = bool(np.all(head == np.floor(head)))
    pieces = len(samples) // STILL_SAMPLES
    if pieces and len(one.still) < _KEPT_STILL:
        blocks = samples[: pieces * STILL_SAMPLES].reshape(pieces, STILL_SAMPLES, 3)
        means = blocks.mean(axis=1)
        calm = (blocks.std(axis=1) < STILL_SHARE * np.linalg.norm(means, axis=1, keepdims=True)).all(axis=1)
        # Every few ones only, so that a long recording is seen to its end.
        one.still += list(means[calm][:: max(1, int(calm.sum()) // 200)])


def _duplicates(segment: RawSegment) -> int:
    """Return the rows that stand twice in a row, stamp and values."""
    if segment.seconds is None:
        return 0
    same = np.diff(segment.seconds) == 0
    return int(np.sum(same & (segment.samples[1:] == segment.samples[:-1]).all(axis=1)))


def _add_times(one: AnimalSurvey, pieces: list[RawSegment], before: NDArray[np.float64] | None) -> None:
    label, samples = pieces[0].label or "", sum(len(piece.samples) for piece in pieces)
    known = [piece.seconds for piece in pieces if piece.seconds is not None]
    own = np.concatenate(known) if len(known) == len(pieces) else None
    starts = np.cumsum([0, *(len(piece.samples) for piece in pieces)])
    breaks = [int(start) + one_break for start, piece in zip(starts, pieces) for one_break in piece.breaks]
    one.runs.setdefault(label, Counter())[samples] += 1
    one.stretches.setdefault(label, Counter()).update(
        each.stop - each.start for each in stretches(samples, own, breaks)
    )
    if own is None:
        return
    seconds = np.concatenate([before[-1:], own]) if before is not None and len(before) else own
    steps = np.diff(seconds)
    one.first_time = min(one.first_time, float(own[0]))
    one.last_time = max(one.last_time, float(own[-1]))
    if not len(steps):
        return
    one.backwards += int(np.sum(steps < 0))
    one.repeated += int(np.sum(steps == 0))
    gaps = find_gaps(seconds, singles=True)
    one.gap_count += len(gaps.after)
    one.missing_s += float(gaps.missing_s.sum())
    one.hitches += gaps.hitches
    longest = np.argsort(-steps[gaps.after])[:5]
    one.gaps += [(float(steps[gap]), pieces[0].origin) for gap in gaps.after[longest]]
    one.gaps = sorted(one.gaps, reverse=True)[:5]
    kept = np.ones(len(steps), dtype=bool)
    kept[gaps.after] = False
    kept &= steps >= 0
    changes = np.flatnonzero(steps > 0)
    if len(changes) > 1 and not len(gaps.after) and np.mean(steps == 0) > 0.5:
        # Of stamps coarser than the step, the first and the last may stand for a part of what they count.
        one.clock_s += float(seconds[changes[-1] + 1] - seconds[changes[0] + 1]) - gaps.let_pass_s
        one.clock_steps += int(changes[-1] - changes[0])
    else:
        one.clock_s += float(steps[kept].sum()) - gaps.let_pass_s
        one.clock_steps += int(kept.sum())
    if sum(len(some) for some in one.steps) < _KEPT_STEPS:
        one.steps.append(steps[:5000])
