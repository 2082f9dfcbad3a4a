"""Entry of the GRU-MLP among the TensorFlow Lite forms of student families: a cell that takes one step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.models.tflite_widths import INT8, INT16X8, TfliteWidths
from mcukd.models.weights import GruMlpWeights
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.evaluate import Cell, evaluate_cell
from mcukd.tflite.export import export
from mcukd.tflite.families import Predict, TfliteForm


def _export(
    weights: GruMlpWeights,
    classes: Sequence[str],
    counts: NDArray[np.int16],
    path: Path,
    origin: ModelInfo,
    widths: TfliteWidths,
) -> Sequence[str]:
    export(weights, classes, counts, path, origin, widths)
    return ()


def _predictor(path: Path) -> Predict:
    cell = Cell(path)
    return lambda counts: np.argmax(evaluate_cell(cell, counts, str(path)), axis=1)


def _refusal(weights: GruMlpWeights) -> str | None:
    if weights.prototypes > 1:
        return "its one-step cell has no prototype heads, and a search found one"
    return None


TFLITE = TfliteForm(
    ModelInfo.name, _export, _predictor, whole_windows=False, refusal=_refusal, widths=(INT8, INT16X8)
)
