"""Export of the student as a TensorFlow Lite file: int8 or int16x8, one step per call, with metadata."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.files import replacing
from mcukd.models.tflite_widths import INT8, TfliteWidths
from mcukd.models.weights import GruMlpWeights
from mcukd.tflite.describe import ModelInfo, cell_contents, describe
from mcukd.tflite.process import converter


@dataclass(frozen=True)
class ExportResult:
    """What was written: the file, its size and the quantization of its ends.

    input_scale, state_scale, logits_scale and the zero points relate integers to real values:
    value = scale · (mantissa − zero point). The state's hold for its input and its output alike.
    """

    path: Path
    bytes: int
    input_scale: float
    input_zero_point: int
    state_scale: float
    state_zero_point: int
    logits_scale: float
    logits_zero_point: int


def export(
    weights: GruMlpWeights,
    classes: Sequence[str],
    counts: NDArray[np.int16],
    path: Path,
    info: ModelInfo | None = None,
    widths: TfliteWidths = INT8,
) -> ExportResult:
    """Write the student's one-step cell with its head to `path`, in one step.

    widths: of activations and state. counts: (N, T, C) calibration windows, rolled out to find the range of
    every tensor. The conversion runs in a process of its own. Raises UserError where the converter fails or
    crashes, or the state's two ends disagree.
    """
    if counts.ndim != 3 or not counts.size or counts.shape[2] != weights.channels:
        raise UserError(
            f"TFLite export: calibration windows have shape {counts.shape}, expected "
            f"(windows, samples, {weights.channels}); calibrate with the windows the student was trained on."
        )
    if weights.prototypes > 1:
        raise UserError(
            "TFLite export: the one-step cell has no prototype heads; leave the file out (--no-tflite)."
        )
    if len(classes) != weights.classes:
        raise UserError(
            f"TFLite export: {len(classes)} class names for {weights.classes} outputs; use the card's."
        )
    with replacing(path) as temporary:
        with tempfile.TemporaryDirectory() as scratch:
            job = Path(scratch) / "job.npz"
            names = np.array(list(classes))
            np.savez(job, **weights.arrays(), counts=counts, classes=names, widths=np.array(widths.name))
            converter().convert(job, temporary)
        ends = _ends(temporary)
        contents = cell_contents(weights, counts.shape[1], widths)
        describe(temporary, contents, classes, info or ModelInfo())
        size = temporary.stat().st_size
    return ExportResult(path, size, *ends)


def _ends(path: Path) -> tuple[float, int, float, int, float, int]:
    """Return scale and zero point of input, state and logits; each state must agree at both ends."""
    from mcukd.tflite.evaluate import Cell

    cell = Cell(path)
    for name, (before, after) in cell.states.items():
        if (before.scale, before.zero_point) != (after.scale, after.zero_point):
            raise UserError(
                f"TFLite export: the state {name} enters with scale {before.scale}, zero point "
                f"{before.zero_point}, but leaves with {after.scale}, {after.zero_point}, so it cannot be "
                "carried from step to step; report this with the TensorFlow version."
            )
    x, state, logits = cell.x, cell.states["h"][0], cell.logits
    return x.scale, x.zero_point, state.scale, state.zero_point, logits.scale, logits.zero_point
