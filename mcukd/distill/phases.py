"""A training is a sequence of phases, each with a loss, the weights it changes, and its length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

    #: A teacher at work: augmented windows (n, T, C) and their numbers in the training set (n,) → its answers
    #: by name, "logits" and whichever of its layers a phase hears.
    Listener = Callable[[FloatArray, NDArray[np.int64]], Mapping[str, FloatArray]]


class Signals(NamedTuple):
    """What a loss is computed from, as tensors of one batch of B windows.

    outputs: of the model in training, "logits" (B, K) among them. heard: of the teacher, on the same windows.
    hard: one-hot labels (B, K). soft: a teacher's logits (B, K), zeros where there are none.
    temperature, mixing: of the distillation loss.
    """

    outputs: Mapping[str, Any]
    heard: Mapping[str, Any]
    hard: Any
    soft: Any
    temperature: Any
    mixing: Any


@dataclass(frozen=True)
class Phase:
    """One part of a training.

    loss: from signals to a scalar. hears: what the teacher is asked for on every window shown, "logits" or
    names of its layers. share, rate: multiples of the recipe's passes and of its peak learning rate.
    trains: which of the model's variables change; None for all. blended: share of the windows shown that are
    blends of two (`mcukd.distill.views`); a loss that reads labels has none of them. samples: how much of
    each window is shown, from a sample drawn by chance; None for all of it.
    """

    name: str
    loss: Callable[[Signals], Any]
    hears: tuple[str, ...] = ()
    share: float = 1.0
    rate: float = 1.0
    trains: Optional[Callable[[keras.Model], list[Any]]] = None
    blended: float = 0.0
    samples: Optional[int] = None

    def sees_as(self, other: Phase) -> bool:
        """Tell whether both can be shown the same views, which a teacher answers or not."""
        return (bool(self.hears), self.blended) == (bool(other.hears), other.blended)


def distillation_loss(student: Any, hard: Any, teacher: Any, temperature: Any, mixing: Any) -> Any:
    """Return (1 − mixing) · CE(hard labels) + mixing · T² · CE(soft labels), the mean over a batch.

    student, teacher: logits (B, K). hard: one-hot (B, K). Both sides of the soft term are softened by the
    temperature T; T² keeps its gradient of one size whatever T is. mixing 0 is training without a teacher.
    Hinton, Vinyals, Dean (2015).
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    hard_loss = tf.nn.softmax_cross_entropy_with_logits(hard, student)
    soft = tf.nn.softmax(teacher / temperature)
    soft_loss = tf.nn.softmax_cross_entropy_with_logits(soft, student / temperature)
    return tf.reduce_mean((1 - mixing) * hard_loss + mixing * temperature**2 * soft_loss)


def from_labels(signals: Signals) -> Any:
    """Return the distillation loss on labels that were computed beforehand."""
    return distillation_loss(
        signals.outputs["logits"], signals.hard, signals.soft, signals.temperature, signals.mixing
    )


def from_answers(signals: Signals) -> Any:
    """Return the distillation loss on what the teacher answers to the very windows the student is shown."""
    return distillation_loss(
        signals.outputs["logits"],
        signals.hard,
        signals.heard["logits"],
        signals.temperature,
        signals.mixing,
    )


def from_answers_alone(signals: Signals) -> Any:
    """Return the soft term alone, for windows that have no label."""
    return from_answers(signals._replace(mixing=1.0))


#: Learning from labels, hard and soft: all there is for teachers and plain students.
LABELS = Phase("labels", from_labels)


#: Shortest part of a window that a network begins with, in samples.
SHORTEST = 32
#: Passes over parts of each length, as a share of all passes.
_PASSES = 0.4


def part_lengths(steps: int) -> list[int]:
    """Return the lengths of the parts that windows of `steps` samples begin with; none for short ones."""
    return [steps // part for part in (8, 4, 2) if steps // part >= SHORTEST]


def grown(phases: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """Return phases that begin with an eighth of each window of `steps` samples, then a quarter, then half.

    A recurrent network that sees hundreds of samples from the start may stay with its first guess, since what
    the label teaches has to come all the way back (docs/distillation.md, Windows that grow). All phases
    together present as many samples as before. One that hears the teacher's features does not grow, because
    these belong to whole windows; an answer about a window is taken for an answer about each part.
    """
    lengths = part_lengths(steps)
    rest = 1 - _PASSES * sum(lengths) / steps
    made: list[Phase] = []
    for phase in phases:
        if not all(name.endswith("logits") for name in phase.hears):
            made.append(phase)
            continue
        for samples in lengths:
            name = f"{phase.name}, {samples} samples"
            made.append(replace(phase, name=name, share=_PASSES * phase.share, samples=samples))
        made.append(replace(phase, share=rest * phase.share))
    return tuple(made)
