"""Demo: the whole pipeline on the simulated herd, from samples to proven (emulated) boards and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from mcukd.study import Study

CARD = "herd-sim"
BOARDS = ("collar", "eartag")


@dataclass(frozen=True)
class DemoFacts:
    """Results of the demo: its study, the proofs by board, the report's path, and remarks for the user."""

    study: Study
    validations: dict[str, dict[str, Any]]
    report: Path
    remarks: list[str]


def demo(run: Optional[Path], seed: int, windows: int, say: Callable[[str], None]) -> DemoFacts:
    """Run the whole pipeline in `run` (default `runs/demo`); `say` is called with each stage as it begins.

    windows: how many windows each board is proven on. Finished stages are not repeated. Without the Arm
    compiler or the emulator the native board stands in for both, and a remark says so.
    """
    from mcukd.boards.model import load_board
    from mcukd.boards.tools import tools_missing
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

    boards = [load_board(name) for name in BOARDS]
    missing = sorted({tool for board in boards for tool in tools_missing(board.twin())})
    names: tuple[str, ...] = BOARDS
    if missing:
        names = ("native",)
        remarks.append(
            f"{' and '.join(missing)} not found, so the same firmware was built for this computer instead of "
            "the collar and the ear tag; 'mcukd doctor' says how to get them."
        )
    validations = {}
    for name in names:
        board = load_board(name)
        kind = "native board" if board.host else "emulated board"
        say(f"Proving: firmware for {board.title} on the {kind}, {windows} windows over its serial line")
        validations[name] = validate_study(study, board, emulate=not board.host, windows=windows)
    say("Reporting")
    return DemoFacts(study, validations, report_study(study), remarks)
