"""Past of windows: the samples of their recordings before them, and states that are carried through both.

A recording, here, is everything of one animal without a gap, whatever its behaviours: a tag that carries its
state starts it from zero where a recording begins, and never again before the next gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Past:
    """Where windows lie in their recordings.

    samples: (M, C) int16, counts of all recordings, one after another. begins: (N,) int64, index of each
    window's first sample. origins: (N,) int64, index of the first sample of the recording that it is of.
    """

    samples: NDArray[np.int16]
    begins: NDArray[np.int64]
    origins: NDArray[np.int64]

    def take(self, index: NDArray[Any]) -> Past:
        """Return the past of the windows at `index` (integers or a mask), in that order."""
        return replace(self, begins=self.begins[index], origins=self.origins[index])

    def before(self, index: NDArray[np.int64], count: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Return the `count` samples before each window of `index` (n,), and how many of them there are.

        The samples are (n, count, C); where a recording begins later, what is missing at the front is zeros,
        and the second array (n,) says how many, the last ones, were recorded.
        """
        begins = self.begins[index]
        there = np.minimum(begins - self.origins[index], count)
        steps = np.arange(-count, 0)
        found = self.samples[np.maximum(begins[:, None] + steps, 0)]
        found[steps < -there[:, None]] = 0
        return found, there

    def joined(
        self,
        index: NDArray[np.int64],
        count: int,
        own: NDArray[np.int64],
        others: NDArray[np.int64],
        length: int,
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Return what is before windows as if another recording had ended where theirs begins.

        index: of windows of `length` samples (n,). own: how many samples of their own recordings come last
        (n,), at most those that there are. others: windows (n,), up to whose ends their recordings come
        before that. Returns what `before` does: (n, count, C), and how many samples are there (n,).
        """
        steps = np.arange(-count, 0)
        of_own = self.begins[index][:, None] + steps
        ends = self.begins[others] + length
        of_other = (ends + own)[:, None] + steps
        found = self.samples[np.maximum(np.where(steps >= -own[:, None], of_own, of_other), 0)]
        there = np.minimum(own + ends - self.origins[others], count)
        found[steps < -there[:, None]] = 0
        return found, there


def carried_states(
    step: Callable[[NDArray[Any], NDArray[np.int16]], NDArray[Any]],
    zero: NDArray[Any],
    past: Past,
    length: int,
) -> NDArray[Any]:
    """Return the states (N, H) after each window's last sample, carried from the start of its recording.

    step: maps states (n, H) and samples (n, C) to the next states. zero: (H,), the state that a recording
    starts from. length: samples of a window; with 0 the states are those before its first. All
    recordings are stepped side by side.
    """
    states = np.tile(zero, (len(past.begins), 1))
    origins, recording = np.unique(past.origins, return_inverse=True)
    ends = past.begins + length - past.origins
    lengths = np.zeros(len(origins), np.int64)
    np.maximum.at(lengths, recording, ends)
    # The longest first, so that those still running are the first ones.
    order = np.argsort(-lengths, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    origins, lengths, recording = origins[order], lengths[order], place[recording]
    by_end = np.argsort(ends, kind="stable")
    edges = np.searchsorted(ends[by_end], np.arange(int(lengths.max(initial=0)) + 2))
    running = np.searchsorted(-lengths, -np.arange(int(lengths.max(initial=0))), side="left")
    state = np.tile(zero, (len(origins), 1))
    for t in range(int(lengths.max(initial=0))):
        state = step(state[: running[t]], past.samples[origins[: running[t]] + t])
        ending = by_end[edges[t + 1] : edges[t + 2]]
        if len(ending):
            states[ending] = state[recording[ending]]
    return states
