"""Hyperparameters chosen on inner animals: epochs of a network, options of a method.

A choice uses the training windows of a job and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.nested_selection import select
from mcukd.distillation.options import stored_name
from mcukd.distillation.training_set import TrainingSet
from mcukd.training.prediction import logits, logits_model
from mcukd.training.trainer import TrainingConfig

if TYPE_CHECKING:
    import keras

#: Values of a method's options, by name.
MethodOptions = Mapping[str, Any]


def choose_epochs(
    factors: Sequence[float],
    training: TrainingConfig,
    windows: Windows,
    config: DistillConfig,
    train: Callable[[TrainingSet, TrainingConfig, str], keras.Model],
) -> TrainingConfig:
    """Return the training with the epochs that do best on inner animals; unchanged without factors.

    factors: multiples of `training.epochs` to choose among. train: trains the network on a set; the text is
    its checkpoint's name.
    """
    if not factors:
        return training
    count = 0

    def predict(
        candidate: TrainingConfig, train_windows: Windows, validation_windows: Windows
    ) -> NDArray[np.int64]:
        nonlocal count
        count += 1
        data = TrainingSet.normalized(train_windows, config)
        model = train(data, candidate, f"choice{count}")
        inputs = data.normalizer.transform(validation_windows)[..., : model.input_shape[-1]]
        return np.argmax(logits(logits_model(model), inputs), axis=1)

    candidates = [replace(training, epochs=max(1, round(f * training.epochs))) for f in factors]
    return select(candidates, windows, predict).best


def choose_options(
    candidates: Sequence[MethodOptions],
    data: TrainingSet,
    train: Callable[[MethodOptions, NDArray[np.bool_], str], keras.Model],
) -> MethodOptions:
    """Return the candidate whose students do best on inner animals; no options where there is no candidate.

    train: trains a student with these options on the windows of a mask (N,); the text names its checkpoint.
    Students of inner folds are trained on the other animals' windows; their teacher was trained on all of the
    job's, as in a head search.
    """
    if not candidates:
        return {}
    count = 0

    def predict(
        options: MethodOptions, train_windows: Windows, validation_windows: Windows
    ) -> NDArray[np.int64]:
        nonlocal count
        count += 1
        mask = np.isin(data.windows.animals, np.unique(train_windows.animals))
        names = "-".join(stored_name(name) for name in options)
        student = train(options, mask, f"{names}-choice{count}")
        inputs = data.normalizer.transform(validation_windows)[..., : data.normalizer.channels]
        return np.argmax(logits(student, inputs), axis=1)

    return select(candidates, data.windows, predict).best
