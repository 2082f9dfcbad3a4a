"""The augmented windows a student is shown, and what a listening teacher says to each.

A teacher costs many times what a student does. So where the passes outnumber `VIEWS`, as many augmented
copies of the whole training set are made beforehand and the teacher answers each once; every presentation
then takes one of a window's copies by chance. Without a listener copies cost next to nothing and stay fresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmenter

if TYPE_CHECKING:
    from mcukd.distill.phases import FloatArray, Listener

#: Copies of each window that a teacher answers.
VIEWS = 8
#: Memory that copies and answers may take; of answers too large for two views none is kept.
LARGEST_BYTES = 1 << 30
#: Windows the teacher is asked about at a time.
_AT_ONCE = 2048

Heard = Mapping[str, "FloatArray"]


class Views:
    """Shows windows (N, T, C) in changing views, with the answers of who listens to them.

    teacher: from names of answers to who gives them. hears: all names that will be asked for; empty where
    nobody listens. passes: how often each window will be shown. seed: of the copies, which are the same
    whenever an interrupted fit goes on. blended: share of the windows that are blends, each of itself and
    another in a proportion drawn evenly (mixup).
    """

    def __init__(
        self,
        windows: FloatArray,
        augment: Augmenter,
        teacher: Optional[Callable[[Sequence[str]], Listener]],
        hears: Sequence[str],
        passes: float,
        seed: Sequence[int],
        blended: float = 0.0,
    ) -> None:
        self._blended = blended
        self._windows, self._augment, self._teacher, self._hears = windows, augment, teacher, tuple(hears)
        self._copies: list[tuple[FloatArray, Heard]] = []
        if self._hears and passes > VIEWS:
            self._keep(np.random.default_rng(seed))

    def show(
        self, chosen: NDArray[np.int64], rng: np.random.Generator, hears: Sequence[str]
    ) -> tuple[FloatArray, Heard]:
        """Return views of the windows of these numbers (n,), (n, T, C), and the answers `hears` to each."""
        if not self._copies:
            return self._fresh(chosen, rng, hears)
        which = rng.integers(len(self._copies), size=len(chosen))
        windows, answers = self._copies[0]
        shown = np.empty((len(chosen), *windows.shape[1:]), windows.dtype)
        heard = {name: np.empty((len(chosen), *answers[name].shape[1:]), np.float32) for name in hears}
        for copy, (windows, answers) in enumerate(self._copies):
            mine = which == copy
            shown[mine] = windows[chosen[mine]]
            for name in hears:
                heard[name][mine] = answers[name][chosen[mine]]
        return shown, heard

    def _fresh(
        self, chosen: NDArray[np.int64], rng: np.random.Generator, hears: Sequence[str]
    ) -> tuple[FloatArray, Heard]:
        shown = self._augment(self._windows[chosen], rng)
        if self._blended:
            shown = blends(shown, self._blended, rng)
        if not hears:
            return shown, {}
        assert self._teacher is not None, "a phase listens, and nobody teaches"
        answers = self._teacher(hears)(shown, chosen)
        return shown, {name: np.asarray(answers[name], np.float32) for name in hears}

    def _keep(self, rng: np.random.Generator) -> None:
        """Make the copies; none where two would take more memory than they may."""
        everyone = np.arange(len(self._windows))
        parts = [everyone[start : start + _AT_ONCE] for start in range(0, len(everyone), _AT_ONCE)]
        copies: list[tuple[FloatArray, Heard]] = []
        allowed = VIEWS
        while len(copies) < allowed:
            made = [self._fresh(part, rng, self._hears) for part in parts]
            windows = np.concatenate([shown for shown, _ in made])
            answers = {name: np.concatenate([heard[name] for _, heard in made]) for name in self._hears}
            copies.append((windows, answers))
            size = windows.nbytes + sum(one.nbytes for one in answers.values())
            allowed = min(VIEWS, LARGEST_BYTES // size)
            if allowed < 2:
                return
        self._copies = copies


def blends(windows: FloatArray, share: float, rng: np.random.Generator) -> FloatArray:
    """Return windows (n, T, C) of which a share, drawn by chance, is each blended with another of them."""
    own = rng.random((len(windows), 1, 1), np.float32)
    own[rng.random(len(windows)) >= share] = 1
    return np.asarray(own * windows + (1 - own) * windows[rng.permutation(len(windows))], np.float32)
