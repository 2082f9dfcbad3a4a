"""Titles of the models of `robustness.json`, and sentences about its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.evaluation.model_names import model_title
from mcukd.fold_results import DEPLOYABLE, DISTILLED, STUDENT

AUGMENTED = "student_augmented"
#: Less of MCC than this is not a loss.
WORTH_SAYING = 1e-3


def title_of(model: str) -> str:
    """Return the name of a model of `robustness.json` for people."""
    return "Student, augmented" if model == AUGMENTED else model_title(model)


def sentences(content: Mapping[str, Any]) -> list[str]:
    """Say for every perturbation where the student for the device does worst, and the augmented one there.

    content: as in `robustness.json`.
    """
    said = []
    for one in content["disturbances"].values():
        own = next(
            (one["models"][name] for name in (DEPLOYABLE, DISTILLED, STUDENT) if name in one["models"]), None
        )
        if own is None:
            continue
        base = own["mcc"][one["levels"].index(0)]
        worst = min(range(len(own["mcc"])), key=lambda place: own["mcc"][place])
        if base - own["mcc"][worst] < WORTH_SAYING:
            said.append(f"{one['title']}: costs nothing at any level tried.")
            continue
        low, label = own["mcc"][worst], one["labels"][worst]
        text = f"{one['title']}: MCC {_signed(low)} at worst ({label}), {_signed(base)} without"
        helped = one["models"].get(AUGMENTED)
        said.append(f"{text}; augmented {_signed(helped['mcc'][worst])}." if helped else f"{text}.")
    return said


def _signed(score: float) -> str:
    """Return a score with the minus sign that labels of levels have."""
    return f"{score:.3f}".replace("-", "−")
