"""Picks and writes the assembly step of a core.

Kernels compute what the portable C computes, bit for bit, and read the same words (`stream.py`). They take
two units at a time, so that six sums share every load of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from mcukd.boards.cores import check_optimize, cores_with
from mcukd.boards.model import Board
from mcukd.codegen.assembly import Plan
from mcukd.codegen.kernel_m3 import write_m3
from mcukd.codegen.kernel_m4 import write_m4
from mcukd.codegen.stream import build_stream
from mcukd.errors import UserError
from mcukd.fixedpoint.filters.model import FilterModel
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.packing import pairs
from mcukd.text import listed

#: Writers of kernels by the instruction set that cores name (`boards.cores.Core.kernels`).
WRITERS = {"armv7-m": write_m3, "armv7e-m": write_m4}
#: Weights of more than eight bits get a kernel without a loop up to this many units.
_UNROLL_UNITS = 32


@dataclass(frozen=True)
class Kernel:
    """An assembly step.

    core: the core's title, for comments. body: its text. table_middle, stream_bytes: what its literals are
    made of. stack_bytes: what a call takes of the stack.
    """

    core: str
    body: str
    table_middle: int
    stream_bytes: int
    stack_bytes: int


def core_of(board: Board) -> Optional[str]:
    """Return the option of a board's core; None where only portable C is made for it."""
    return board.processor.option if board.processor.kernels else None


def kernel_for(model: IntegerModel, core: str, optimize: str) -> Optional[Kernel]:
    """Return a model's kernel, or None where only portable C is made.

    That is where a GRU has an odd H or a state below 16 bits, and for the filter student.

    optimize: `speed` unrolls as far as pays, `size` loops over unit pairs and columns.
    Raises UserError for an unknown core or optimization.
    """
    cores = cores_with("kernels")
    if core not in cores:
        raise UserError(f"core {core}: no kernels for it; choose one of {listed(cores)}.")
    check_optimize(optimize)
    if isinstance(model, FilterModel) or model.hidden % 2 or model.activation_bits != 16:
        return None
    kernels = str(cores[core].kernels)
    plan = _fast_plan(model, kernels) if optimize == "speed" else Plan(unroll=1, rolled=True)
    body, stack = WRITERS[kernels](model, plan)
    return Kernel(cores[core].title, body, model.table_bytes // 2, build_stream(model).words.nbytes, stack)


def _fast_plan(model: IntegerModel, kernels: str) -> Plan:
    """Unroll as far as flash stays small: what a round of the loop saves is little where rounds are long."""
    count = pairs(model.hidden)
    if kernels == "armv7-m":
        return Plan(1)
    if model.packing.slots == 1 and model.hidden <= _UNROLL_UNITS:
        return Plan(count)
    return Plan(2 if count % 2 == 0 else 1)
