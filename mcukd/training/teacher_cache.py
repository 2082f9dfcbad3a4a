"""Cache of augmented training windows with the teacher's outputs for each.

A forward pass of the teacher costs many times that of a student. Where training presents every window more
than `COPIES` times, that many augmented copies of the training set are made first and the teacher's outputs
for each are stored; every presentation then draws one of the copies at random. Without a teacher every
presentation is augmented anew, because augmentation alone is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.training.augmentation import Augmenter
from mcukd.training.context import LONGEST

if TYPE_CHECKING:
    from mcukd.training.context import WindowsInContext
    from mcukd.training.phases import FloatArray, TeacherFn

#: Augmented copies of each window whose teacher outputs are stored.
COPIES = 8
#: Largest size of copies and outputs in bytes; outputs too large for two copies are not stored at all.
LARGEST_BYTES = 1 << 30
#: Windows per call of the teacher.
_TEACHER_BATCH = 2048

TeacherOutputs = Mapping[str, "FloatArray"]


class AugmentedTeacherCache:
    """Source of augmented windows (N, T, C) and the teacher's outputs for them.

    windows: an array, or windows in their context (`mcukd.training.context`), which are augmented together.
    teacher: from output names to the function that computes them. output_names: all that will be asked for;
    empty for training without a teacher. epochs: how often each window will be presented. seed: of the
    copies, so that a resumed fit gets the same ones. mixup_fraction: fraction of the windows that are mixed
    with another one in a uniformly drawn ratio (mixup).
    """

    def __init__(
        self,
        windows: FloatArray | WindowsInContext,
        augment: Augmenter,
        teacher: Callable[[Sequence[str]], TeacherFn] | None,
        output_names: Sequence[str],
        epochs: float,
        seed: Sequence[int],
        mixup_fraction: float = 0.0,
    ) -> None:
        self._mixup_fraction = mixup_fraction
        self._windows, self._augment, self._teacher = windows, augment, teacher
        self._output_names = tuple(output_names)
        self.copies: list[tuple[FloatArray, TeacherOutputs]] = []
        if self._output_names and epochs > COPIES:
            self._fill(np.random.default_rng(seed))

    def draw(
        self,
        index: NDArray[np.int64],
        rng: np.random.Generator,
        output_names: Sequence[str],
        context: int | None = None,
    ) -> tuple[FloatArray, TeacherOutputs]:
        """Return augmented windows (n, T, C) of indices (n,), and the teacher's named outputs for them.

        context: of windows in their context, how many samples of it are needed; copies have all.
        """
        if not self.copies:
            return self._compute(index, rng, output_names, context)
        copy_of = rng.integers(len(self.copies), size=len(index))
        windows, stored = self.copies[0]
        drawn = np.empty((len(index), *windows.shape[1:]), windows.dtype)
        outputs = {name: np.empty((len(index), *stored[name].shape[1:]), np.float32) for name in output_names}
        for copy, (windows, stored) in enumerate(self.copies):
            of_copy = copy_of == copy
            drawn[of_copy] = windows[index[of_copy]]
            for name in output_names:
                outputs[name][of_copy] = stored[name][index[of_copy]]
        return drawn, outputs

    def _compute(
        self,
        index: NDArray[np.int64],
        rng: np.random.Generator,
        output_names: Sequence[str],
        context: int | None = None,
    ) -> tuple[FloatArray, TeacherOutputs]:
        if isinstance(self._windows, np.ndarray):
            windows = self._windows[index]
        else:
            longest = LONGEST * self._windows.length
            windows = self._windows.behind(index, longest if context is None else context, rng)
        augmented = self._augment(windows, rng)
        if self._mixup_fraction:
            augmented = mixup(augmented, self._mixup_fraction, rng)
        if not output_names:
            return augmented, {}
        assert self._teacher is not None, "a phase reads teacher outputs, and there is no teacher"
        outputs = self._teacher(output_names)(augmented, index)
        return augmented, {name: np.asarray(outputs[name], np.float32) for name in output_names}

    def _fill(self, rng: np.random.Generator) -> None:
        """Compute the copies; none where two would exceed `LARGEST_BYTES`."""
        everything = np.arange(len(self._windows))
        batches = [
            everything[start : start + _TEACHER_BATCH] for start in range(0, len(everything), _TEACHER_BATCH)
        ]
        copies: list[tuple[FloatArray, TeacherOutputs]] = []
        allowed = COPIES
        while len(copies) < allowed:
            computed = [self._compute(batch, rng, self._output_names) for batch in batches]
            windows = np.concatenate([augmented for augmented, _ in computed])
            outputs = {
                name: np.concatenate([one[name] for _, one in computed]) for name in self._output_names
            }
            copies.append((windows, outputs))
            size = windows.nbytes + sum(one.nbytes for one in outputs.values())
            allowed = min(COPIES, LARGEST_BYTES // size)
            if allowed < 2:
                return
        self.copies = copies


def mixup(windows: FloatArray, fraction: float, rng: np.random.Generator) -> FloatArray:
    """Return windows (n, T, C) of which a random fraction is each mixed with another one of them."""
    own = rng.random((len(windows), 1, 1), np.float32)
    own[rng.random(len(windows)) >= fraction] = 1
    return np.asarray(own * windows + (1 - own) * windows[rng.permutation(len(windows))], np.float32)
