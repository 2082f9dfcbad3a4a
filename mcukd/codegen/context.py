"""Facts of an integer model that templates print, and helpers that write arrays as C."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.families import code_form
from mcukd.fixedpoint import gates, refusal
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run


def model_context(model: IntegerModel) -> dict[str, Any]:
    """Return what the templates of a model's folders print of it: common facts, and those of its family."""
    return {**_common(model), **code_form(model.family).context(model)}


def _common(model: IntegerModel) -> dict[str, Any]:
    return {
        "sha256": model.sha256,
        "sha256_rows": rows([f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256)]),
        "card": comment(model.card),
        "simulated": model.simulated,
        "bits": model.bits,
        "weight_bits": model.weight_bits,
        "activation_bits": model.activation_bits,
        "activation_high": (1 << (model.activation_bits - 1)) - 1,
        "window": model.window,
        "hop": model.hop,
        "carried": model.stream,
        "channels": model.channels,
        "state_halfwords": model.state_halfwords,
        "state_words": 0,  # numbers of 32 bits that a family's state begins with
        "dense": model.dense,
        "prototypes": model.prototypes,
        "classes": model.classes,
        "rate_hz": f"{model.rate_hz:g}",
        "rate_millihertz": round(model.rate_hz * 1000),
        "counts_per_g": f"{model.counts_per_g:.10g}",
        "lengths": {name: fmt.fractional_length for name, fmt in model.formats.items()},
        "shifts": model.shifts,
        "head": _head(model),
        "head_type": _head_type(model),
        "weight_bytes": model.weight_bytes,
        "table_bytes": model.table_bytes,
        "trace_tensors": model.trace_tensors,
        "known_answers": _known_answers(model),
        "refusal": _refusal(model),
    }


def _refusal(model: IntegerModel) -> dict[str, Any] | None:
    """Return a model's refusal rule as C initializers; None without one. No whitening: margins alone."""
    if not model.may_refuse:
        return None
    arrays = model.arrays
    margins = {"margins": ", ".join(map(str, arrays[refusal.MARGINS])), "whitening": None}
    if refusal.WHITENING not in arrays:
        return margins
    shift = int(arrays[refusal.SHIFT][0])
    return {
        **margins,
        "whitening": nested(arrays[refusal.WHITENING], str, 12),
        "means": nested(arrays[refusal.MEANS], str, 12),
        "limits": ", ".join(f"UINT32_C({limit})" for limit in arrays[refusal.LIMITS]),
        "shift": shift,
        "addend": 1 << shift >> 1,
        "deviation_most": refusal.DEVIATION_MOST,
    }


def gate_context(kind: str) -> dict[str, Any]:
    """Return the facts of a gate table, for families whose step reads one. kind: of `gates.GATE_TABLES`."""
    if kind == "direct":
        table = rows([str(v) for v in gates.values()])
    else:
        lines = zip(gates.lines().intercept, gates.lines().slope)
        table = rows([f"{{ {intercept}, {slope} }}" for intercept, slope in lines], per_line=6)
    return {
        "gates": kind,
        "gate_high": (1 << (gates.PRE_BITS[kind] - 1)) - 1,
        "gate_segments": gates.SEGMENTS,
        "gate_segment_shift": gates.SEGMENT_SHIFT,
        "gate_entries": len(gates.values()),
        "gate_rows": table,
    }


def with_addend(model: IntegerModel, name: str, shift: str) -> NDArray[np.int64]:
    """Return a bias with the addend of the rounding shift that follows its sum."""
    addend = 1 << model.shifts[shift] >> 1
    return model.arrays[name].astype(np.int64) + addend


def _head(model: IntegerModel) -> list[dict[str, str]]:
    """Return weights and biases of the head as C definitions, in a fixed order."""
    arrays = []
    layers = [layer for layer, _, _ in model.head_layers]
    for name in (name for layer in layers for name in (layer, f"{layer}_bias")):
        values = model.arrays[name]
        dimensions = "".join(f"[{size}]" for size in values.shape)
        if name.endswith("bias"):
            kind, values = "int32_t", with_addend(model, name, name.split("_")[0])
            body = rows([literal(v) for v in values])
        else:
            kind, body = _head_type(model), nested(values, literal, 12)
        arrays.append({"name": name, "type": kind, "dimensions": dimensions, "rows": body})
    return arrays


def _head_type(model: IntegerModel) -> str:
    return "int8_t" if model.head_bits <= 8 else "int16_t"


def _known_answers(model: IntegerModel) -> list[dict[str, Any]]:
    windows = model.arrays["known_windows"]
    outcome = run(model, windows)
    return [
        {
            "window_rows": rows(
                ["{ " + ", ".join(map(str, sample)) + " }" for sample in window], 8, per_line=4
            ),
            "logits": [int(v) for v in logits],
            "state_crc": int(crc),
            "outcome": int(found),
        }
        for window, logits, crc, found in zip(windows, outcome.logits, outcome.state_crc, outcome.classes)
    ]


def literal(value: np.integer[Any]) -> str:
    """Return a number as a C expression of type int32_t."""
    # -2147483648 is an expression of a wider type in C.
    return "INT32_MIN" if int(value) == -(1 << 31) else str(int(value))


def nested(array: NDArray[Any], write: Callable[[Any], str], per_line: int) -> str:
    """Return the rows of an array (rows, n) as C initializers in braces, each value as `write` gives it."""
    return "\n".join("    {\n" + rows([write(v) for v in row], 8, per_line) + "\n    }," for row in array)


def rows(items: Iterable[str], indent: int = 4, per_line: int = 12) -> str:
    """Return items separated by commas, `per_line` to a line."""
    items = list(items)
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return ",\n".join(" " * indent + line for line in lines)


def comment(text: str) -> str:
    """Return words of a user's on one line that neither ends a C comment nor seems to begin another."""
    plain = "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace("??", "? ?")
    return plain.replace("*/", "* /").replace("/*", "/ *")
