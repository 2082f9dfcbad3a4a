"""The ranges stage: where the tensors of a study's integer model lie in their formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.files import write_json
from mcukd.fixedpoint.families import integer_form
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.models.families import FAMILIES
from mcukd.models.student import family_of_study, load_student, require_integers, weights_of
from mcukd.study import STUDENT_FILE, Study

#: Compares float weights and integer model on windows.
Measure = Callable[[Any, Any, Windows], dict[str, Any]]

RANGES_FILE = "ranges.json"
_WINDOWS = 2048


def ranges_study(study: Study, data_root: Optional[Path] = None) -> tuple[dict[str, Any], bool]:
    """Measure a study's shipped model on its evaluation windows into `ranges.json`; nothing where current.

    At most 2,048 windows, spread evenly. Returns the content and whether anything was done.
    Raises UserError for a missing or stale model, and at once for a student of a family that
    has no such comparison.
    """
    require_integers(study, "'mcukd ranges'")
    _require_ranges(study, family_of_study(study))
    study.require("quantize")
    if not study.file(STUDENT_FILE).exists():
        raise UserError(
            f"{study.file(STUDENT_FILE)}: no such file, but the float student is what 'mcukd ranges' "
            "compares the integers with; run 'mcukd distill' and 'mcukd quantize' for a study that has both."
        )
    model = load_model(study.path)
    measure = _require_ranges(study, model.family)
    card = load_card(study.card)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {
        **study.inputs("fixedpoint.npz", "fixedpoint.json", STUDENT_FILE),
        "data": dataset_sha256(card, root, seed),
    }
    path = study.file(RANGES_FILE)
    if study.is_current("ranges", inputs, {"windows": _WINDOWS}):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content, False
    windows = load_windows(card, root, seed=seed)
    if len(windows) > _WINDOWS:
        windows = windows.take(np.linspace(0, len(windows) - 1, _WINDOWS).astype(np.int64))
    content = measure(weights_of(load_student(study.file(STUDENT_FILE), model.family)), model, windows)
    write_json(path, content)
    study.finish("ranges", inputs=inputs, options={"windows": _WINDOWS}, outputs=[path])
    return content, True


def read_ranges(study: Study, model: IntegerModel) -> Optional[dict[str, Any]]:
    """Return what `ranges_study` wrote of this model, or None where it did not yet."""
    path = study.file(RANGES_FILE)
    if "ranges" not in study.manifest["stages"] or not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content if content["model_sha256"] == model.sha256 else None


def _require_ranges(study: Study, family: str) -> Measure:
    """Return the function that measures students of a family. Raises UserError where there is none."""
    measure = integer_form(family).ranges
    if measure is None:
        able = [one.name for one in FAMILIES.values() if one.integers and integer_form(one.name).ranges]
        raise UserError(
            f"{study.path}: 'mcukd ranges' follows a {' or '.join(able)} step by step, and this study's "
            f"student is a {family}; 'mcukd quantize' shows what each of its tensors saw, can represent and "
            "clipped."
        )
    return measure
