"""Assembly step of a model for a core, where its family writes one."""

from __future__ import annotations

from mcukd.boards.cores import check_optimize, cores_with
from mcukd.boards.model import Board
from mcukd.codegen.families import Kernel, PairKernel, code_form
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.text import listed


def core_of(board: Board) -> str | None:
    """Return the option of a board's core; None where only portable C is made for it."""
    return board.processor.option if board.processor.kernels else None


def kernel_for(model: IntegerModel, core: str, optimize: str) -> Kernel | None:
    """Return a model's kernel, or None where its family makes only portable C of it.

    optimize: `speed` unrolls as far as pays, `size` loops over unit pairs and columns.
    Raises UserError for an unknown core or optimization.
    """
    cores = cores_with("kernels")
    if core not in cores:
        raise UserError(f"core {core}: no kernels for it; choose one of {listed(cores)}.")
    check_optimize(optimize)
    return code_form(model.family).kernel(model, cores[core], optimize)


def staggered_states(model: IntegerModel) -> int:
    """Return how many windows are under way at once: 1 where the state is carried, ceil(T / hop) else."""
    return 1 if model.stream else -(-model.window // model.hop)


def pair_kernel_for(model: IntegerModel, core: str | None, optimize: str) -> PairKernel | None:
    """Return the step of two states at once for the firmware of a core.

    None where no two windows overlap, where flash comes before speed, and where the family makes none.
    """
    if core is None or optimize != "speed" or staggered_states(model) < 2:
        return None
    return code_form(model.family).pair(model, cores_with("kernels")[core])
