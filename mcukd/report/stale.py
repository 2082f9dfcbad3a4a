"""Stale stages of a study, why they are, and the commands that bring it up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcukd.errors import UserError
from mcukd.files import sha256_file
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
    # What was generated is built by the same command.
    return study.refresh(stage, "build" if stage.startswith("generate:") else None)
