"""The integer model as the plain facts its templates print."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.gates import sigmoid_table
from mcukd.fixedpoint.model import GATES, WEIGHTS, IntegerModel
from mcukd.fixedpoint.reference import run

#: The type table: storage of each kind of array.
_C_TYPES = {"weight8": "int8_t", "weight16": "int16_t", "bias": "int32_t", "table": "int16_t"}


def model_context(model: IntegerModel) -> dict[str, Any]:
    """Return what the templates of `firmware_templates/model` print of a model."""
    lengths = {name: fmt.fractional_length for name, fmt in model.formats.items()}
    tables = {gate: f"mcukd_model_sigmoid_{_suffix(model.sigmoid_length(gate))}" for gate in GATES}
    arrays = _arrays(model)
    table_bytes = sum(2 * 257 for _ in set(tables.values()))
    return {
        "sha256": model.sha256,
        "sha256_rows": _rows([f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256)]),
        "card": _comment(model.card),
        "simulated": model.simulated,
        "bits": model.bits,
        "activation_bits": model.activation_bits,
        "activation_high": (1 << (model.activation_bits - 1)) - 1,
        "window": model.window,
        "hop": model.hop,
        "channels": model.channels,
        "hidden": model.hidden,
        "dense": model.dense,
        "classes": model.classes,
        "rate_hz": f"{model.rate_hz:g}",
        "rate_millihertz": round(model.rate_hz * 1000),
        "counts_per_g": round(model.counts_per_g),
        "lengths": lengths,
        "shifts": _shifts(lengths),
        "tables": tables,
        "arrays": arrays,
        "weight_bytes": model.weight_bytes,
        "table_bytes": table_bytes,
        "ram_bytes": 2 * 2 * model.hidden,
        "known_answers": _known_answers(model),
    }


def _shifts(lengths: dict[str, int]) -> dict[str, int]:
    """Return the rounding right shift after each sum, as the reference derives them."""
    state, gate_targets = lengths["h"], {"z": "z_pre", "r": "r_pre", "h": "h_rec"}
    return {
        **{f"kernel_{g}": lengths[f"kernel_{g}"] - lengths[f"{g}_pre"] for g in GATES},
        **{f"recurrent_{g}": lengths[f"recurrent_{g}"] + state - lengths[gate_targets[g]] for g in GATES},
        "gated": 15 + lengths["h_rec"] - lengths["h_pre"],
        "state": 15 - state,
        "dense": lengths["dense"] + state - lengths["dense_out"],
        "output": lengths["output"] + lengths["dense_out"] - lengths["logits"],
    }


def _arrays(model: IntegerModel) -> list[dict[str, Any]]:
    """Return weights, biases and gate tables as C declarations and definitions, in a fixed order."""
    weight = "weight8" if model.bits <= 8 else "weight16"
    arrays = [
        _array(
            name,
            values,
            weight if name in WEIGHTS else "bias",
            name.startswith(("kernel", "recurrent", "bias")),
        )
        for name, values in sorted(model.arrays.items())
        if name != "known_windows"
    ]
    lengths = sorted({model.sigmoid_length(gate) for gate in GATES})
    return arrays + [_array(f"sigmoid_{_suffix(n)}", sigmoid_table(n), "table", True) for n in lengths]


def _array(name: str, values: NDArray[Any], kind: str, in_step: bool) -> dict[str, Any]:
    dimensions = "".join(f"[{size}]" for size in values.shape)
    head = f"const {_C_TYPES[kind]} mcukd_model_{name}{dimensions}"
    if values.ndim == 1:
        body = _rows([_literal(v) for v in values])
    else:
        body = "\n".join("    {\n" + _rows([_literal(v) for v in row], 8) + "\n    }," for row in values)
    return {"declaration": f"extern {head}", "definition": f"{head} = {{\n{body}\n}};", "in_step": in_step}


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


def _rows(items: list[str], indent: int = 4, per_line: int = 12) -> str:
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return ",\n".join(" " * indent + line for line in lines)


def _suffix(length: int) -> str:
    return f"q{length}" if length >= 0 else f"qm{-length}"


def _comment(text: str) -> str:
    """Keep user text from ending a C comment."""
    return text.replace("*/", "* /").replace("\\", "/")
