"""Context of windows in training: samples before them, through which a network carries its state.

A network whose state is never reset answers from a state that earlier samples made. It is trained on windows
that each follow a random number of samples of their own recording. These make the state, without gradients
(truncated backpropagation through time: Williams and Peng 1990); the loss is that of the window alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.data.past import Past

if TYPE_CHECKING:
    import keras

    FloatArray = NDArray[np.float32]

#: Longest context, in windows, or in crops where a phase trains on crops.
LONGEST = 4
#: Shortest that a call's longest context may be, likewise.
_SHORTEST = 1 / 8
#: Fraction of the windows that start from the zero state, as those at the start of a recording do.
ZERO_FRACTION = 1 / 8
#: A sample counts as recorded from this on, as two that are mixed add up to 1 but for rounding.
_RECORDED = 0.999


@dataclass(frozen=True)
class CarriedState:
    """How a recurrent network is run from a state, by TensorFlow.

    state: from the model, samples (B, L, C), the first sample of each that was recorded (B,) and the first
    that any of them has, the state after the last sample; it is zero before the first. outputs: from the
    model, windows (B, T, C) and that state, the logits (B, K).
    """

    state: Callable[[keras.Model, Any, Any, Any], Any]
    outputs: Callable[[keras.Model, Any, Any], Any]


class WindowsInContext:
    """Normalized windows, each with the samples before it, gathered when they are asked for.

    windows: (N, T, C), the accelerometer's channels first. past: where they lie. scale: counts that are 1.
    labels, animals: (N,). Where a recording has one behaviour alone, as where each bout is a file, no context
    would hold a change of behaviour, which a tag meets every day, and the student would never learn to let go
    of a behaviour. There, half of the contexts begin with another recording of the animal.
    """

    def __init__(
        self, windows: FloatArray, past: Past, scale: float, labels: NDArray[np.int64], animals: NDArray[Any]
    ) -> None:
        self._windows, self._past, self._scale = windows, past, np.float32(scale)
        self.length = windows.shape[1]
        behaviours = np.unique([past.origins, labels], axis=1)[0]
        recordings, counts = np.unique(behaviours, return_counts=True)
        self.joins = np.isin(past.origins, recordings[counts == 1])
        self._animals = np.unique(animals, return_inverse=True)[1]
        self._by_animal = np.argsort(self._animals, kind="stable")
        self._first = np.searchsorted(self._animals[self._by_animal], np.arange(self._animals.max() + 2))

    def __len__(self) -> int:
        return len(self._windows)

    def behind(self, index: NDArray[np.int64], count: int, rng: np.random.Generator) -> FloatArray:
        """Return windows behind `count` samples (n, count + T, C + 1).

        The last channel is 1 where a sample was recorded. Extra channels of the context are 0.
        """
        windows = self._windows[index]
        before, there = (
            self._joined(index, count, rng) if self.joins.any() else self._past.before(index, count)
        )
        found = np.zeros((len(windows), count + self.length, windows.shape[2] + 1), np.float32)
        found[:, :count, : before.shape[2]] = before / self._scale
        found[:, count:, :-1] = windows
        found[..., -1] = np.arange(-count, self.length) >= -there[:, None]
        return found

    def _joined(
        self, index: NDArray[np.int64], count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Return what is before windows; that of bouts is half the time begun with another recording."""
        past, animal = self._past, self._animals[index]
        others = self._by_animal[rng.integers(self._first[animal], self._first[animal + 1])]
        join = self.joins[index] & (rng.random(len(index)) < 0.5)
        join &= past.origins[others] != past.origins[index]
        there = np.minimum(past.begins[index] - past.origins[index], count)
        own = np.minimum(there, rng.integers(count + 1, size=len(index)))
        joined, of_joined = past.joined(index, count, own, others, self.length)
        alone, _ = past.before(index, count)
        return np.where(join[:, None, None], joined, alone), np.where(join, of_joined, there)

    def without(self, found: FloatArray) -> FloatArray:
        """Return the windows alone (n, T, C) out of what `behind` returned."""
        return found[:, -self.length :, :-1]


class Drawn(NamedTuple):
    """Windows or crops of T samples behind L samples of context: samples (n, L + T, C).

    first: (n,) int32, the first sample of each that makes its state. begin: a sample before which no state
    is made.
    """

    samples: FloatArray
    first: NDArray[np.int32]
    begin: np.int32


def drawn_length(length: int, rng: np.random.Generator) -> int:
    """Return the longest context, in samples, of a call that trains on windows or crops of `length` samples.

    All of a call share it, so that no step runs longer; lengths are drawn evenly over their logarithm.
    """
    low, high = np.log(max(1.0, _SHORTEST * length)), np.log(LONGEST * length)
    return round(float(np.exp(rng.uniform(low, high))))


def drawn_contexts(
    found: FloatArray, steps: int, length: int, longest: int, rng: np.random.Generator
) -> Drawn:
    """Return a crop of `length` samples of each window, from a random start, behind up to `longest` samples.

    found: of `WindowsInContext`, windows of `steps` samples behind at least `longest`. What a window has of
    its recording may be less, down to nothing; some are given nothing.
    """
    start = rng.integers(steps - length + 1, size=len(found)) + found.shape[1] - steps - longest
    if length == steps:
        taken = found[:, -longest - steps :]
    else:
        taken = found[np.arange(len(found))[:, None], start[:, None] + np.arange(longest + length)]
    there = np.sum(taken[:, :longest, -1] >= _RECORDED, axis=1)
    used = np.where(rng.random(len(found)) >= ZERO_FRACTION, there, 0)
    reach = LONGEST * length
    samples = np.zeros((len(found), reach + length, found.shape[2] - 1), np.float32)
    samples[:, reach - longest :] = taken[..., :-1]
    return Drawn(samples, (reach - used).astype(np.int32), np.int32(reach - longest))


def context_steps(steps: int) -> int:
    """Return L of samples (n, L + T, C) that `drawn_contexts` returned; steps: L + T."""
    return steps * LONGEST // (LONGEST + 1)
