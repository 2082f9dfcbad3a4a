"""Entry of the mobilenets among the TensorFlow Lite forms of student families: a file for whole windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.models.mobilenet_weights import MobilenetWeights
from mcukd.models.tflite_widths import TfliteWidths
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.families import Predict, TfliteForm
from mcukd.tflite.window import WindowModel, export_window


def _export(
    weights: MobilenetWeights,
    classes: Sequence[str],
    counts: NDArray[np.int16],
    path: Path,
    origin: ModelInfo,
    widths: TfliteWidths,
) -> Sequence[str]:
    export_window(weights.model(), classes, counts, path, origin)
    return ()


def _predictor(path: Path) -> Predict:
    model = WindowModel(path)
    return lambda counts: np.argmax(model.logits(counts), axis=1)


TFLITE = TfliteForm("mcukd mobilenet", _export, _predictor, whole_windows=True)
