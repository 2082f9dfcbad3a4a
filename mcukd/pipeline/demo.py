"""Demo: the whole pipeline on the simulated herd, from samples to proven images and a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.extras import install_line
from mcukd.study import Study

if TYPE_CHECKING:
    from mcukd.boards.model import Board

CARD = "herd-sim"
BOARDS = ("collar", "eartag")
#: Windows on each twin, a second opinion from QEMU, whose UART takes a quarter of a millisecond for a byte.
TWIN_WINDOWS = 20
_NO_MODEL = (
    "The package unicorn is not installed, so no image ran on a modelled chip; install it with: "
    f"{install_line('unicorn')}."
)


@dataclass(frozen=True)
class DemoFacts:
    """Results of the demo: its study, the proofs by board, the report's path, and remarks for the user."""

    study: Study
    validations: dict[str, dict[str, Any]]
    report: Path
    remarks: list[str]


def demo(run: Path | None, seed: int, windows: int, say: Callable[[str], None]) -> DemoFacts:
    """Run the whole pipeline in `run` (default `runs/demo`); `say` is called with each stage as it begins.

    windows: how many windows the image of each board is proven on, on the model of its chip; its twin in QEMU
    gets `TWIN_WINDOWS` at most. Finished stages are not repeated. Without the Arm compiler, or anything to
    run its images, the native board stands in for both, and a remark says so.
    """
    from mcukd.boards.model import load_board
    from mcukd.data.card import load_card
    from mcukd.distillation.config import DistillConfig
    from mcukd.fixedpoint.quantize import QuantizeConfig
    from mcukd.pipeline.distill import distill
    from mcukd.pipeline.quantize import quantize_study
    from mcukd.pipeline.report import report_study
    from mcukd.pipeline.validate import validate_study

    card = load_card(CARD)
    study = Study.prepare(run or Path("runs/demo"), CARD, seed)
    say("Distilling: a ResNet teacher, a plain student and a distilled one, on simulated animals")
    distill(study, card, None, DistillConfig.demo(seed))
    say("Quantizing: the distilled student as 8-bit integers, and as TFLite int8")
    quantized = quantize_study(study, QuantizeConfig(bits=8))
    remarks = list(quantized.remarks)

    names, remark = _provable([load_board(name) for name in BOARDS])
    remarks += [remark] if remark else []
    validations = {}
    for name in names:
        board = load_board(name)
        real = board.modelled_chip is not None
        count = min(windows, TWIN_WINDOWS) if board.emulator else windows
        image = f"the image of {board.title}" if real else f"firmware for {board.title}"
        where = f" on a model of the {board.mcu}" if real else ""
        say(f"Proving: {image}{where}, {count:,} windows over its serial line")
        validations[name] = validate_study(study, board, emulate=real, windows=count)
    say("Reporting")
    return DemoFacts(study, validations, report_study(study), remarks)


def _provable(boards: Sequence[Board]) -> tuple[list[str], str | None]:
    """Return which boards can be proven here, real images before twins, and a remark on what is missing."""
    from mcukd.boards.launch import can_run
    from mcukd.boards.tools import tools_missing

    if all(not tools_missing(board) and can_run(board) for board in boards):
        names = [board.name for board in boards]
    else:
        names = []
    twins = [board.twin() for board in boards]
    missing = sorted({tool for twin in twins for tool in tools_missing(twin)})
    if not missing:
        return [*names, *(twin.name for twin in twins)], None if names else _NO_MODEL
    if names:
        return names, f"{' and '.join(missing)} not found, so the twins in QEMU were left out."
    return ["native"], (
        f"{' and '.join(missing)} not found, so the same firmware was built for this computer instead of "
        "the collar and the ear tag; 'mcukd doctor' says how to get them."
    )
