"""Windows of recordings cut regardless of behaviours, as a tag that knows no behaviour cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.counted import CountedRecording
from mcukd.data.gaps import window_starts
from mcukd.data.past import Past
from mcukd.data.windows import NO_LABEL, Windows


@dataclass(frozen=True)
class RunningWindows:
    """Windows `hop` samples apart, counted from the start of each recording.

    windows: those whose samples all have a behaviour, with their past; the label is the behaviour of most of
    its samples, of several the last. present: (N, K), which behaviours are in each. left_out: the
    animals (M,) of windows with samples of no known behaviour.
    """

    windows: Windows
    present: NDArray[np.bool_]
    left_out: NDArray[np.str_]

    @property
    def mixed(self) -> NDArray[np.bool_]:
        """Which windows (N,) hold more than one behaviour."""
        mixed: NDArray[np.bool_] = self.present.sum(axis=1) > 1
        return mixed


def running_windows(card: Card, recordings: Sequence[CountedRecording], hop: int) -> RunningWindows:
    """Cut recordings, those of `load_counts` with `whole`, regardless of behaviours."""
    counts = np.concatenate([one.counts for one in recordings])
    lengths = np.array([len(one.counts) for one in recordings])
    labels = np.repeat([one.label for one in recordings], lengths)
    firsts = np.cumsum(lengths) - lengths
    origins = [int(first) for first, one in zip(firsts, recordings) if not one.follows]
    begins, starts, animals = [], [], []
    for origin, end in zip(origins, [*origins[1:], len(counts)]):
        own = origin + window_starts(end - origin, card.window, hop)
        animal = recordings[int(np.searchsorted(firsts, origin, side="right")) - 1].animal
        begins.append(own)
        starts.append(np.full(len(own), origin, np.int64))
        animals += [animal] * len(own)
    begin, start = np.concatenate(begins), np.concatenate(starts)
    shares = _shares(labels, begin, card.window, len(card.classes))
    known = shares.sum(axis=1) == card.window
    begin, start, shares = begin[known], start[known], shares[known]
    return RunningWindows(
        Windows(
            counts=sliding_window_view(counts, card.window, axis=0)[begin].transpose(0, 2, 1),
            labels=_most(labels, begin, card.window, shares),
            animals=np.array(animals, dtype=str)[known],
            segments=start,
            classes=card.classes,
            rate_hz=card.rate_hz,
            counts_per_g=card.counts_per_g,
            card=card.name,
            simulated=card.simulated,
            past=Past(counts, begin, start),
        ),
        shares > 0,
        np.array(animals, dtype=str)[~known],
    )


def _shares(
    labels: NDArray[np.int64], begins: NDArray[np.int64], length: int, classes: int
) -> NDArray[np.int64]:
    """Return how many samples of each class (N, K) the windows have."""
    counted = np.zeros((len(labels) + 1, classes), np.int64)
    for number in range(classes):
        counted[1:, number] = np.cumsum(labels == number)
    return counted[begins + length] - counted[begins]


def _most(
    labels: NDArray[np.int64], begins: NDArray[np.int64], length: int, shares: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the class (N,) of most samples, of several the one that the window ends with or the lowest."""
    last = labels[begins + length - 1]
    assert NO_LABEL not in last, "windows without a behaviour have no label"
    ends_with = shares[np.arange(len(last)), last] == shares.max(axis=1)
    return np.where(ends_with, last, shares.argmax(axis=1))
