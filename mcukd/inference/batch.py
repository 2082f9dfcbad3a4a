"""Evaluating and classifying at scale: what `reference.run` computes, many windows at a time in compiled C.

Without a C compiler, or with MCUKD_HOST=numpy, the NumPy reference computes instead; `backend` tells which.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint import gates, reference
from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.filters.model import FilterModel
from mcukd.fixedpoint.model import IntegerModel, head_layers
from mcukd.fixedpoint.packing import pairs
from mcukd.fixedpoint.reference import Outcome
from mcukd.inference.library import CannotBuild, Shape, compiler, load_library

#: Steps of windows between two returns to Python: some tenths of a second, so that an interrupt is heard.
STEPS_PER_CALL = 1 << 22
_BLOCK = 32
_GATES = ("z", "r", "h")
_COUNTERS = ("input", "z_pre", "r_pre", "h_rec", "h_pre", "h", "dense_out", "logits")
_POINTERS = (
    "recurrent", "kernel", "bias", "gate", "dense", "dense_bias", "output", "output_bias",
)  # fmt: skip
_SHIFTS = (
    "state_z", "state_r", "h_rec", "gated", "z_pre", "r_pre", "h_pre", "h", "dense", "output",
)  # fmt: skip


@dataclass(frozen=True)
class Backend:
    """What computes: `c` or `numpy`, and for NumPy why."""

    name: str
    reason: str = ""


def backend(model: IntegerModel) -> Backend:
    """Return what `run_fast` and `classify_stream` compute a model with; compiles where need be."""
    return _program_of(model)[0]


def run_fast(
    model: IntegerModel, counts: NDArray[np.int16], checksums: bool = True, saturations: bool = True
) -> Outcome:
    """Run windows of counts (N, T, C) from the zero state; any N and T. Equal to `reference.run`.

    Windows may overlap in memory (`sliding_window_view`); nothing is copied then. Without `checksums`
    state_crc stays 0, without `saturations` the dictionary is empty.
    Raises UserError where the counts are not int16 or of other channels than the model's.
    """
    _check(model, counts, "(windows, samples, channels)", 3)
    total = len(counts)
    library = _program_of(model)[1]
    if library is None and total:
        outcome = reference.run(model, counts, checksums)
        return outcome if saturations else _without_saturations(outcome)
    logits = np.zeros((total, len(model.classes)), np.int16)
    classes = np.zeros(total, np.uint8)
    state = np.zeros((total, model.hidden), np.int16)
    crcs = np.zeros(total, np.uint32)
    counters = np.zeros(len(_COUNTERS), np.uint64)
    if library is not None:
        _run(
            library, model, in_place(counts), logits, classes, state,
            crcs if checksums else None, counters if saturations else None,
        )  # fmt: skip
    return Outcome(
        logits=logits.astype(np.int32),
        classes=classes.astype(np.int64),
        state=state,
        state_crc=crcs,
        saturations=_named(model, counters) if saturations else {},
    )


def window_count(samples: int, steps: int, hop: int) -> int:
    """Return how many whole windows of `steps` samples, one every `hop`, lie in a recording."""
    return 0 if samples < steps else (samples - steps) // hop + 1


def classify_stream(
    model: IntegerModel,
    samples: NDArray[np.int16],
    hop: Optional[int] = None,
    logits: Optional[NDArray[np.int16]] = None,
    advance: Optional[Callable[[int], None]] = None,
) -> NDArray[np.uint8]:
    """Classify a recording (S, C) of counts: a window of T samples every `hop`, each from the zero state.

    samples: read where they are, so a memory-mapped recording of any length will do. hop: the model's own
    without it. logits: (n, K) int16, filled with mantissas where given. advance: called with the windows
    done since the last call. Returns the classes (n,), n as in `window_count`; one thread.
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
    views = np.lib.stride_tricks.sliding_window_view(samples, model.window, axis=0)
    views = views[::hop].transpose(0, 2, 1)
    if logits is not None and (logits.shape != (total, len(model.classes)) or logits.dtype != np.int16):
        raise UserError(
            f"logits: expected int16 of shape {(total, len(model.classes))}, found {logits.shape}."
        )
    library = _program_of(model)[1]
    for start in range(0, total, _per_call(model.window)):
        part = slice(start, start + _per_call(model.window))
        if library is None:
            outcome = reference.run(model, views[part], checksums=False)
            classes[part], made = outcome.classes, outcome.logits.astype(np.int16)
        else:
            made = np.zeros((len(classes[part]), len(model.classes)), np.int16)
            _run(library, model, in_place(views[part]), made, classes[part])
        if logits is not None:
            logits[part] = made
        if advance:
            advance(len(made))
    return classes


class _Model(ctypes.Structure):
    _fields_ = [
        *[(name, ctypes.c_void_p) for name in _POINTERS],
        *[(f"shift_{name}", ctypes.c_int32) for name in _SHIFTS],
        ("state_shift", ctypes.c_int32),
        ("gate_high", ctypes.c_int32),
        ("activation_high", ctypes.c_int32),
    ]


def _shape(model: IntegerModel) -> Shape:
    return Shape(model.hidden, model.channels, model.dense, len(model.classes), model.prototypes)


def _program_of(model: IntegerModel) -> tuple[Backend, Optional[ctypes.CDLL]]:
    if isinstance(model, FilterModel):
        return Backend("numpy", "the C for this computer is of gru-mlp students"), None
    return _program(_shape(model))


def forget_libraries() -> None:
    """Look for compiler and libraries anew, as after a change of the environment."""
    _program.cache_clear()
    compiler.cache_clear()


@cache
def _program(shape: Shape) -> tuple[Backend, Optional[ctypes.CDLL]]:
    """Return the library of a shape; None, and why, where NumPy has to do."""
    if os.environ.get("MCUKD_HOST") == "numpy":
        return Backend("numpy", "MCUKD_HOST=numpy asks for it"), None
    if max(shape) >= 1 << 15 or shape.classes > 256:
        return Backend("numpy", "the model is larger than the C is made for"), None
    try:
        library = load_library(shape)
    except CannotBuild as error:
        return Backend("numpy", str(error)), None
    pointer, wide = ctypes.c_void_p, ctypes.c_int64
    library.mcukd_batch_run.argtypes = [pointer, pointer, wide, wide, wide, *[pointer] * 5]
    library.mcukd_batch_run.restype = None
    return Backend("c"), library


def _run(
    library: ctypes.CDLL,
    model: IntegerModel,
    windows: NDArray[np.int16],
    logits: NDArray[np.int16],
    classes: NDArray[np.uint8],
    state: Optional[NDArray[np.int16]] = None,
    crcs: Optional[NDArray[np.uint32]] = None,
    counters: Optional[NDArray[np.uint64]] = None,
) -> None:
    """Run windows (N, T, C), of which T and C lie one after the other in memory, into arrays over N."""
    facts, arrays = _facts(model)
    total, steps, _ = windows.shape
    for start in range(0, total, _per_call(steps)):
        part = slice(start, min(start + _per_call(steps), total))
        library.mcukd_batch_run(
            ctypes.byref(facts),
            windows[part].ctypes.data,
            part.stop - start,
            windows.strides[0] // 2,
            steps,
            logits[part].ctypes.data,
            classes[part].ctypes.data,
            None if state is None else state[part].ctypes.data,
            None if crcs is None else crcs[part].ctypes.data,
            None if counters is None else counters.ctypes.data,
        )
    del arrays  # the C read them until now


def _facts(model: IntegerModel) -> tuple[_Model, list[NDArray[Any]]]:
    """Return a model as the C reads it, and the arrays whose memory that points to."""
    units, shifts = 2 * pairs(model.hidden), model.shifts

    def by_unit(values: IntArray) -> IntArray:
        return np.pad(values, [(0, units - len(values))] + [(0, 0)] * (values.ndim - 1))

    def bias(name: str, shift: str) -> IntArray:
        return model.arrays[name].astype(np.int64) + (1 << shifts[shift] >> 1)

    recurrent = np.stack([by_unit(_words(model.arrays[f"recurrent_{g}"])) for g in _GATES], axis=2)
    kernel = np.stack([by_unit(_words(model.arrays[f"kernel_{g}"])) for g in _GATES], axis=1)
    sums = [*((f"bias_{g}", f"{g}_pre") for g in _GATES), ("bias_h_rec", "h_rec")]
    table, middle = _gate_table(model.gates)
    layers = [layer for layer, _, _ in head_layers(model.arrays)]
    wide = {
        "recurrent": recurrent,
        "kernel": kernel,
        "bias": by_unit(np.stack([bias(*names) for names in sums], axis=1)),
        **{f"{layer}_bias": bias(f"{layer}_bias", layer) for layer in layers},
    }
    kept: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(a, np.int32) for name, a in wide.items()}
    kept.update({name: np.ascontiguousarray(model.arrays[name], np.int16) for name in layers})
    kept["gate"] = table
    facts = _Model(
        **{name: kept[name].ctypes.data for name in _POINTERS if name in kept},
        **{f"shift_{name}": shifts[name] for name in _SHIFTS if name in shifts},
        state_shift=model.state_shift,
        gate_high=(1 << (gates.PRE_BITS[model.gates] - 1)) - 1,
        activation_high=(1 << (model.activation_bits - 1)) - 1,
    )
    facts.gate += middle * table.itemsize
    return facts, list(kept.values())


def _words(weights: NDArray[np.int16]) -> IntArray:
    """Return (rows, pairs) int32 words of weights (rows, columns), the first column in the lower half."""
    padded = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2))).astype(np.int64) & 0xFFFF
    return (padded[:, ::2] | padded[:, 1::2] << 16).astype(np.uint32).view(np.int32).astype(np.int64)


@cache
def _gate_table(kind: str) -> tuple[NDArray[np.uint16], int]:
    """Return the gate at every mantissa, and where mantissa 0 is."""
    middle = 1 << (gates.PRE_BITS[kind] - 1)
    return gates.gate(np.arange(-middle, middle), kind).astype(np.uint16), middle


def _named(model: IntegerModel, counters: NDArray[np.uint64]) -> dict[str, int]:
    """Return the counters by tensor, those that the model has."""
    return {name: int(n) for name, n in zip(_COUNTERS, counters) if model.dense or name != "dense_out"}


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


def _without_saturations(outcome: Outcome) -> Outcome:
    return Outcome(outcome.logits, outcome.classes, outcome.state, outcome.state_crc, {})
