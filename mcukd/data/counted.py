"""Recordings as the board's counts, and a cache of them, so that a process parses a data set once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Data sets kept in memory, as a command may compare two.
_KEPT = 2
_lock = threading.RLock()
_cache: OrderedDict[str, tuple[CountedRecording, ...]] = OrderedDict()


@dataclass(frozen=True)
class CountedRecording:
    """A recording without a gap, at the board's rate, as its sensor would give it. Arrays are read-only.

    counts: (n, 3) int16. label: index of the class. segment: number of the continuous recording. split:
    "train" or "test" where the source has an official split. extra: (n, E) float64, where asked for.
    follows: whether its first sample comes right after the last one of the recording before it, where all of
    a card's were asked for; those without a label then have the label -1 and no segment.
    """

    animal: str
    label: int
    counts: NDArray[np.int16]
    segment: int
    split: str | None = None
    extra: NDArray[np.float64] | None = None
    follows: bool = False

    def __post_init__(self) -> None:
        for array in (self.counts, self.extra):
            if array is not None:
                array.flags.writeable = False


def parsed_once(
    key: str | None, parse: Callable[[], tuple[CountedRecording, ...]]
) -> tuple[CountedRecording, ...]:
    """Return what `parse` returns, from memory where it was called for the same samples before.

    key: identity of the samples; None: parse in any case. The last few data sets are kept, 6 bytes a sample.
    """
    with _lock:
        if key is None or key not in _cache:
            made = parse()
            if key is None:
                return made
            _cache[key] = made
            if len(_cache) > _KEPT:
                _cache.popitem(last=False)
        _cache.move_to_end(key)
        return _cache[key]
