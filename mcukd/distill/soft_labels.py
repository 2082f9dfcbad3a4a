"""Distillation by soft labels (Hinton, Vinyals, Dean 2015): the loss, and the teacher's labels.

A fold's soft labels come from that fold's teacher, which never saw the animals held out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmentation, Augmenter
from mcukd.distill.recipes import SOFT_LABEL_COPIES
from mcukd.distill.trainer import logits

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]


def distillation_loss(student: Any, hard: Any, teacher: Any, temperature: Any, mixing: Any) -> Any:
    """Return (1 − mixing) · CE(hard labels) + mixing · T² · CE(soft labels), the mean over a batch.

    student, teacher: logits (B, K). hard: one-hot (B, K). Both sides of the soft term are softened by the
    temperature T; T² keeps its gradient of one size whatever T is. mixing 0 is training without a teacher.
    """
    import tensorflow as tf

    hard_loss = tf.nn.softmax_cross_entropy_with_logits(hard, student)
    soft = tf.nn.softmax(teacher / temperature)
    soft_loss = tf.nn.softmax_cross_entropy_with_logits(soft, student / temperature)
    return tf.reduce_mean((1 - mixing) * hard_loss + mixing * temperature**2 * soft_loss)


def one_hot(labels: NDArray[np.int64], classes: int) -> FloatArray:
    """Return labels (N,) as (N, K) float32 with a single one in each row."""
    return np.eye(classes, dtype=np.float32)[labels]


def soft_labels(teacher: keras.Model, windows: FloatArray, how: Augmentation, seed: int) -> FloatArray:
    """Return the teacher's logits (N, K) for training windows (N, T, C), computed once.

    Each is the mean over augmented copies of the window: the student meets the window in every orientation,
    so its label should not depend on the one in which it happened to be recorded.
    """
    rng = np.random.default_rng(seed)
    augment = Augmenter(windows, how)
    copies = [logits(teacher, augment(windows, rng)) for _ in range(SOFT_LABEL_COPIES)]
    return np.mean(copies, axis=0, dtype=np.float32)
