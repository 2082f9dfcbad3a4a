"""Code forms of student families: the part of a family that writes its C.

The registry is `mcukd.models.families`; `code_form` looks a family's form up there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.cores import Core
from mcukd.models.families import FAMILIES


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


@dataclass(frozen=True)
class PairKernel:
    """An assembly step of two states at once, for windows that overlap.

    sums, step: texts of the function that makes the sums of a sample, and of the one that steps two states.
    words: (units, n) uint32, their table. rows: the same as C. stack_bytes: what a call takes of the stack.
    """

    sums: str
    step: str
    words: NDArray[np.uint32]
    rows: str
    stack_bytes: int


def _portable_only(model: Any, core: Core, optimize: str) -> Kernel | None:
    return None


def _no_pairs(model: Any, core: Core) -> PairKernel | None:
    return None


@dataclass(frozen=True)
class CodeForm:
    """The part `code` of a family.

    templates: folder of `firmware_templates` that makes `mcukd_model.c`, `mcukd_model.h`, `mcukd_trace.c` and
    `mcukd_trace.h` (for a plugin: an absolute path); `model/common` is rendered with it. MCUKD_MODEL_HIDDEN,
    which these headers define, is the number of halfwords of a state (`IntegerModel.state_halfwords`).
    context: facts of a model that its templates print beside the common ones (`context.model_context`).
    kernel: the step in assembly for a core and `speed` or `size`; None for portable C. pair: the step of two
    states at once for a core; None where none is made of a model.
    """

    templates: str
    context: Callable[[Any], dict[str, Any]]
    kernel: Callable[[Any, Core, str], Kernel | None] = _portable_only
    pair: Callable[[Any, Core], PairKernel | None] = _no_pairs


def code_form(family: str) -> CodeForm:
    """Return the code form of a family. Raises ValueError for a family that has none."""
    form: CodeForm = FAMILIES[family].part("code")
    return form
