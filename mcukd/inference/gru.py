"""The GRU-MLP in compiled C on this computer: `firmware_templates/host/mcukd_batch.c.j2`."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.gru.model import GATES, GruMlpModel
from mcukd.fixedpoint.gru.packing import pairs
from mcukd.inference.families import Carrier, HostForm, Runner
from mcukd.inference.library import CannotBuild, load_library, render

TEMPLATE = "host/mcukd_batch.c.j2"
_COUNTERS = ("input", "z_pre", "r_pre", "h_rec", "h_pre", "h", "dense_out", "logits")
_POINTERS = (
    "recurrent", "kernel", "bias", "gate", "dense", "dense_bias", "output", "output_bias",
)  # fmt: skip
_SHIFTS = (
    "state_z", "state_r", "h_rec", "gated", "z_pre", "r_pre", "h_pre", "h", "dense", "output",
)  # fmt: skip


class Shape(NamedTuple):
    """Facts that a compiled library depends on."""

    hidden: int
    channels: int
    dense: int  # 0 where scores read the state
    classes: int
    prototypes: int = 1


class _Model(ctypes.Structure):
    _fields_ = [
        *[(name, ctypes.c_void_p) for name in _POINTERS],
        *[(f"shift_{name}", ctypes.c_int32) for name in _SHIFTS],
        ("state_shift", ctypes.c_int32),
        ("gate_high", ctypes.c_int32),
        ("activation_high", ctypes.c_int32),
    ]


def shape_of(model: GruMlpModel) -> Shape:
    """Return the shape of a model."""
    return Shape(model.hidden, model.channels, model.dense, len(model.classes), model.prototypes)


def source(shape: Shape) -> str:
    """Return the C of a shape."""
    return render(TEMPLATE, shape._asdict())


def load(shape: Shape) -> ctypes.CDLL:
    """Return the library of a shape, built unless an earlier process did. Raises CannotBuild."""
    if max(shape) >= 1 << 15 or shape.classes > 256:
        raise CannotBuild("the model is larger than the C is made for")
    library = load_library(source(shape))
    pointer, wide = ctypes.c_void_p, ctypes.c_int64
    library.mcukd_batch_run.argtypes = [pointer, pointer, wide, wide, wide, *[pointer] * 5]
    library.mcukd_batch_run.restype = None
    library.mcukd_batch_carry.argtypes = [pointer, pointer, wide, wide, wide, *[pointer] * 4]
    library.mcukd_batch_carry.restype = None
    return library


def runner(library: ctypes.CDLL, model: GruMlpModel) -> Runner:
    """Bind a model to its library."""
    facts, arrays = _facts(model)

    def run(
        windows: NDArray[np.int16],
        logits: NDArray[np.int16],
        classes: NDArray[np.uint8],
        state: NDArray[np.int16] | None,
        crcs: NDArray[np.uint32] | None,
        counters: NDArray[np.uint64] | None,
    ) -> None:
        assert arrays  # the C reads their memory
        library.mcukd_batch_run(
            ctypes.byref(facts),
            windows.ctypes.data,
            len(windows),
            windows.strides[0] // 2,
            windows.shape[1],
            logits.ctypes.data,
            classes.ctypes.data,
            None if state is None else state.ctypes.data,
            None if crcs is None else crcs.ctypes.data,
            None if counters is None else counters.ctypes.data,
        )

    return run


def carrier(library: ctypes.CDLL, model: GruMlpModel) -> Carrier:
    """Bind a model whose state is carried to its library."""
    facts, arrays = _facts(model)

    def carry(
        samples: NDArray[np.int16],
        first: int,
        hop: int,
        state: NDArray[np.int16],
        logits: NDArray[np.int16],
        classes: NDArray[np.uint8],
        states: NDArray[np.int16],
    ) -> None:
        assert arrays  # the C reads their memory
        library.mcukd_batch_carry(
            ctypes.byref(facts),
            samples.ctypes.data,
            len(samples),
            first,
            hop,
            state.ctypes.data,
            logits.ctypes.data,
            classes.ctypes.data,
            states.ctypes.data,
        )

    return carry


def _facts(model: GruMlpModel) -> tuple[_Model, list[NDArray[Any]]]:
    """Return a model as the C reads it, and the arrays whose memory that points to."""
    units, shifts = 2 * pairs(model.hidden), model.shifts

    def by_unit(values: IntArray) -> IntArray:
        return np.pad(values, [(0, units - len(values))] + [(0, 0)] * (values.ndim - 1))

    def bias(name: str, shift: str) -> IntArray:
        return model.arrays[name].astype(np.int64) + (1 << shifts[shift] >> 1)

    recurrent = np.stack([by_unit(_words(model.arrays[f"recurrent_{g}"])) for g in GATES], axis=2)
    kernel = np.stack([by_unit(_words(model.arrays[f"kernel_{g}"])) for g in GATES], axis=1)
    sums = [*((f"bias_{g}", f"{g}_pre") for g in GATES), ("bias_h_rec", "h_rec")]
    table, middle = _gate_table(model.gates)
    layers = [layer for layer, _, _ in model.head_layers]
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


HOST = HostForm(shape_of, load, runner, _COUNTERS, carrier)
