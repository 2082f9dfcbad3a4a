"""Context of windows in training: the samples before them, through which a recurrent network carries its state.

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
#: Shortest of the drawn longest contexts of a call, likewise; lengths are drawn evenly over their logarithm.
_SHORTEST = 1 / 8
#: Fraction of the windows that start from the zero state, as those at the start of a recording do.
ZERO_FRACTION = 1 / 8
#: A sample counts as recorded from this on, as two that are mixed add up to 1 but for rounding.
_RECORDED = 0.999


@dataclass(frozen=True)
class CarriedState:
    """How a recurrent network is run from a state, by TensorFlow.

    state: from the model, samples (B, L, C), the first sample of each that was recorded (B,) and the first that
    any of them has, the state after the last sample; it is zero before the first. outputs: from the model,
    windows (B, T, C) and that state, the logits (B, K).
    """

    state: Callable[[keras.Model, Any, Any, Any], Any]
    outputs: Callable[[keras.Model, Any, Any], Any]


class WindowsInContext:
    """Normalized windows, each with the samples before it, gathered when they are asked for.

    windows: (N, T, C), the accelerometer's channels first. past: where they lie. scale: counts that are 1.
    """

    def __init__(self, windows: FloatArray, past: Past, scale: float) -> None:
        self._windows, self._past, self._scale = windows, past, np.float32(scale)
        self.length = windows.shape[1]
        self.context = LONGEST * self.length

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: NDArray[np.int64]) -> FloatArray:
        """Return windows behind their context (n, L + T, C + 1); the last channel is 1 where samples are.

        Extra channels of the context are 0.
        """
        windows = self._windows[index]
        before, there = self._past.before(index, self.context)
        found = np.zeros((len(windows), self.context + self.length, windows.shape[2] + 1), np.float32)
        found[:, : self.context, : before.shape[2]] = before / self._scale
        found[:, self.context :, :-1] = windows
        found[..., -1] = np.arange(-self.context, self.length) >= -there[:, None]
        return found

    def without(self, found: FloatArray) -> FloatArray:
        """Return the windows alone (n, T, C) out of what `__getitem__` returned."""
        return found[:, self.context :, :-1]


class Drawn(NamedTuple):
    """Windows or crops of T samples behind L samples of context: samples (n, L + T, C).

    first: (n,) int32, the first sample of each that makes its state. begin: the first of all of them.
    """

    samples: FloatArray
    first: NDArray[np.int32]
    begin: np.int32


def drawn_contexts(found: FloatArray, length: int, rng: np.random.Generator) -> Drawn:
    """Return a crop of `length` samples of each window, from a random start, behind a random context.

    found: of `WindowsInContext`. A context is at most LONGEST times as long as a crop; what it has of the
    recording may be less, down to nothing. All of a call share one limit, so that no step runs longer.
    """
    steps = found.shape[1] // (LONGEST + 1)
    reach = LONGEST * length
    start = rng.integers(steps - length + 1, size=len(found))
    first = LONGEST * steps + start - reach
    taken = found[np.arange(len(found))[:, None], first[:, None] + np.arange(reach + length)]
    there = np.sum(taken[:, :reach, -1] >= _RECORDED, axis=1)
    low, high = np.log(max(1.0, _SHORTEST * length)), np.log(reach)
    longest = round(float(np.exp(rng.uniform(low, high))))
    used = np.minimum(there, longest) * (rng.random(len(found)) >= ZERO_FRACTION)
    return Drawn(taken[..., :-1], (reach - used).astype(np.int32), np.int32(reach - longest))


def context_steps(steps: int) -> int:
    """Return L of samples (n, L + T, C) that `drawn_contexts` returned; steps: L + T."""
    return steps * LONGEST // (LONGEST + 1)
