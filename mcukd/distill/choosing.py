"""Settings of a lesson that are chosen on inner animals: a network's passes, the weight of the spectral term.

What a choice is given are the windows of a lesson's training animals and no others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distill.checkpoint import Checkpoints
from mcukd.distill.choice import choose
from mcukd.distill.plan import COSTS, EPOCH_FACTORS, frequencies
from mcukd.distill.trainer import FloatArray, Recipe, Targets, answering, logits
from mcukd.distill.view import View

if TYPE_CHECKING:
    from mcukd.distill.classroom import Classroom
    from mcukd.distill.teachers import Teacher


def choose_epochs(
    room: Classroom,
    role: str,
    seen: Windows,
    recipe: Recipe,
    seed: int,
    advance: Callable[[int], None],
    saved: Optional[Checkpoints],
) -> Recipe:
    """Return the recipe of the "teacher" or the "student" with the passes that do best on inner animals."""
    trainer, channels = room.trainer(role), room.channels(role)
    fits = 0

    def predict(candidate: Recipe, inner: Windows, unseen: Windows) -> NDArray[np.int64]:
        nonlocal fits
        fits += 1
        view = View.of(inner, room.config)
        targets = Targets(inner.labels, smoothing=room.config.smoothing)
        model = trainer.fit(
            view.show(inner),
            targets,
            candidate,
            seed,
            lambda count: advance(count * COSTS[role]),
            saved.of(f"{role}-choice{fits}") if saved else None,
        )
        return np.argmax(logits(answering(model), view.show(unseen)[..., :channels]), axis=1)

    candidates = [replace(recipe, epochs=max(1, round(f * recipe.epochs))) for f in EPOCH_FACTORS]
    return choose(candidates, seen, predict).best


def choose_frequency(
    room: Classroom,
    teacher: Teacher,
    soft: Optional[FloatArray],
    seen: Windows,
    recipe: Recipe,
    seed: int,
    advance: Callable[[int], None],
    saved: Checkpoints,
) -> float:
    """Return the weight of SMLDist's spectral term whose students do best on inner animals.

    Students of inner folds learn from the others' windows; their teacher is that of all, as in a search.
    soft: the teacher's logits (N, K) about the windows `seen`, where the method uses them.
    """
    view = View.of(seen, room.config)
    windows, fits = view.show(seen), 0

    def predict(weight: float, inner: Windows, unseen: Windows) -> NDArray[np.int64]:
        nonlocal fits
        fits += 1
        mine = np.isin(seen.animals, np.unique(inner.animals))
        student = room.with_frequency(weight).taught_student(
            teacher.about(mine),
            None if soft is None else soft[mine],
            inner,
            windows[mine],
            recipe,
            seed,
            advance,
            saved,
            f"frequency-choice{fits}",
        )
        return np.argmax(logits(student, view.show(unseen)[..., : view.channels]), axis=1)

    return choose(frequencies(room.config), seen, predict).best
