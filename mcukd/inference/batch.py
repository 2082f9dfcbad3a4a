"""Batch inference: what `reference.run` computes, for many windows at a time in compiled C.

Without a C compiler, or with MCUKD_HOST=numpy, the NumPy reference computes instead; `backend` tells which.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint import reference
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import InferenceResult, StreamResult
from mcukd.fixedpoint.refusal import outcomes_of, refused
from mcukd.inference.families import host_form
from mcukd.inference.library import CannotBuild, compiler
from mcukd.models.families import FAMILIES
from mcukd.text import listed

#: Steps of windows between two returns to Python: some tenths of a second, so that an interrupt takes effect.
STEPS_PER_CALL = 1 << 22
#: Samples of a carried state likewise.
SAMPLES_PER_CALL = 1 << 20
_BLOCK = 32


@dataclass(frozen=True)
class Backend:
    """What computes: `c` or `numpy`, and for NumPy why."""

    name: str
    reason: str = ""


def backend(model: IntegerModel) -> Backend:
    """Return what `run_fast` and `classify_stream` compute a model with; compiles where need be."""
    return _library_of(model)[0]


def run_fast(
    model: IntegerModel, counts: NDArray[np.int16], checksums: bool = True, saturations: bool = True
) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state; any N and T. Equal to `reference.run`.

    Windows may overlap in memory (`sliding_window_view`); nothing is copied then. Without `checksums`
    state_crc stays 0, without `saturations` the dictionary is empty.
    Raises UserError where the counts are not int16 or of other channels than the model's.
    """
    _check(model, counts, "(windows, samples, channels)", 3)
    total = len(counts)
    library = _library_of(model)[1]
    if library is None and total:
        outcome = reference.run(model, counts, checksums)
        return outcome if saturations else _without_saturations(outcome)
    logits = np.zeros((total, len(model.classes)), np.int16)
    classes = np.zeros(total, np.uint8)
    state = np.zeros((total, model.state_halfwords), np.int16)
    crcs = np.zeros(total, np.uint32)
    counters = np.zeros(len(_counters(model)), np.uint64)
    if library is not None:
        _run(
            library, model, in_place(counts), logits, classes, state,
            crcs if checksums else None, counters if saturations else None,
        )  # fmt: skip
    found = InferenceResult(
        logits=logits.astype(np.int32),
        classes=classes.astype(np.int64),
        state=state,
        state_crc=crcs,
        saturations=_named(model, counters) if saturations else {},
    )
    return refused(model, found)


def classes_of(model: IntegerModel, counts: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the classes (N,) that an integer model gives for counts (N, T, C); K for unknown."""
    return run_fast(model, counts, checksums=False, saturations=False).classes


def window_count(samples: int, steps: int, hop: int) -> int:
    """Return how many whole windows of `steps` samples, one every `hop`, lie in a recording."""
    return 0 if samples < steps else (samples - steps) // hop + 1


def classify_stream(
    model: IntegerModel,
    samples: NDArray[np.int16],
    hop: int | None = None,
    logits: NDArray[np.int16] | None = None,
    advance: Callable[[int], None] | None = None,
) -> NDArray[np.uint8]:
    """Classify a recording (S, C) of counts: a window of T samples every `hop`, each from the zero state.

    A state that is carried (`model.stream`) starts from zero at the first sample alone; its results are
    numbered alike, each as that of the window that ends with it.
    samples: read where they are, so a memory-mapped recording of any length will do. hop: the model's own
    without it. logits: (n, K) int16, filled with mantissas where given. advance: called with the windows
    done since the last call. Returns the classes (n,), n as in `window_count`, K for unknown; one thread.
    Raises UserError for a hop below 1, and for counts that are not int16 or of other channels.
    """
    _check(model, samples, "(samples, channels)", 2)
    hop = model.hop if hop is None else hop
    if hop < 1:
        raise UserError(f"hop {hop}: windows have to start at least one sample apart.")
    total = window_count(len(samples), model.window, hop)
    classes = np.zeros(total, np.uint8)
    if not total:
        return classes
    if logits is not None and (logits.shape != (total, len(model.classes)) or logits.dtype != np.int16):
        raise UserError(
            f"logits: expected int16 of shape {(total, len(model.classes))}, found {logits.shape}."
        )
    if model.stream:
        carried = run_stream_fast(model, samples, hop, advance=advance)
        if logits is not None:
            logits[:] = carried.logits
        return carried.classes.astype(np.uint8)
    views = np.lib.stride_tricks.sliding_window_view(samples, model.window, axis=0)
    views = views[::hop].transpose(0, 2, 1)
    library = _library_of(model)[1]
    for start in range(0, total, _per_call(model.window)):
        part = slice(start, start + _per_call(model.window))
        if library is None:
            outcome = reference.run(model, views[part], checksums=False)
            classes[part], made = outcome.classes, outcome.logits.astype(np.int16)
        else:
            made = np.zeros((len(classes[part]), len(model.classes)), np.int16)
            state = np.zeros((len(made), model.state_halfwords), np.int16) if model.may_refuse else None
            _run(library, model, in_place(views[part]), made, classes[part], state)
            if state is not None:
                classes[part] = outcomes_of(model, made, state)
        if logits is not None:
            logits[part] = made
        if advance:
            advance(len(made))
    return classes


def run_stream_fast(
    model: IntegerModel,
    samples: NDArray[np.int16],
    hop: int | None = None,
    state: NDArray[np.int16] | None = None,
    taken: int = 0,
    advance: Callable[[int], None] | None = None,
) -> StreamResult:
    """Run a recording (S, C), or a part of one, with a carried state. Equal to `reference.run_stream`.

    advance: called with the results done since the last call. Raises UserError as that and `run_fast` do.
    """
    _check(model, samples, "(samples, channels)", 2)
    reference.check_stream(model.family)
    hop = model.hop if hop is None else hop
    library = _library_of(model)[1]
    last = np.zeros(model.state_halfwords, np.int16) if state is None else state.astype(np.int16)
    parts: list[StreamResult] = []
    for at in range(0, max(len(samples), 1), SAMPLES_PER_CALL):
        part, before = samples[at : at + SAMPLES_PER_CALL], taken + at
        if library is None:
            parts.append(reference.run_stream(model, part, hop, last, before))
        else:
            parts.append(_carry(library, model, part, hop, last, before))
        last = parts[-1].last
        if advance:
            advance(len(parts[-1].classes))
    logits, classes, states = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "classes", "state")
    )
    return StreamResult(logits, classes, states, last)


def _carry(
    library: ctypes.CDLL,
    model: IntegerModel,
    samples: NDArray[np.int16],
    hop: int,
    state: NDArray[np.int16],
    taken: int,
) -> StreamResult:
    host = host_form(model.family)
    assert host is not None and host.carrier is not None
    # The sample, counted from 0, that the next result comes with.
    first = model.window - 1 - taken
    first = first if first >= 0 else first % hop
    total = max(0, -((first - len(samples)) // hop))
    logits = np.zeros((total, len(model.classes)), np.int16)
    classes, last = np.zeros(total, np.uint8), state.copy()
    states = np.zeros((total, model.state_halfwords), np.int16)
    native = np.ascontiguousarray(samples, np.int16)
    host.carrier(library, model)(native, first, hop, last, logits, classes, states)
    found = StreamResult(logits.astype(np.int32), classes.astype(np.int64), states, last)
    return refused(model, found)


def _library_of(model: IntegerModel) -> tuple[Backend, ctypes.CDLL | None]:
    host = host_form(model.family)
    if host is None:
        able = listed(one.name for one in FAMILIES.values() if one.host)
        return Backend("numpy", f"the C for this computer is of {able} students"), None
    return _library(model.family, host.shape(model))


def forget_libraries() -> None:
    """Look for compiler and libraries anew, as after a change of the environment."""
    _library.cache_clear()
    compiler.cache_clear()


@cache
def _library(family: str, shape: Hashable) -> tuple[Backend, ctypes.CDLL | None]:
    """Return the library of a family's shape; None, and why, where NumPy has to do."""
    if os.environ.get("MCUKD_HOST") == "numpy":
        return Backend("numpy", "MCUKD_HOST=numpy asks for it"), None
    host = host_form(family)
    assert host is not None
    try:
        return Backend("c"), host.load(shape)
    except CannotBuild as error:
        return Backend("numpy", str(error)), None


def _run(
    library: ctypes.CDLL,
    model: IntegerModel,
    windows: NDArray[np.int16],
    logits: NDArray[np.int16],
    classes: NDArray[np.uint8],
    state: NDArray[np.int16] | None = None,
    crcs: NDArray[np.uint32] | None = None,
    counters: NDArray[np.uint64] | None = None,
) -> None:
    """Run windows (N, T, C), of which T and C lie one after the other in memory, into arrays over N."""
    host = host_form(model.family)
    assert host is not None
    run, (total, steps, _) = host.runner(library, model), windows.shape
    for start in range(0, total, _per_call(steps)):
        part = slice(start, min(start + _per_call(steps), total))
        run(
            windows[part],
            logits[part],
            classes[part],
            None if state is None else state[part],
            None if crcs is None else crcs[part],
            counters,
        )


def _named(model: IntegerModel, counters: NDArray[np.uint64]) -> dict[str, int]:
    """Return the counters by tensor, those that the model has."""
    names = _counters(model)
    return {name: int(n) for name, n in zip(names, counters) if model.dense or name != "dense_out"}


def _counters(model: IntegerModel) -> tuple[str, ...]:
    host = host_form(model.family)
    return host.counters if host else ()


def in_place(windows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return windows (N, T, C) as they are where T and C lie one after the other in memory, else a copy."""
    native = windows.astype(np.int16, copy=False)
    fits = native.strides[1:] == (2 * native.shape[2], 2) and native.strides[0] % 2 == 0
    return native if fits else np.ascontiguousarray(native)


def _per_call(steps: int) -> int:
    return max(_BLOCK, STEPS_PER_CALL // max(steps, 1) // _BLOCK * _BLOCK)


def _check(model: IntegerModel, counts: NDArray[np.int16], shape: str, dimensions: int) -> None:
    if counts.dtype.newbyteorder("=") != np.int16:
        raise UserError(f"counts are {counts.dtype}, but the model takes the sensor's int16.")
    if counts.ndim != dimensions or counts.shape[-1] != model.channels:
        raise UserError(f"counts have shape {counts.shape}, expected {shape} with {model.channels} channels.")


def _without_saturations(outcome: InferenceResult) -> InferenceResult:
    return InferenceResult(outcome.logits, outcome.classes, outcome.state, outcome.state_crc, {})
