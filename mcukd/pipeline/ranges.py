"""The ranges stage: where the tensors of a study's integer model lie in their formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.of_study import study_card
from mcukd.errors import UserError
from mcukd.files import write_json
from mcukd.fixedpoint.families import integer_form
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.inference.carried import integer_states_before
from mcukd.metrics.metrics_file import CARRIED
from mcukd.models.carried import states_before
from mcukd.models.families import FAMILIES
from mcukd.models.student import family_of_study, load_student, require_integers, weights_of
from mcukd.study import STUDENT_FILE, Study

#: Compares float weights and integer model on windows, from the states `begun` where these are carried.
Measure = Callable[..., dict[str, Any]]

RANGES_FILE = "ranges.json"
_WINDOWS = 2048


def ranges_study(study: Study, data_root: Path | None = None) -> tuple[dict[str, Any], bool]:
    """Measure a study's shipped model on its evaluation windows into `ranges.json`; nothing where current.

    At most 2,048 windows, spread evenly, each from the zero state, or from what its recording has made of it
    where the model carries its state (then `state` says so). Returns the content and whether anything was
    done. Raises UserError for a missing or stale model, and at once for a student of a family that has no
    such comparison.
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
    card = study_card(study)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {
        **study.inputs("fixedpoint.npz", "fixedpoint.json", STUDENT_FILE),
        "data": dataset_sha256(card, root, seed),
    }
    path = study.file(RANGES_FILE)
    carried = {"state": CARRIED} if model.stream else {}
    options = {"windows": _WINDOWS, **carried}
    if study.is_current("ranges", inputs, options):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content, False
    windows = load_windows(card, root, seed=seed, past=model.stream)
    if len(windows) > _WINDOWS:
        windows = windows.take(np.linspace(0, len(windows) - 1, _WINDOWS).astype(np.int64))
    weights = weights_of(load_student(study.file(STUDENT_FILE), model.family))
    begun = {}
    if model.stream:
        assert windows.past is not None
        begun["begun"] = (states_before(weights, windows), integer_states_before(model, windows.past))
    content = {**measure(weights, model, windows, **begun), **carried}
    write_json(path, content)
    study.finish("ranges", inputs=inputs, options=options, outputs=[path])
    return content, True


def read_ranges(study: Study, model: IntegerModel) -> dict[str, Any] | None:
    """Return what `ranges_study` wrote of this model, or None where it did not yet."""
    path = study.file(RANGES_FILE)
    if "ranges" not in study.manifest["stages"] or not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # Earlier versions began each window of a carried state from zero.
    own = content["model_sha256"] == model.sha256 and ("state" in content) == model.stream
    return content if own else None


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
