"""MemKD: the student's memory changes over a window as much as the teacher's does (arXiv 2601.04264).

Udayangani, Nandakishor and Palaniswami, "MemKD: memory-discrepancy knowledge distillation for efficient time
series classification" (ICASSP 2025). Their teacher is a recurrent network as the student is. What differs
here, because the teacher is a ResNet, is in docs/reference/methods.md.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.distillation.options import Option
from mcukd.training.losses import LossInputs, online_distillation_loss
from mcukd.training.phases import Phase

#: Equal parts of a window; memories are compared between the ends of any two of them.
PARTS = 8
#: Features of the teacher whose mean over the window its classifier reads, averaged over each part.
TEACHER_FEATURES = f"anchor3/{PARTS}"
#: The student's state after every sample.
STATES = "states"
#: Fraction of the epochs that are spent on the distillation loss alone, on crops where windows are long.
_FIRST = 0.5


class MemKd(Method):
    """Learn labels and the teacher's logits, then also how much its memory changes within a window."""

    name = "memkd"
    title = "the teacher's probabilities, and how much its memory changes from part to part of a window"
    teachers = ("resnet",)
    students = ("gru-mlp",)
    options = (Option("memory_weight", float, 1.0, "Weight of the memory term of memkd.", low=0, high=100),)
    uses_soft_labels = False
    needs_features = True

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the phase without and the phase with the memory term, each of half the epochs.

        The second needs whole windows, on which alone a GRU of long windows would not learn.
        """
        weight = settings.options["memory_weight"]

        def loss(inputs: LossInputs) -> Any:
            return online_distillation_loss(inputs) + weight * memory_loss(inputs)

        return (
            Phase("online", online_distillation_loss, ("logits",), _FIRST),
            Phase("memory", loss, ("logits", TEACHER_FEATURES), 1 - _FIRST),
        )

    def build_training_model(self, student: Any, teacher: Any, settings: MethodSettings) -> Any:
        """Return the student with its states (N, T, H) as a second output."""
        from mcukd.tensorflow_setup import keras

        outputs = {name: student.get_layer(name).output for name in ("logits", STATES)}
        return keras.Model(student.inputs, outputs, name=student.name)


def memory_loss(inputs: LossInputs) -> Any:
    """Return the smooth L1 distance of the relative changes of both memories, the mean over pairs and batch.

    At the end of a part the student's memory is its state, the teacher's the mean of its features so far.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    states, features = inputs.outputs[STATES], inputs.teacher_outputs[TEACHER_FEATURES]
    length = max(1, states.shape[1] // PARTS)
    student = relative_changes(states[:, length - 1 :: length][:, :PARTS])
    teacher = relative_changes(running_mean(features))
    distance = tf.abs(student - teacher)
    return tf.reduce_mean(tf.where(distance < 1, tf.square(distance) / 2, distance - 0.5))


def running_mean(features: Any) -> Any:
    """Return the mean (B, P, F) of features (B, P, F) up to and including each part."""
    from mcukd.tensorflow_setup import tensorflow as tf

    counts = tf.range(1, features.shape[1] + 1, dtype=features.dtype)
    return tf.cumsum(features, axis=1) / counts[:, None]


def relative_changes(memory: Any) -> Any:
    """Return ‖m(t + z) − m(t)‖ / ‖m(t)‖ (B, P (P − 1) / 2) of memories (B, P, F), for all pairs of parts."""
    from mcukd.tensorflow_setup import tensorflow as tf

    pairs = list(combinations(range(memory.shape[1]), 2))
    before, after = (tf.gather(memory, [pair[side] for pair in pairs], axis=1) for side in (0, 1))
    return _length(after - before) / _length(before)


def _length(vectors: Any) -> Any:
    """Return the lengths of vectors, smoothed because the derivative of a root at zero is infinite."""
    from mcukd.tensorflow_setup import tensorflow as tf

    return tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=-1) + 1e-6)
