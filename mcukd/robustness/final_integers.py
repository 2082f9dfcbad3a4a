"""The integer model that a study ships, fold by fold: the widths chosen, and the weights trained for them.

The integer model of a fold is made as `mcukd quantize` makes it: with the fold's own widths where they were
searched, and from its own weights where quantization-aware training changed them. It is therefore the model
that the study ships, trained without the animals it is scored on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcukd.distillation.qat import FOLDER, QatResult, read_qat_result, widths_folder
from mcukd.errors import UserError
from mcukd.files import sha256_text
from mcukd.fixedpoint.mixed import PARETO
from mcukd.fixedpoint.model import ARRAYS_FILE
from mcukd.fixedpoint.quantize import TFLITE_METRIC, QuantizeConfig, metrics_name
from mcukd.models.student import TFLITE, has_integers
from mcukd.study import Study


@dataclass(frozen=True)
class FinalIntegers:
    """How each fold's integer model is made.

    name: that in `metrics.json`. configs, trained: widths, and weights trained for them, by the fold's file
    (`A-s0`); trained is empty without quantization-aware training. made: whether the study is quantized.
    files: what it was read from, for the manifest.
    """

    name: str
    configs: dict[str, QuantizeConfig]
    trained: dict[str, QatResult]
    made: bool
    files: tuple[str, ...]
    identity: str

    def sentence(self) -> str:
        """Say which integer model is scored."""
        if not self.made:
            return (
                f"The study is not quantized: the integer model scored is {self.name}, what 'mcukd quantize' "
                "makes when nothing is chosen."
            )
        own = "the float student of each fold"
        if self.trained:
            own = "each fold's student as it was trained on with the device's weights"
        if len(set(self.configs.values())) > 1:
            own += ", with the widths chosen for that fold"
        return f"The integer model scored is {self.name}, as the study ships it: of {own}."


def final_integers(study: Study, folds: Sequence[str]) -> FinalIntegers:
    """Return the integer form that a study ships, for the folds (`A-s0`) of its students.

    Raises UserError where `quantize` is stale or what it kept of a fold is missing.
    """
    made = study.options("quantize")
    tflite_only = not has_integers(study)
    if made:
        study.require("quantize")
    if tflite_only:
        files = (TFLITE,) if made else ()
        return FinalIntegers(TFLITE_METRIC, {}, {}, bool(made), files, _identity(study, made, files))
    if not made:
        config = QuantizeConfig()
        return FinalIntegers(
            metrics_name(config.options()),
            dict.fromkeys(folds, config),
            {},
            False,
            (),
            _identity(study, {}, ()),
        )
    configs = _searched(study, folds) if "goal" in made else dict.fromkeys(folds, _config(made))
    trained = {fold: _trained(study, fold, configs[fold]) for fold in folds} if "qat" in made else {}
    files = (ARRAYS_FILE,)
    return FinalIntegers(metrics_name(made), configs, trained, True, files, _identity(study, made, files))


def _config(options: dict[str, Any]) -> QuantizeConfig:
    known = QuantizeConfig.__dataclass_fields__
    return QuantizeConfig(**{name: value for name, value in options.items() if name in known})


def _searched(study: Study, folds: Sequence[str]) -> dict[str, QuantizeConfig]:
    """Return the widths that the search chose for each fold, on its own training animals."""
    try:
        found = json.loads(study.file(PARETO).read_text(encoding="utf-8"))["folds"]
        return {fold: _config(found[fold]) for fold in folds}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{study.file(PARETO)}: the widths of the folds cannot be read ({error}); delete {ARRAYS_FILE} "
            "and run 'mcukd quantize --bits auto' to search them anew."
        ) from error


def _trained(study: Study, fold: str, config: QuantizeConfig) -> QatResult:
    path = study.file(FOLDER, widths_folder(config), f"{fold}.npz")
    try:
        return read_qat_result(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: the weights that --qat trained in this fold cannot be read ({error}); delete "
            f"{ARRAYS_FILE} and run 'mcukd quantize --qat' to make them anew."
        ) from error


def _identity(study: Study, made: dict[str, Any], files: Sequence[str]) -> str:
    facts: list[object | None] = [made, study.inputs(*files)]
    return sha256_text(json.dumps(facts, sort_keys=True))
