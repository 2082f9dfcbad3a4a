"""Entry of the CNN among the code forms of student families: its context. It has no assembly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.context import literal, rows
from mcukd.codegen.families import CodeForm
from mcukd.fixedpoint.cnn.model import COUNTERS, LANES, CnnModel
from mcukd.models.cnn_weights import CONVOLUTIONS

#: Filters whose sums are computed together, so that they share every load of an input: as many as divide F.
_TOGETHER = (4, 2, 1)


def context(model: CnnModel) -> dict[str, Any]:
    """Return what the templates in `model/cnn` print of a model."""
    return {
        "layers": list(_layers(model)),
        "features": model.features,
        "widest": max(layer.filters for layer in model.layers),
        "byte_weights": model.bits <= 8,
        "weight_type": "int8_t" if model.bits <= 8 else "int16_t",
        "ram_bytes": 2 * model.state_halfwords,
        "state_words": model.features,
    }


def _layers(model: CnnModel) -> Iterator[dict[str, Any]]:
    """Yield the facts of each convolution. offset: of its line among the halfwords of a state."""
    offset = 2 * model.features + COUNTERS
    for number, (name, size) in enumerate(zip(CONVOLUTIONS, model.layers)):
        length, shifts = model.line_lengths[name], model.row_shifts(name)
        inputs = model.arrays[name].shape[2]
        biases = model.arrays[f"{name}_bias"].astype(np.int64) + (np.int64(1) << shifts >> 1)
        yield {
            "name": name,
            "number": number,
            **size._asdict(),
            "inputs": inputs,
            "length": length,
            "offset": offset,
            "kept": (size.taps - size.stride) * inputs,
            "moved": size.stride * inputs,
            "together": next(n for n in _TOGETHER if size.filters % n == 0),
            "weight_rows": rows([str(int(v)) for v in _stored(model, name).reshape(-1)], per_line=16),
            "bias_rows": rows([literal(v) for v in biases], per_line=8),
            "shift_rows": rows([str(int(v)) for v in shifts], per_line=16),
        }
        offset += length


def _stored(model: CnnModel, name: str) -> NDArray[np.int64]:
    """Return the weights (F, line) of a convolution as they lie in memory, zeros behind each row.

    Of four bytes the two in the middle change places: SXTB16 takes bytes 0 and 2, then 1 and 3, of a word to
    two halfwords, and so to the weights of neighbouring inputs.
    """
    weights = model.arrays[name].astype(np.int64).reshape(len(model.arrays[name]), -1)
    padded = np.pad(weights, ((0, 0), (0, model.line_lengths[name] - weights.shape[1])))
    if model.bits > 8:
        return padded
    return padded.reshape(len(padded), -1, LANES)[:, :, [0, 2, 1, 3]].reshape(padded.shape)


CODE = CodeForm("model/cnn", context)
