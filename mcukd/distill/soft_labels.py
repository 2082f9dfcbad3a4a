"""The labels a teacher gives, for distillation by soft labels (Hinton, Vinyals, Dean 2015).

A fold's soft labels come from that fold's teacher, which never saw the animals held out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmentation, Augmenter
from mcukd.distill.recipes import SOFT_LABEL_COPIES
from mcukd.distill.trainer import logits

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]


def soft_labels(teacher: keras.Model, windows: FloatArray, how: Augmentation, seed: int) -> FloatArray:
    """Return the teacher's logits (N, K) for training windows (N, T, C), computed once.

    Each is the mean over augmented copies of the window: the student meets the window in every orientation,
    so its label should not depend on the one in which it happened to be recorded.
    """
    rng = np.random.default_rng(seed)
    augment = Augmenter(windows, how)
    copies = [logits(teacher, augment(windows, rng)) for _ in range(SOFT_LABEL_COPIES)]
    return np.mean(copies, axis=0, dtype=np.float32)
