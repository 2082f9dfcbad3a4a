"""The integer model as the plain facts its templates print."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.stream import build_stream, with_addend
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.filters.model import FULL, KINDS, FilterModel
from mcukd.fixedpoint.model import IntegerModel, head_layers
from mcukd.fixedpoint.packing import ROWS, pairs
from mcukd.fixedpoint.reference import run

#: The folder of `firmware_templates` that a model's sources are made from, by its student.
TEMPLATES = {IntegerModel.student: "model/gru", FilterModel.student: "model/filter_mlp"}


def model_context(model: IntegerModel) -> dict[str, Any]:
    """Return what the templates of the model's folder (`TEMPLATES`) print of it."""
    if isinstance(model, FilterModel):
        return {**_common(model), **_filters(model)}
    stream = build_stream(model)
    return {
        **_common(model),
        "unit_pairs": pairs(model.hidden),
        "state_shift": model.state_shift,
        "slots": model.packing.slots,
        "slot_bits": model.packing.slot_bits,
        # Column pairs after which tasks fill whole words again.
        "column_period": math.lcm(len(ROWS), model.packing.slots) // len(ROWS),
        "tasks": len(ROWS) * pairs(model.hidden),
        "stream": stream,
        "stream_rows": _nested(stream.words, lambda v: f"0x{int(v):08x}", 8),
        "ram_bytes": 2 * 4 * pairs(model.hidden),
    }


def _filters(model: FilterModel) -> dict[str, Any]:
    taps = {name: np.tile(model.arrays[name], 2) for name in ("fir1", "fir2")}
    taps["fir1"][:, -1] = taps["fir2"][:, -1] = 0  # never read: the window of eight has eight places
    kinds = {name: model.arrays[name].reshape(len(KINDS), -1) for name in ("offset", "scale")}
    biases = {name: with_addend(model, f"{name}_bias", name) for name in ("fir1", "fir2")}
    return {
        "kinds": KINDS,
        "full": FULL,
        "features": len(KINDS) * model.channels,
        "pole": ", ".join(map(_literal, model.arrays["pole"])),
        "taps": {name: _nested(rows, _literal, 16) for name, rows in taps.items()},
        "tap_biases": {name: ", ".join(map(_literal, values)) for name, values in biases.items()},
        **{f"{name}_rows": _nested(rows, _literal, 12) for name, rows in kinds.items()},
        "ram_bytes": 2 * model.hidden,
    }


def _common(model: IntegerModel) -> dict[str, Any]:
    return {
        "sha256": model.sha256,
        "sha256_rows": _rows([f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256)]),
        "card": comment(model.card),
        "simulated": model.simulated,
        "bits": model.bits,
        "activation_bits": model.activation_bits,
        "activation_high": (1 << (model.activation_bits - 1)) - 1,
        "window": model.window,
        "hop": model.hop,
        "channels": model.channels,
        "hidden": model.hidden,
        "dense": model.dense,
        "prototypes": model.prototypes,
        "classes": model.classes,
        "rate_hz": f"{model.rate_hz:g}",
        "rate_millihertz": round(model.rate_hz * 1000),
        "counts_per_g": f"{model.counts_per_g:.10g}",
        "lengths": {name: fmt.fractional_length for name, fmt in model.formats.items()},
        "shifts": model.shifts,
        "gates": model.gates,
        "gate_high": (1 << (gates.PRE_BITS[model.gates] - 1)) - 1,
        "gate_segments": gates.SEGMENTS,
        "gate_segment_shift": gates.SEGMENT_SHIFT,
        "gate_entries": len(gates.values()),
        "gate_rows": _gate_rows(model.gates),
        "head": _head(model),
        "head_type": _head_type(model),
        "weight_bytes": model.weight_bytes,
        "table_bytes": model.table_bytes,
        "trace_tensors": model.trace_tensors,
        "known_answers": _known_answers(model),
    }


def _gate_rows(kind: str) -> str:
    if kind == "direct":
        return _rows([str(v) for v in gates.values()])
    lines = zip(gates.lines().intercept, gates.lines().slope)
    return _rows([f"{{ {intercept}, {slope} }}" for intercept, slope in lines], per_line=6)


def _head(model: IntegerModel) -> list[dict[str, str]]:
    """Return weights and biases of the head as C definitions, in a fixed order."""
    arrays = []
    layers = [layer for layer, _, _ in head_layers(model.arrays)]
    for name in (name for layer in layers for name in (layer, f"{layer}_bias")):
        values = model.arrays[name]
        dimensions = "".join(f"[{size}]" for size in values.shape)
        if name.endswith("bias"):
            kind, values = "int32_t", with_addend(model, name, name.split("_")[0])
            body = _rows([_literal(v) for v in values])
        else:
            kind, body = _head_type(model), _nested(values, _literal, 12)
        arrays.append({"name": name, "type": kind, "dimensions": dimensions, "rows": body})
    return arrays


def _head_type(model: IntegerModel) -> str:
    return "int8_t" if model.head_bits <= 8 else "int16_t"


def _known_answers(model: IntegerModel) -> list[dict[str, Any]]:
    windows = model.arrays["known_windows"]
    outcome = run(model, windows)
    return [
        {
            "window_rows": _rows(
                ["{ " + ", ".join(map(str, sample)) + " }" for sample in window], 8, per_line=4
            ),
            "logits": [int(v) for v in logits],
            "state_crc": int(crc),
        }
        for window, logits, crc in zip(windows, outcome.logits, outcome.state_crc)
    ]


def _literal(value: np.integer[Any]) -> str:
    # -2147483648 is an expression of a wider type in C.
    return "INT32_MIN" if int(value) == -(1 << 31) else str(int(value))


def _nested(rows: NDArray[Any], literal: Any, per_line: int) -> str:
    return "\n".join("    {\n" + _rows([literal(v) for v in row], 8, per_line) + "\n    }," for row in rows)


def _rows(items: Iterable[str], indent: int = 4, per_line: int = 12) -> str:
    items = list(items)
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return ",\n".join(" " * indent + line for line in lines)


def comment(text: str) -> str:
    """Return words of a user's on one line that neither ends a C comment nor seems to begin another."""
    plain = "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace("??", "? ?")
    return plain.replace("*/", "* /").replace("/*", "/ *")
