"""Phases of a training: each has a loss, the variables it updates, and its length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mcukd.training.losses import LossInputs, soft_label_loss

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

    #: Augmented windows (n, T, C) and their indices in the training set (n,) → the teacher's outputs by name:
    #: "logits" and the layers a phase asks for.
    TeacherFn = Callable[[FloatArray, NDArray[np.int64]], Mapping[str, FloatArray]]

#: Shortest crop of the length curriculum, in samples.
SHORTEST_CROP = 32
#: Epochs spent on crops of each length, as a fraction of all epochs.
_CROP_EPOCHS = 0.4


@dataclass(frozen=True)
class Phase:
    """One part of a training.

    loss: maps LossInputs to a scalar. teacher_outputs: names of the teacher outputs the loss reads, "logits"
    or layer names. epoch_fraction: multiplies the configured epochs. lr_scale: multiplies the peak learning
    rate. trains: returns the variables to update; None for all. mixup_fraction: fraction of the windows that
    are mixed with another one (`mcukd.training.teacher_cache`); a loss that reads labels has none.
    crop_length: samples of each window that are used, from a random start; None for the whole window.
    """

    name: str
    loss: Callable[[LossInputs], Any]
    teacher_outputs: tuple[str, ...] = ()
    epoch_fraction: float = 1.0
    lr_scale: float = 1.0
    trains: Callable[[keras.Model], list[Any]] | None = None
    mixup_fraction: float = 0.0
    crop_length: int | None = None

    def shares_inputs_with(self, other: Phase) -> bool:
        """Return whether both phases can train on the same cached augmented windows and teacher outputs."""
        own = bool(self.teacher_outputs), self.mixup_fraction
        return own == (bool(other.teacher_outputs), other.mixup_fraction)


#: Training on hard labels and precomputed soft labels; the only phase of most teachers and students.
LABELS = Phase("labels", soft_label_loss)


def crop_lengths(steps: int) -> list[int]:
    """Return the crop lengths that a fit on windows of `steps` samples starts with; none for short ones."""
    return [steps // divisor for divisor in (8, 4, 2) if steps // divisor >= SHORTEST_CROP]


def length_curriculum(phases: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """Return phases that train on an eighth of each window of `steps` samples first, then a quarter, a half.

    A recurrent network trained on hundreds of samples from the start may never improve on its first guess,
    because the gradient of the label has to pass back through all of them (docs/reference/distillation.md,
    Length curriculum). All phases together present as many samples as before. A phase that reads teacher
    features keeps whole windows, because the features belong to whole windows; the teacher's logits for a
    window are used for each of its crops.
    """
    lengths = crop_lengths(steps)
    rest = 1 - _CROP_EPOCHS * sum(lengths) / steps
    curriculum: list[Phase] = []
    for phase in phases:
        if not all(name.endswith("logits") for name in phase.teacher_outputs):
            curriculum.append(phase)
            continue
        for length in lengths:
            name = f"{phase.name}, {length} samples"
            fraction = _CROP_EPOCHS * phase.epoch_fraction
            curriculum.append(replace(phase, name=name, epoch_fraction=fraction, crop_length=length))
        curriculum.append(replace(phase, epoch_fraction=rest * phase.epoch_fraction))
    return tuple(curriculum)
