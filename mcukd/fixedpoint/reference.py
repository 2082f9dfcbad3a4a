"""Integer reference: the specification that host C, emulator and board must equal on every value.

Every family computes its own, as its integer form says (`mcukd.fixedpoint.families`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.families import integer_form
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.refusal import refused
from mcukd.fixedpoint.result import InferenceResult, StreamResult
from mcukd.models.families import FAMILIES
from mcukd.text import listed

__all__ = [
    "InferenceResult",
    "StreamResult",
    "as_stream",
    "check_stream",
    "run",
    "run_recording",
    "run_stream",
    "trace",
]


def run(model: IntegerModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state; any T. Without `checksums` state_crc stays 0.

    Where the model has a refusal rule, `classes` are its outcomes: K, the number of classes, is unknown.
    """
    return refused(model, integer_form(model.family).run(model, counts, checksums))


def trace(model: IntegerModel, window: NDArray[np.int16]) -> list[dict[str, IntArray]]:
    """Run one window (T, C) and return `model.trace_tensors` of every step, each (n,) and within 16 bits."""
    return integer_form(model.family).trace(model, window)


def run_stream(
    model: IntegerModel,
    samples: NDArray[np.int16],
    hop: int | None = None,
    state: NDArray[np.int16] | None = None,
    taken: int = 0,
) -> StreamResult:
    """Run a recording (S, C) with one state, carried from zero at its first sample to its end.

    The first result comes with sample T - 1, the next ones `hop` samples apart, by default the model's. They
    are numbered as those of windows are, each of which ends with the same sample. Where samples are missing a
    new recording begins. A recording may come in parts: state (H,) is then `last` of the part before, and
    taken the number of samples before. Raises UserError for a family that has no state to carry.
    """
    check_stream(model.family)
    of_family = integer_form(model.family).run_stream
    assert of_family is not None
    return refused(model, of_family(model, samples, model.hop if hop is None else hop, state, taken))


def run_recording(
    model: IntegerModel, samples: NDArray[np.int16], hop: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the classes (n,) and logits (n, K) that operation gives of a recording (S, C) without a gap.

    Classes are outcomes as of `run`. The state is carried or starts anew with each window, as the model says.
    hop: the model's own without it.
    """
    hop = model.hop if hop is None else hop
    if model.stream:
        carried = run_stream(model, samples, hop)
        return carried.classes, carried.logits
    windows = np.empty((0, model.window, samples.shape[1]), np.int16)
    if len(samples) >= model.window:
        windows = sliding_window_view(samples, model.window, axis=0)[::hop].transpose(0, 2, 1)
    if not len(windows):
        return np.empty(0, np.int64), np.empty((0, len(model.classes)), np.int32)
    found = run(model, windows, checksums=False)
    return found.classes, found.logits


def as_stream(model: IntegerModel) -> IntegerModel:
    """Return the model for operation with a carried state. Raises UserError where its family has none."""
    check_stream(model.family)
    changed: dict[str, Any] = {"stream": True}
    return replace(model, **changed)


def check_stream(family: str) -> None:
    """Raise UserError for a family whose students have no state that goes on after a window."""
    if integer_form(family).run_stream is None:
        able = [one.name for one in FAMILIES.values() if one.integers and integer_form(one.name).run_stream]
        raise UserError(
            f"--stream: a {family} student has no state that could be carried from window to window, "
            f"{listed(able)} students have; distil one of those, or leave --stream out."
        )
