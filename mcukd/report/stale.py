"""Stale stages of a study, why they are, and the commands that bring it up to date."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from mcukd.errors import UserError
from mcukd.files import sha256_file
from mcukd.models.tflite_widths import DEFAULT_TFLITE, asked_tflite, tflite_value
from mcukd.study import Study

#: The stages in the order in which they run; of a stage with boards, each board comes in turn.
ORDER = (
    *("distill", "evaluate", "quantize", "ranges", "robustness"),
    *("generate", "build", "validate", "energy", "report"),
)


@dataclass(frozen=True)
class Stale:
    """A finished stage whose artefacts do not belong to the others any more, and why."""

    stage: str
    reason: str


def stale_stages(study: Study) -> list[Stale]:
    """Return every finished stage but `report` that is stale, in the order in which they run.

    A stage is stale where a file that it wrote is missing or changed, where a file that it read was made
    anew afterwards, and where it read a file of a stage that is stale itself.
    """
    stages: dict[str, Any] = study.manifest["stages"]
    makers = {name: stage for stage, record in stages.items() for name in record["outputs"]}
    found: dict[str, str] = {}
    for stage in sorted((one for one in stages if one != "report"), key=_place):
        reason = _own_reason(study, stage, makers)
        if reason is None:
            earlier = {makers[name] for name in stages[stage]["inputs"] if name in makers}
            follows = sorted(earlier & set(found), key=_place)
            reason = f"was made from what '{follows[0]}' wrote, which is stale" if follows else None
        if reason is not None:
            found[stage] = reason
    return [Stale(stage, reason) for stage, reason in found.items()]


def require_current(study: Study) -> None:
    """Raise UserError if any finished stage is stale: its figures would not belong to the others.

    The message lists all of them and all commands, so that one look is enough.
    """
    stale = stale_stages(study)
    if not stale:
        return
    what = "1 stage is stale, whose" if len(stale) == 1 else f"{len(stale)} stages are stale, whose"
    lines = [f"{study.path}: {what} figures would not belong to the others:"]
    lines += [f"  {one.stage}: {one.reason}" for one in stale]
    lines += ["To bring the study up to date, run in this order:"]
    lines += [f"  {command}" for command in commands(study, [one.stage for one in stale])]
    raise UserError("\n".join([*lines, f"  {study.refresh('report')}"]))


def commands(study: Study, stages: list[str]) -> list[str]:
    """Return the commands that run these stages again as they were run before, each once, in order."""
    made = dict.fromkeys(_command(study, stage) for stage in sorted(stages, key=_place))
    return list(made)


def _place(stage: str) -> tuple[int, str]:
    name, _, board = stage.partition(":")
    return (ORDER.index(name) if name in ORDER else len(ORDER), board)


def _own_reason(study: Study, stage: str, makers: dict[str, str]) -> str | None:
    """Return why a stage is stale whatever became of the stages before it; None where it is not."""
    record = study.manifest["stages"][stage]
    for name, digest in record["outputs"].items():
        found = _digest(study, name)
        if found is None:
            return f"{name} is missing"
        if found != digest:
            return f"{name} was changed since '{stage}' wrote it"
    for name, digest in record["inputs"].items():
        maker = makers.get(name)
        if maker is not None and study.manifest["stages"][maker]["outputs"][name] != digest:
            return f"'{maker}' made {name} anew after it"
    return None


def _digest(study: Study, name: str) -> str | None:
    return sha256_file(study.file(name)) if study.file(name).is_file() else None


def _command(study: Study, stage: str) -> str:
    """Return the command that runs a stage with the options it ran with.

    `mcukd distill` and `evaluate` take theirs from the study; those of the others are given.
    """
    name, _, board = stage.partition(":")
    # What was generated is built by the same command.
    name = "build" if name == "generate" else name
    given = {
        "quantize": _quantize,
        "robustness": _robustness,
        "validate": _validate,
        "energy": _energy,
    }.get(name)
    options = given(study, study.options(stage)) if given else []
    if name == "build":
        options = _optimize(board, study.options(stage))
    where = ["--board", _board(board)] if board else []
    return shlex.join(["mcukd", name, "--run", str(study.path), *where, *options])


def _quantize(study: Study, made: dict[str, Any]) -> list[str]:
    if "bits" not in made:
        return []  # a TFLite file, which has no widths
    goal, options = made.get("goal"), []
    if goal is None:
        options += ["--bits", str(made["bits"])]
    else:
        options += ["--bits", "auto"]
        for key, option in (("budget_flash", "--budget-flash"), ("max_mcc_drop", "--max-mcc-drop")):
            if goal.get(key) is not None:
                options += [option, f"{goal[key]:g}" if isinstance(goal[key], float) else str(goal[key])]
    if made.get("activation_bits", 16) != 16:
        options += ["--activation-bits", str(made["activation_bits"])]
    kinds = goal.get("gates", ()) if goal else [made.get("gates", "interpolated")]
    if len(kinds) == 1 and (goal or kinds[0] != "interpolated"):
        options += ["--gates", kinds[0]]
    if "qat" in made:
        options.append("--qat")
    tflite = asked_tflite(made.get("tflite", True))
    if not tflite and study.options("distill").get("student") is None:
        options.append("--no-tflite")
    elif tflite not in ((), DEFAULT_TFLITE):
        options += ["--tflite", tflite_value(tflite)]
    return options


def _robustness(study: Study, made: dict[str, Any]) -> list[str]:
    from mcukd.robustness.perturbations import PERTURBATIONS

    options, tried = [], list(made.get("disturbances", ()))
    if tried and set(tried) != set(PERTURBATIONS):
        options += ["--perturbations", ",".join(tried)]
    if not made.get("integers", made.get("quantize", True)):
        options.append("--no-integers")
    if made.get("augmented"):
        options += ["--augmented", str(made["augmented"])]
    return options


def _validate(study: Study, made: dict[str, Any]) -> list[str]:
    options = ["--emulate"] if made.get("emulate") else ["--port", "PORT"]
    return options if made.get("windows", 200) == 200 else [*options, "--windows", str(made["windows"])]


def _energy(study: Study, made: dict[str, Any]) -> list[str]:
    if made.get("awake_share") is not None:
        return ["--awake-share", f"{made['awake_share']:g}"]
    return [] if made.get("minutes", 5) == 5 else ["--minutes", f"{made['minutes']:g}"]


def _optimize(board: str, made: dict[str, Any]) -> list[str]:
    """Return what a build was optimized for, where the board file says otherwise."""
    from mcukd.boards.model import load_board

    try:
        usual = load_board(board).optimize
    except UserError:
        return []
    built_for = "size" if "-Os" in made.get("flags", ()) else "speed"
    return [] if not made.get("flags") or built_for == usual else ["--optimize", built_for]


def _board(name: str) -> str:
    """Return what to give for a board: a bundled one's name, else where its file would be."""
    from mcukd.boards.model import list_boards

    return name if name in {one.name for one in list_boards()} else f"{name}.toml"
