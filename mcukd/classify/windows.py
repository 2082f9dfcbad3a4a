"""Windows of a streamed recording, classified block by block with the results of one pass over the whole.

Samples that a later window needs are kept from block to block, and so is a state that is carried on. A gap in
the stamps (see `mcukd.data.gaps`) ends a stretch: neither window nor state reaches across, and the next one
starts at the sample after it, as in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from mcukd.classify.recording import BLOCK, Block, Recording
from mcukd.data.gaps import REACH, Clock, clock_of, find_gaps
from mcukd.data.recordings import RATE_TOLERANCE
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.inference.batch import classify_stream, run_stream_fast, window_count

_NS = 10**9
#: Samples of a stamped recording that are held at least while gaps are looked for; the first ones give its
#: usual step.
HELD = BLOCK


@dataclass(frozen=True)
class ClassifiedWindows:
    """Consecutive windows of one stretch with their classes.

    starts, ends: (n,) int64 ns since 1970; a window stands for the hop from its first sample to the next
    window's. classes: (n,) uint8. logits: (n, K) int16. counts: the samples (S, C) they were computed of,
    window i from `offsets[i]` on. first: number of the first window in the file.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    classes: NDArray[np.uint8]
    logits: NDArray[np.int16]
    counts: NDArray[np.int16]
    offsets: NDArray[np.int64]
    first: int


@dataclass
class Counters:
    """Counts over a recording: samples, saturated ones, stretches, windows, and the stretches' time in ns.

    sums: (C,) of the samples as they lie in the file.
    """

    samples: int = 0
    sums: NDArray[np.float64] | float = 0.0
    saturated: int = 0
    stretches: int = 0
    windows: int = 0
    recorded_ns: int = 0
    first_ns: int | None = None
    last_ns: int | None = None


def classify_recording(
    model: IntegerModel, recording: Recording, hop: int, counters: Counters, size: int
) -> Iterator[ClassifiedWindows]:
    """Classify a recording, reading blocks of `size` samples; counts in `counters`.

    Raises UserError where the stamps give another rate than the model's, where no stretch holds a window,
    and what `Recording.blocks` raises.
    """
    period = _NS / recording.layout.rate_hz
    for stretch in _stretches(recording, size, counters):
        buffer = _StretchBuffer(model, hop, round(hop * period))
        begun, samples = None, 0
        for counts, times in stretch:
            begun = int(times[0]) if begun is None else begun
            samples += len(counts)
            for batch in buffer.add(counts, times, counters.windows):
                counters.windows += len(batch.classes)
                yield batch
        for batch in buffer.finish(counters.windows):
            counters.windows += len(batch.classes)
            yield batch
        assert begun is not None, "a stretch has samples"
        _check_rate(recording, model, samples, buffer.last - begun, buffer.coarse)
        counters.stretches += 1
        counters.recorded_ns += buffer.last - begun + round(period)
        counters.first_ns = begun if counters.first_ns is None else counters.first_ns
        counters.last_ns = buffer.last + round(period)
    if not counters.windows:
        raise UserError(
            f"{recording.path}: {counters.samples} samples in {counters.stretches} stretches hold no whole "
            f"window of {model.window} samples; nothing can be classified."
        )


def _stretches(
    recording: Recording, size: int, counters: Counters
) -> Iterator[Iterator[tuple[NDArray[np.int16], NDArray[np.int64]]]]:
    """Yield stretches without a gap, each an iterator over (counts, times) that must be used up in turn."""
    blocks = _counted(recording.blocks(size), counters)
    if recording.layout.segment_column is not None:
        pieces = _cut_at_segments(blocks)
    elif recording.layout.time_column is not None:
        pieces = _cut_at_gaps(blocks)
    else:
        pieces = ((number == 0, block.counts, block.times) for number, block in enumerate(blocks))
    piece = next(pieces, None)

    def stretch() -> Iterator[tuple[NDArray[np.int16], NDArray[np.int64]]]:
        nonlocal piece
        assert piece is not None
        yield piece[1:]
        piece = next(pieces, None)
        while piece is not None and not piece[0]:
            yield piece[1:]
            piece = next(pieces, None)

    while piece is not None:
        yield stretch()


def _counted(blocks: Iterable[Block], counters: Counters) -> Iterator[Block]:
    """Count the samples of blocks, and pass on blocks that have some."""
    for block in blocks:
        counters.samples += len(block.counts)
        counters.sums = counters.sums + block.sums
        counters.saturated += block.saturated
        if len(block.counts):
            yield block


#: Whether a stretch begins, its counts (n, C), and its times (n,) in ns since 1970.
_Piece = tuple[bool, NDArray[np.int16], NDArray[np.int64]]


def _cut_at_segments(blocks: Iterable[Block]) -> Iterator[_Piece]:
    """Cut blocks where the number of the segment changes."""
    segment: int | None = None
    for block in blocks:
        assert block.segments is not None
        known = block.segments[0] if segment is None else segment
        changes = np.flatnonzero(np.diff(block.segments, prepend=known)).tolist()
        yield from _pieces(block.counts, block.times, changes, segment is None or 0 in changes)
        segment = int(block.segments[-1])


def _cut_at_gaps(blocks: Iterable[Block]) -> Iterator[_Piece]:
    """Cut a stamped recording at its gaps, found as in training data, whatever the blocks' size.

    Samples are held until the following ones show whether a long step is a gap.
    """
    clock: Clock | None = None
    first: int | None = None
    passed, waiting = np.empty(0, np.int64), 0
    counts: list[NDArray[np.int16]] = []
    times: list[NDArray[np.int64]] = []
    for block in chain(blocks, [None]):
        if block is not None:
            counts.append(block.counts)
            times.append(block.times)
            waiting += len(block.times)
            if waiting < HELD:
                continue
        if not times:
            return
        held, stamps = np.concatenate(counts), np.concatenate(times)
        ready = len(stamps) if block is None else len(stamps) - REACH
        new = first is None
        first = int(stamps[0]) if first is None else first
        before = len(passed)
        seconds = (np.concatenate([passed, stamps]) - first) / _NS
        clock = clock or clock_of(seconds[:HELD])
        among = slice(max(before - 1, 0), before + ready - 1)
        gaps = find_gaps(seconds, clock=clock, among=among).after + 1 - before
        yield from _pieces(held[:ready], stamps[:ready], gaps.tolist(), new or 0 in gaps)
        passed = np.concatenate([passed, stamps[:ready]])[-REACH:]
        counts, times, waiting = [held[ready:].copy()], [stamps[ready:].copy()], len(stamps) - ready


def _pieces(
    counts: NDArray[np.int16], times: NDArray[np.int64], cuts: list[int], new: bool
) -> Iterator[_Piece]:
    """Cut samples before those numbered `cuts`. new: whether a stretch begins with the first."""
    edges = [*sorted({0, *cuts}), len(counts)]
    for start, stop in zip(edges[:-1], edges[1:]):
        yield new or start > 0, counts[start:stop], times[start:stop]


class _StretchBuffer:
    """Buffer of the samples of a stretch that later windows need, and its state where that is carried."""

    def __init__(self, model: IntegerModel, hop: int, hop_ns: int) -> None:
        self.last, self.coarse = 0, 0
        self._model, self._hop, self._hop_ns = model, hop, hop_ns
        self._counts = np.empty((0, model.channels), np.int16)
        self._times = np.empty(0, np.int64)
        self._state: NDArray[np.int16] | None = None
        self._taken = 0  # samples that are part of the state
        self._ahead = 0  # how many of the buffer's are

    def add(
        self, counts: NDArray[np.int16], times: NDArray[np.int64], first: int
    ) -> Iterator[ClassifiedWindows]:
        """Classify windows once the next one's first sample is there, which ends the time they stand for."""
        steps = np.diff(times)
        if len(steps) and (steps == 0).any():
            self.coarse = max(self.coarse, int(steps.max()))
        self.last = int(times[-1])
        self._counts = np.concatenate([self._counts, counts])
        self._times = np.concatenate([self._times, times])
        whole = window_count(len(self._counts), self._model.window, self._hop)
        followed = (len(self._counts) - 1) // self._hop
        yield from self._classify(min(whole, followed), first)

    def finish(self, first: int) -> Iterator[ClassifiedWindows]:
        """Classify the last window of a stretch, if one is left; it stands for a hop, at the usual rate."""
        yield from self._classify(window_count(len(self._counts), self._model.window, self._hop), first)

    def _classify(self, count: int, first: int) -> Iterator[ClassifiedWindows]:
        if not count:
            return
        offsets = np.arange(count, dtype=np.int64) * self._hop
        used = self._counts[: offsets[-1] + self._model.window]
        logits = np.empty((count, len(self._model.classes)), np.int16)
        after = count * self._hop
        if self._model.stream:
            classes = self._carry(max(len(used), after), logits)
        else:
            classes = classify_stream(self._model, used, self._hop, logits)
        starts = self._times[offsets]
        last = self._times[after] if after < len(self._times) else starts[-1] + self._hop_ns
        yield ClassifiedWindows(starts, np.append(starts[1:], last), classes, logits, used, offsets, first)
        # Copies, so that the block they come from is freed.
        self._counts, self._times = self._counts[after:].copy(), self._times[after:].copy()
        self._ahead = max(0, self._ahead - after)

    def _carry(self, until: int, logits: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Take the buffer's samples up to `until` into the state; fill `logits` and return the classes."""
        fresh = self._counts[self._ahead : until]
        found = run_stream_fast(self._model, fresh, self._hop, self._state, self._taken)
        self._state, self._taken, self._ahead = found.last, self._taken + len(fresh), until
        logits[:] = found.logits
        return found.classes.astype(np.uint8)


def _check_rate(
    recording: Recording, model: IntegerModel, samples: int, duration_ns: int, coarse_ns: int
) -> None:
    """Check the rate of a stretch that has windows.

    coarse_ns: step of stamps that repeat, such as whole seconds; they hide up to one at each end.
    """
    if recording.layout.time_column is None or samples < model.window:
        return
    expected = (samples - 1) * _NS / model.rate_hz
    if abs(duration_ns - expected) > RATE_TOLERANCE * expected + 2 * coarse_ns:
        rate = f"{(samples - 1) * _NS / duration_ns:.4g}" if duration_ns else "endlessly many"
        raise UserError(
            f"{recording.path}: its stamps give {rate} samples per second, but the model was made for "
            f"{model.rate_hz:g} Hz; resample the recording to that rate first."
        )
