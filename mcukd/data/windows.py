"""Labelled windows of sensor counts, the data type of every later stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.past import Past

#: Label of a window whose behaviour nobody noted, or whose label is not used.
NO_LABEL = -1


@dataclass(frozen=True)
class Windows:
    """Labelled windows of sensor counts, none of which crosses a segment or an animal.

    counts: (N, T, C) int16, raw sensor integers as the board's sensor would give them.
    labels: (N,) int64, index into `classes`; NO_LABEL in windows to learn from without labels.
    animals: (N,) str. segments: (N,) int64, one number per continuous recording of one behaviour.
    split: (N,) of "train"/"test" where the data set has an official split, else None.
    counts_per_g: counts per standard gravity. rate_hz: sampling rate.
    extra: (N, T, E) float32, the card's extra channels in their units, where they were asked for.
    extra_names: E names. extra_vectors: first channel of each vector that turns with the acceleration.
    past: what was recorded before each window, where it was asked for.
    """

    counts: NDArray[np.int16]
    labels: NDArray[np.int64]
    animals: NDArray[Any]
    segments: NDArray[np.int64]
    classes: tuple[str, ...]
    rate_hz: float
    counts_per_g: float
    card: str
    simulated: bool
    split: NDArray[Any] | None = None
    extra: NDArray[np.float32] | None = None
    extra_names: tuple[str, ...] = ()
    extra_vectors: tuple[int, ...] = ()
    past: Past | None = None

    def __post_init__(self) -> None:
        if self.extra is not None and self.extra.shape != (*self.counts.shape[:2], len(self.extra_names)):
            raise ValueError(
                f"extra channels {self.extra.shape} do not go with windows {self.counts.shape} and "
                f"{len(self.extra_names)} names"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def seconds(self) -> float:
        """Length of one window in seconds."""
        return float(self.counts.shape[1] / self.rate_hz)

    def take(self, index: NDArray[Any]) -> Windows:
        """Return the windows at `index` (integers or a mask), in that order."""
        return replace(
            self,
            counts=self.counts[index],
            labels=self.labels[index],
            animals=self.animals[index],
            segments=self.segments[index],
            split=None if self.split is None else self.split[index],
            extra=None if self.extra is None else self.extra[index],
            past=None if self.past is None else self.past.take(index),
        )

    def without_labels(self) -> Windows:
        """Return the windows with NO_LABEL for every label."""
        return replace(self, labels=np.full(len(self), NO_LABEL, np.int64))

    def with_more(self, other: Windows) -> Windows:
        """Return these windows followed by those of another set with the same shape, classes and channels.

        Segments of the other set are numbered on; an official split and the past are dropped.
        """
        if (self.counts.shape[1:], self.extra_names) != (other.counts.shape[1:], other.extra_names):
            raise ValueError(
                f"windows {self.counts.shape[1:]} {self.extra_names} do not go with "
                f"{other.counts.shape[1:]} {other.extra_names}"
            )
        first = int(self.segments.max(initial=-1)) + 1
        return replace(
            self,
            counts=np.concatenate([self.counts, other.counts]),
            labels=np.concatenate([self.labels, other.labels]),
            animals=np.concatenate([self.animals, other.animals]),
            segments=np.concatenate([self.segments, other.segments + first]),
            split=None,
            past=None,
            extra=None
            if self.extra is None or other.extra is None
            else np.concatenate([self.extra, other.extra]),
        )
