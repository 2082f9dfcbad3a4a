"""Measurement of a study's integer model on its own windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.cores import check_optimize
from mcukd.boards.tools import require_tool
from mcukd.data.load import load_windows
from mcukd.data.of_study import study_card
from mcukd.errors import UserError
from mcukd.fixedpoint.model import load_model
from mcukd.profiling.emulate import check_room
from mcukd.profiling.image import measured_core
from mcukd.profiling.measure import measure_model, model_accuracy
from mcukd.progress import progress
from mcukd.study import STUDENT_FILE, Study

#: The accuracy against float is taken on this many windows, or on as many as the device runs.
ACCURACY_WINDOWS = 256
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-objdump", "qemu-system-arm")


def measure_study(
    study: Study,
    core: str,
    optimize: str = "speed",
    windows: int = 64,
    portable: bool = False,
    data_root: Path | None = None,
) -> dict[str, Any]:
    """Return a row (`mcukd.profiling.measure.KEYS`) of the study's model on an emulated core.

    windows: how many evaluation windows the core runs, spread evenly over the data set and compared with
    the reference bit for bit; the comparison with the float student takes at least 256 where there are so
    many. Raises UserError for missing tools, a stale or missing model, and missing data.
    """
    from mcukd.models.student import load_any_student, require_integers, weights_of

    require_integers(study, "'mcukd bench'")
    measured_core(core)
    check_optimize(optimize)
    for tool in TOOLS:
        require_tool(tool, "measure a model")
    if windows < 1:
        raise UserError(f"--windows {windows}: nothing to measure; choose 1 or more.")
    study.require("quantize")
    with progress("Measuring", 3) as advance:
        model = load_model(study.path)
        root, seed = study.data_root(data_root), int(study.manifest["seed"])
        counts = load_windows(study_card(study), root, seed=seed).counts
        check_room(min(windows, len(counts)), *counts.shape[1:])
        advance(1, "windows read")
        weights = weights_of(load_any_student(study.file(STUDENT_FILE)))
        truth = model_accuracy(model, weights, spread(counts, max(windows, ACCURACY_WINDOWS)))
        advance(1, "compared with float")
        row = measure_model(model, spread(counts, windows), core, optimize, portable, truth)
        advance(1, "run on the emulated core")
    return {**row, "weights": study.card}


def spread(counts: NDArray[np.int16], number: int) -> NDArray[np.int16]:
    """Return `number` windows evenly spread over all (N, T, C), all where there are no more."""
    if len(counts) <= number:
        return counts
    return counts[np.linspace(0, len(counts) - 1, number).astype(np.int64)]
