"""Spans of a tag's results in time: the one rule for its stream, its log and its payloads.

A tag makes a result when a window of samples is complete, so the result is of the time before it. Each result
stands for one hop in the middle of its window: results that follow one another then cover time without gap
and overlap, and a change of behaviour is not shown early or late. A majority of the last k results shows a
change (k - 1) / 2 results later than each result for itself does, so its spans are moved back by that.

A tag that reads its sensor's FIFO makes a result some tenths of a second after the window's last sample, and
never before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
#: Results whose earliest times a result is dated by, itself included.
_TOGETHER = 4


def delay_ns(window_ns: int, hop_ns: int, smoothing: int = 1) -> int:
    """Return how long before a result was made the time that it stands for began.

    window_ns, hop_ns: lengths in ns. smoothing: results in a majority, 1 for the results themselves.
    """
    return (window_ns + hop_ns + (smoothing - 1) * hop_ns) // 2


def result_span(made_ns: int, window_ns: int, hop_ns: int, smoothing: int = 1) -> tuple[int, int]:
    """Return the time [start, end) in ns that a result stands for which was made at `made_ns`."""
    start = made_ns - delay_ns(window_ns, hop_ns, smoothing)
    return start, start + hop_ns


def run_span(first_ns: int, results: int, window_ns: int, hop_ns: int, smoothing: int = 1) -> tuple[int, int]:
    """Return the time [start, end) in ns of results in a row, the first of them made at `first_ns`.

    As a bout of a tag's log, which has the time of its first result and their number.
    """
    start = first_ns - delay_ns(window_ns, hop_ns, smoothing)
    return start, start + results * hop_ns


def result_spans(
    numbers: IntArray, made_ns: IntArray, window_ns: int, hop_ns: int, smoothing: int = 1
) -> tuple[IntArray, IntArray]:
    """Return starts and ends (N,) in ns of the time that results stand for.

    numbers: (N,) of results in ascending order; where one is missing, or two are made much further apart than
    a hop, as after lost samples, time stays uncovered. made_ns: (N,) when they were made. A result that was
    made late, as where a FIFO is read, is dated by those after it: it is no later than one hop before the
    next. Results of one time cannot all keep it; a span may be empty, and its end is then its start.
    """
    numbers, made = np.asarray(numbers, np.int64), np.asarray(made_ns, np.int64)
    if not len(numbers):
        return made, made
    follows = (np.diff(numbers) == 1) & (np.diff(made) < 2 * hop_ns)
    run = np.concatenate([[0], np.cumsum(~follows)])
    dated = made.copy()
    for later in range(1, min(_TOGETHER, len(made))):
        same = run[later:] == run[:-later]
        earliest = np.where(same, made[later:] - later * hop_ns, made[:-later])
        dated[:-later] = np.minimum(dated[:-later], earliest)
    starts = np.maximum.accumulate(dated) - delay_ns(window_ns, hop_ns, smoothing)
    ends = starts + hop_ns
    ends[:-1] = np.where(follows, starts[1:], np.minimum(ends[:-1], starts[1:]))
    return starts, ends
