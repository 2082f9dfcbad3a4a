"""Integer forms of the students of evaluation folds, as functions from counts to classes."""

from __future__ import annotations

from typing import Callable

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.evaluation.fold_students import FoldStudent
from mcukd.fixedpoint.filters.quantize import quantize_filters
from mcukd.fixedpoint.quantize import quantize
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.network import NetworkWeights
from mcukd.pipeline.quantize import classes_of
from mcukd.robustness.shipped import Shipped

#: Counts (N, T, C) int16 → classes (N,).
Predict = Callable[[NDArray[np.int16]], NDArray[np.int64]]


def integer_form(student: FoldStudent, training: Windows, shipped: Shipped, hop: int) -> Predict:
    """Quantize a student on the windows it was trained on, and return the function of its integer model.

    Widths and weights are those that `shipped` has for this fold. Of a mobilenet it is its TFLite int8 file
    on the reference kernels.
    """
    train_windows, weights = student.training_of(training), student.weights
    if isinstance(weights, NetworkWeights):
        return _converted(weights, train_windows)
    config = shipped.configs[student.name]
    if isinstance(weights, FilterMlpWeights):
        filters = quantize_filters(weights, train_windows, config, hop)
        return lambda counts: classes_of(filters, counts)
    taught = shipped.taught.get(student.name)
    if taught is None:
        model = quantize(weights, train_windows, config, hop)
    else:
        model = quantize(taught.weights, train_windows, config, hop, taught.lengths)
    return lambda counts: classes_of(model, counts)


def _converted(weights: NetworkWeights, train_windows: Windows) -> Predict:
    """Return the function of a mobilenet's TFLite int8 file, which is made at the first call."""
    from mcukd.pipeline.quantize_tflite import window_answer

    made: list[Predict] = []

    def predict(counts: NDArray[np.int16]) -> NDArray[np.int64]:
        if not made:
            made.append(window_answer(weights, train_windows))
        return made[0](counts)

    return predict
