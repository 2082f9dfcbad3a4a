"""Integer forms of the students of evaluation folds, as functions from counts to classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.evaluation.fold_students import FoldStudent
from mcukd.fixedpoint.quantize import quantize
from mcukd.inference.batch import classes_of
from mcukd.models.families import FAMILIES, Weights
from mcukd.robustness.final_integers import FinalIntegers
from mcukd.tflite.families import Predict, converted_predictor


def integer_predictor(student: FoldStudent, training: Windows, final: FinalIntegers, hop: int) -> Predict:
    """Quantize a student on the windows it was trained on, and return a function that runs the integer model.

    Widths and weights are those that `final` has for this fold. A family without integer form is run as its
    TFLite int8 file, on the reference kernels.
    """
    train_windows, weights = student.training_of(training), student.weights
    if FAMILIES[weights.family].integers is None:
        return _converted(weights, train_windows)
    config, lengths = final.configs[student.name], None
    if student.name in final.trained:
        weights, lengths = final.trained[student.name].weights, final.trained[student.name].lengths
    model = quantize(weights, train_windows, config, hop, lengths)
    return lambda counts: classes_of(model, counts)


def _converted(weights: Weights, train_windows: Windows) -> Predict:
    """Return a function that runs a student's TFLite int8 file, which is made at the first call."""
    made: list[Predict] = []

    def predict(counts: NDArray[np.int16]) -> NDArray[np.int64]:
        if not made:
            made.append(converted_predictor(weights, train_windows))
        return made[0](counts)

    return predict
