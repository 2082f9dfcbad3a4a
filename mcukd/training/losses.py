"""Loss functions of students and teachers, computed from one batch of logits, labels and teacher outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class LossInputs(NamedTuple):
    """What a loss is computed from: tensors of one batch of B windows.

    outputs: of the model in training, "logits" (B, K) among them. teacher_outputs: of the teacher on the same
    windows, by name. hard: one-hot labels (B, K). soft: precomputed teacher logits (B, K), zeros where there
    are none. temperature: T of the soft terms. alpha: weight of the soft term.
    """

    outputs: Mapping[str, Any]
    teacher_outputs: Mapping[str, Any]
    hard: Any
    soft: Any
    temperature: Any
    alpha: Any


def distillation_loss(student: Any, hard: Any, teacher: Any, temperature: Any, alpha: Any) -> Any:
    """Return (1 − alpha) · CE(hard labels) + alpha · T² · CE(soft labels), the mean over a batch.

    student, teacher: logits (B, K). hard: one-hot (B, K). Both sides of the soft term are divided by the
    temperature T; the factor T² keeps its gradient at one magnitude for every T. With alpha = 0 the
    teacher has no part. Hinton, Vinyals, Dean (2015).
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    hard_loss = tf.nn.softmax_cross_entropy_with_logits(hard, student)
    soft = tf.nn.softmax(teacher / temperature)
    soft_loss = tf.nn.softmax_cross_entropy_with_logits(soft, student / temperature)
    return tf.reduce_mean((1 - alpha) * hard_loss + alpha * temperature**2 * soft_loss)


def soft_label_loss(inputs: LossInputs) -> Any:
    """Return the distillation loss with soft labels that were computed before training."""
    return distillation_loss(
        inputs.outputs["logits"], inputs.hard, inputs.soft, inputs.temperature, inputs.alpha
    )


def online_distillation_loss(inputs: LossInputs) -> Any:
    """Return the distillation loss with the teacher's logits for the augmented windows of this batch."""
    return distillation_loss(
        inputs.outputs["logits"],
        inputs.hard,
        inputs.teacher_outputs["logits"],
        inputs.temperature,
        inputs.alpha,
    )


def soft_only_loss(inputs: LossInputs) -> Any:
    """Return the soft term of `online_distillation_loss` alone, for windows that have no label."""
    return online_distillation_loss(inputs._replace(alpha=1.0))
