"""Efforts: named sets of options that say how much a study trains. No TensorFlow here.

A study records the options and not the effort, so that a later change of an effort leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.distillation.config import DistillConfig
from mcukd.distillation.options import flag
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: Options by effort.
EFFORTS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"method": "soft-labels", "teacher": "resnet", "epoch_factor": 1.0},
    "normal": {
        "method": "function-matching",
        "teacher": "mixed-ensemble",
        "temperature": 1.0,
        "augment": "noise",
        "epoch_factor": 2.0,
    },
}


#: Effort of a new study of a user's data: above plain students on two of five data sets, and nowhere
#: below them by more than .002 of MCC (docs/experiments/label-budgets.md, "All labels").
USUAL_EFFORT = "normal"


def usual_options(given: Mapping[str, Any], earlier: DistillConfig | None = None) -> dict[str, Any]:
    """Return the given options together with those of the usual effort.

    They stay as given where they say anything that the effort decides, and for a study that was trained
    with a quick effort before. earlier: what the study was trained with; None for a new one.
    Raises UserError for options that cannot work, and says where that is due to the effort alone.
    """
    own = EFFORTS[USUAL_EFFORT]
    keeps = earlier is not None and _decided(earlier) == _decided(DistillConfig())
    if keeps or any(name in given for name in own):
        return dict(given)
    try:
        DistillConfig().with_options(**own, **given)
    except UserError as error:
        DistillConfig().with_options(**given)
        raise UserError(
            f"{error} What of this was not given is of --effort {USUAL_EFFORT}, the default with --data; "
            "--effort quick takes these options."
        ) from None
    return {**own, **given}


def _decided(config: DistillConfig) -> list[Any]:
    """Return the values of what efforts decide."""
    return [config.method, config.teacher_name, config.augment, config.epoch_factor, config.temperature]


def with_effort(
    effort: str, given: Mapping[str, Any], earlier: DistillConfig | None = None
) -> dict[str, Any]:
    """Return the given options together with those of an effort.

    earlier: what the study was trained with, whose options stand otherwise; those of another effort do not.
    Raises UserError for an unknown effort, and for an option that both decide.
    """
    if effort not in EFFORTS:
        raise UserError(
            f"--effort is '{effort}'{did_you_mean(effort, tuple(EFFORTS))}, expected one of "
            f"{listed(tuple(EFFORTS))}."
        )
    own = EFFORTS[effort]
    if both := [flag(name) for name in own if name in given]:
        raise UserError(
            f"--effort {effort} decides {listed(both)} as well; leave out --effort, or {listed(both)}."
        )
    return {**_replaced(earlier), **own, **given}


def _replaced(earlier: DistillConfig | None) -> dict[str, Any]:
    """Return the defaults of what the effort decided that a study was trained with."""
    if earlier is None:
        return {}
    default = DistillConfig()
    for own in EFFORTS.values():
        if all(earlier.option(name) == value for name, value in own.items()):
            return {name: default.option(name) for name in own}
    return {}
