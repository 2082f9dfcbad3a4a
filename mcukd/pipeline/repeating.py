"""Options of a stage's command, besides --run, with which it does the same again.

Stages record them when they finish (`Study.finish`), and messages about stale stages give them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.boards.model import BOARDS, Board, read_board
from mcukd.models.tflite_widths import DEFAULT_TFLITE, tflite_value

if TYPE_CHECKING:
    from mcukd.pipeline.quantize_request import QuantizeRequest
    from mcukd.pipeline.unknown import RefusalOptions


def of_board(board: Board) -> list[str]:
    """Return the option that names a board: a bundled one by its name, another by its file.

    A file is named from the current folder, where it is below it; else by its name alone, which tells nobody
    how this computer's folders are called.
    """
    path = board.path
    if path is None or path in {one.resolve() for one in BOARDS.bundled()}:
        return ["--board", board.name]
    here = Path.cwd().resolve()
    return ["--board", path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name]


def of_build(board: Board) -> list[str]:
    """Return the options of `generate` and `build`; of what a board is built for where its file says else."""
    usual = board.optimize if board.path is None else read_board(board.path).optimize
    return [*of_board(board), *([] if board.optimize == usual else ["--optimize", board.optimize])]


def of_validate(board: Board, emulate: bool, windows: int, usual: int) -> list[str]:
    """Return the options of `validate`. usual: windows without an option. The port is the user's to name."""
    options = [*of_build(board), *(["--emulate"] if emulate else ["--port", "PORT"])]
    return options if windows == usual else [*options, "--windows", str(windows)]


def of_energy(board: Board, minutes: float, awake_share: float | None, usual: float) -> list[str]:
    """Return the options of `energy`. usual: minutes without an option."""
    options = of_build(board)
    if awake_share is not None:
        return [*options, "--awake-share", _number(awake_share)]
    return options if minutes == usual else [*options, "--minutes", _number(minutes)]


def of_robustness(recorded: Mapping[str, Any]) -> list[str]:
    """Return the options of `robustness`, given those that the stage records."""
    from mcukd.robustness.perturbations import PERTURBATIONS

    options, tried = [], list(recorded["disturbances"])
    if set(tried) != set(PERTURBATIONS):
        options += ["--perturbations", ",".join(tried)]
    if not recorded["integers"]:
        options.append("--no-integers")
    if recorded["augmented"]:
        options += ["--augmented", str(recorded["augmented"])]
    return options


def of_quantize(asked: QuantizeRequest) -> list[str]:
    """Return the options of `quantize` for students with an integer form."""
    config, goal, options = asked.config, asked.objective, []
    if goal is None:
        options += ["--bits", str(config.bits)]
    else:
        options += ["--bits", "auto"]
        if goal.budget_flash is not None:
            options += ["--budget-flash", str(goal.budget_flash)]
        if goal.max_mcc_drop is not None:
            options += ["--max-mcc-drop", _number(goal.max_mcc_drop)]
    if config.activation_bits != 16:
        options += ["--activation-bits", str(config.activation_bits)]
    kinds = (config.gates,) if goal is None else asked.gate_tables
    if len(kinds) == 1 and (goal is not None or kinds[0] != "interpolated"):
        options += ["--gates", kinds[0]]
    if asked.qat:
        options.append("--qat")
    files = tuple(one.name for one in asked.files)
    if files and files != DEFAULT_TFLITE:
        options += ["--tflite", tflite_value(files)]
    elif not files and not asked.remark:
        options.append("--no-tflite")
    return options if asked.refusal is None else [*options, *_of_refusal(asked.refusal)]


def _of_refusal(refusal: RefusalOptions) -> list[str]:
    options = []
    if refusal.share is not None:
        options += ["--unknown", _number(refusal.share)]
    if refusal.risk is not None:
        options += ["--unknown", f"risk={_number(refusal.risk)}"]
    if refusal.unlike is not None:
        options += ["--unlike", _number(refusal.unlike)]
    return options


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
