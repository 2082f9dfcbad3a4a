"""TensorFlow Lite forms of student families: the part of a family that writes and runs its integer files.

The registry is `mcukd.models.families`; `tflite_form` looks a family's form up there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.calibration import calibration_subset
from mcukd.models.families import FAMILIES, Weights
from mcukd.models.tflite_widths import INT8, TfliteWidths
from mcukd.tflite.describe import ModelInfo

#: Counts (N, T, C) → classes (N,).
Predict = Callable[[NDArray[np.int16]], NDArray[np.int64]]
#: Weights, class names, calibration counts (N, T, C), path, origin, widths → remarks for the user.
Export = Callable[[Any, Sequence[str], NDArray[np.int16], Path, ModelInfo, TfliteWidths], Sequence[str]]


def _nothing_against(weights: Any) -> str | None:
    return None


@dataclass(frozen=True)
class TfliteForm:
    """The part `tflite` of a family.

    name: of the model in the file's metadata. export: writes the file. predictor: reads a file and returns
    a function that predicts with it on the reference kernels. whole_windows: whether a call takes a window,
    and not a step. refusal: returns why weights cannot be exported, or None. widths: kinds of file that
    `export` writes.
    """

    name: str
    export: Export
    predictor: Callable[[Path], Predict]
    whole_windows: bool
    refusal: Callable[[Any], str | None] = _nothing_against
    widths: tuple[TfliteWidths, ...] = (INT8,)


def tflite_form(family: str) -> TfliteForm | None:
    """Return the TensorFlow Lite form of a family, or None."""
    one = FAMILIES[family]
    return one.part("tflite") if one.tflite else None


def converted_predictor(weights: Weights, calibration: Windows, widths: TfliteWidths = INT8) -> Predict:
    """Convert a student, calibrated on windows, and return a function that predicts with the integer model.

    No file is left behind. Raises ValueError for a family without TensorFlow Lite form, and UserError as its
    export does.
    """
    form = tflite_form(weights.family)
    if form is None:
        raise ValueError(f"students of the family {weights.family} have no TensorFlow Lite form")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "student.tflite"
        counts = calibration_subset(calibration).counts
        form.export(weights, calibration.classes, counts, path, ModelInfo(form.name), widths)
        return form.predictor(path)
