"""Names of the models of `metrics.json` for people, and the order in which they are listed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcukd.evaluation.baselines import BASELINES
from mcukd.fold_results import DEPLOYABLE, DISTILLED, SEARCHED, STUDENT, TEACHER
from mcukd.models.tflite_widths import TFLITE_WIDTHS

#: Titles, and names within a sentence after "the".
_MODELS = {
    TEACHER: ("Teacher", "teacher"),
    STUDENT: ("Student, plain", "plain student"),
    DISTILLED: ("Student, distilled", "distilled student"),
    SEARCHED: ("Student, any classifier", "student with any classifier"),
    DEPLOYABLE: ("Student, searched head", "student with the searched head"),
    **{one.metric: (one.title, f"{one.title} model") for one in TFLITE_WIDTHS.values()},
    "mlp_head": ("MLP head", "MLP head"),
}


def baselines_in_order() -> tuple[str, ...]:
    """Return the baselines as they are listed: the simplest, which is trained first, comes last."""
    return tuple(reversed(tuple(BASELINES)))


def model_title(name: str) -> str:
    """Return the name of a model of `metrics.json` for people; unknown ones keep their key."""
    integer = re.fullmatch(r"fixed_point_(\d+|auto)(_qat)?", name)
    if integer is None:
        return _names(name)[0]
    width = "mixed bits" if integer.group(1) == "auto" else f"{integer.group(1)} bits"
    return f"Fixed point, {width}" + (", quantization-aware" if integer.group(2) else "")


def model_in_prose(name: str) -> str:
    """Return how a sentence names a model of `metrics.json`; unknown ones keep their key."""
    title, prose = model_title(name), _names(name)[1]
    if prose != name:
        return f"the {prose}"
    return title if title == name else f"the {title[0].lower()}{title[1:]} model"


def in_order(names: Iterable[str]) -> list[str]:
    """Sort models from the teacher over students and integer models to the baselines; others come last."""
    trained = (TEACHER, STUDENT, DISTILLED, SEARCHED, DEPLOYABLE)
    tflite = (one.metric for one in TFLITE_WIDTHS.values())
    order = (*trained, "fixed_point", *tflite, *baselines_in_order())

    def place(name: str) -> tuple[int, int, str]:
        stem, _, number = name.removesuffix("_qat").rpartition("_")
        family = stem if stem == "fixed_point" else name
        rank = order.index(family) if family in order else len(order)
        return rank, -int(number) if number.isdigit() else 0, name

    return sorted(names, key=place)


def _names(name: str) -> tuple[str, str]:
    """Return title and prose of a model, or twice its key."""
    if name in BASELINES:
        return BASELINES[name].title, BASELINES[name].prose
    return _MODELS.get(name, (name, name))
