"""Entry of the GRU-MLP among the code forms of student families: its context and its kernels.

Kernels compute what the portable C computes, bit for bit, and read the same words (`stream.py`). They take
two units at a time, so that six sums share every load of the state.
"""

from __future__ import annotations

import math
from typing import Any

from mcukd.boards.cores import Core
from mcukd.codegen.assembly import Unrolling
from mcukd.codegen.context import gate_context, nested
from mcukd.codegen.families import CodeForm, Kernel, PairKernel
from mcukd.codegen.gru.kernel_m3 import write_m3
from mcukd.codegen.gru.kernel_m4 import write_m4
from mcukd.codegen.gru.pair import CHANNELS_MOST, pair_words
from mcukd.codegen.gru.pair_m3 import PairWriterM3
from mcukd.codegen.gru.pair_m4 import PairWriterM4
from mcukd.codegen.gru.stream import build_stream
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.packing import ROWS, pairs

#: Writers of kernels by the instruction set that cores name (`boards.cores.Core.kernels`).
WRITERS = {"armv7-m": write_m3, "armv7e-m": write_m4}
_PAIR_WRITERS = {"armv7-m": PairWriterM3, "armv7e-m": PairWriterM4}
#: The farthest that LDRD reaches.
_LDRD_BYTES = 1020
#: Weights of more than eight bits get a kernel without a loop up to this many units.
_UNROLL_UNITS = 32


def context(model: GruMlpModel) -> dict[str, Any]:
    """Return what the templates in `model/gru` print of a model."""
    stream = build_stream(model)
    return {
        **gate_context(model.gates),
        "hidden": model.hidden,
        "unit_pairs": pairs(model.hidden),
        "state_shift": model.state_shift,
        "slots": model.packing.slots,
        "slot_bits": model.packing.slot_bits,
        # Column pairs after which tasks fill whole words again.
        "column_period": math.lcm(len(ROWS), model.packing.slots) // len(ROWS),
        "tasks": len(ROWS) * pairs(model.hidden),
        "stream": stream,
        "stream_rows": nested(stream.words, lambda v: f"0x{int(v):08x}", 8),
        "ram_bytes": 2 * 4 * pairs(model.hidden),
    }


def kernel(model: GruMlpModel, core: Core, optimize: str) -> Kernel | None:
    """Return a model's kernel, or None where only portable C is made: for an odd H or a narrow state."""
    if model.hidden % 2 or model.activation_bits != 16:
        return None
    kernels = str(core.kernels)
    plan = _fast_plan(model, kernels) if optimize == "speed" else Unrolling(unroll=1, rolled=True)
    body, stack = WRITERS[kernels](model, plan)
    return Kernel(core.title, body, model.table_bytes // 2, build_stream(model).words.nbytes, stack)


def _fast_plan(model: GruMlpModel, kernels: str) -> Unrolling:
    """Unroll as far as flash stays small: what a round of the loop saves is little where rounds are long."""
    count = pairs(model.hidden)
    if kernels == "armv7-m":
        return Unrolling(1)
    if model.packing.slots == 1 and model.hidden <= _UNROLL_UNITS:
        return Unrolling(count)
    return Unrolling(2 if count % 2 == 0 else 1)


def pair(model: GruMlpModel, core: Core) -> PairKernel | None:
    """Return a model's step of two states at once.

    None for an odd H or a narrow state, as of `kernel`, for more axes than registers hold, and for so many
    units that loads do not reach.
    """
    if model.hidden % 2 or model.activation_bits != 16 or model.channels > CHANNELS_MOST:
        return None
    writer = _PAIR_WRITERS[str(core.kernels)](model)
    if writer.reach_bytes > _LDRD_BYTES:
        return None
    words = pair_words(model)
    rows = nested(words, lambda v: f"0x{int(v):08x}", 8)
    return PairKernel(writer.sums(), writer.step(), words, rows, writer.stack_bytes)


CODE = CodeForm("model/gru", context, kernel, pair)
