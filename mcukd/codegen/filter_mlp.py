"""Entry of the filter-MLP among the code forms of student families: its context; its C is portable only."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcukd.codegen.context import gate_context, literal, nested, with_addend
from mcukd.codegen.families import CodeForm
from mcukd.fixedpoint.filter_mlp.model import FEATURE_KINDS, WARMUP_STEPS, FilterMlpModel
from mcukd.models.filter_weights import TAPS


def context(model: FilterMlpModel) -> dict[str, Any]:
    """Return what the templates in `model/filter_mlp` print of a model."""
    taps = {name: np.tile(model.arrays[name], 2) for name in ("fir1", "fir2")}
    taps["fir1"][:, -1] = taps["fir2"][:, -1] = 0  # never read: the window of eight has eight places
    kinds = {name: model.arrays[name].reshape(len(FEATURE_KINDS), -1) for name in ("offset", "scale")}
    biases = {name: with_addend(model, f"{name}_bias", name) for name in ("fir1", "fir2")}
    return {
        **gate_context(model.gates),
        "kinds": FEATURE_KINDS,
        "full": WARMUP_STEPS,
        "features": len(FEATURE_KINDS) * model.channels,
        "pole": ", ".join(map(literal, model.arrays["pole"])),
        "taps": {name: nested(rows, literal, 16) for name, rows in taps.items()},
        "tap_biases": {name: ", ".join(map(literal, values)) for name, values in biases.items()},
        **{f"{name}_rows": nested(rows, literal, 12) for name, rows in kinds.items()},
        "ram_bytes": 2 * model.state_halfwords,
        "state_words": model.state_halfwords // 2 - TAPS * model.channels,
    }


CODE = CodeForm("model/filter_mlp", context)
