"""The quantize stage of students without integer form: TensorFlow Lite int8 on reference kernels.

As with integer models, the shipped file is made from the student trained on all animals, and scores are those
of the folds' students, each converted with windows of its training animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd import __version__
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.of_study import study_card
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.fixedpoint.calibration import calibration_subset
from mcukd.fixedpoint.config import TFLITE_METRIC, QuantizeConfig
from mcukd.fixedpoint.model import FACTS_FILE, IntegerModel
from mcukd.models.families import DEFAULT_FAMILY
from mcukd.models.student import TFLITE, family_of_study, load_any_student, weights_of
from mcukd.models.tflite_widths import DEFAULT_TFLITE, INT8, tflite_value
from mcukd.pipeline.scores import merge_metrics, recorded_metrics
from mcukd.study import STUDENT_FILE, Study
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.evaluate import KERNELS
from mcukd.tflite.families import converted_predictor, tflite_form
from mcukd.tflite.window import WindowModel

#: Raise it when the same student gives another file: results made before are then stale.
VERSION = 1


@dataclass(frozen=True)
class QuantizeFacts:
    """Results of the stage: the shipped model, its metrics by model name, and remarks for the user.

    model: None for a student without integer form, of whose TFLite file `tflite` holds the facts.
    """

    model: IntegerModel | None
    metrics: dict[str, Any]
    remarks: list[str]
    ran: bool
    tflite: dict[str, Any] | None = None


def check_options(
    study: Study,
    config: QuantizeConfig,
    tflite: Sequence[str],
    *,
    qat: bool,
    searched: bool,
    gates: bool,
    refuses: bool = False,
) -> None:
    """Raise UserError for options of `mcukd quantize` that need an integer model of mcukd's own."""
    usual = QuantizeConfig()
    asked = {
        "--qat": qat,
        "--bits auto": searched,
        f"--bits {config.bits}": config.bits != usual.bits,
        f"--activation-bits {config.activation_bits}": config.activation_bits != usual.activation_bits,
        "--unknown and --unlike": refuses,
        "--gates": gates or config.gates != usual.gates,
        "--no-tflite": not tflite,
        f"--tflite {tflite_value(tflite or DEFAULT_TFLITE)}": bool(set(tflite) - set(DEFAULT_TFLITE)),
    }
    for option, given in asked.items():
        if given:
            raise UserError(
                f"{option}: this study's student is a {family_of_study(study)}, whose only integer form is "
                f"TFLite int8; leave the option out, or distil a {DEFAULT_FAMILY} student (--student "
                f"{DEFAULT_FAMILY})."
            )


def export_study(study: Study, data_root: Path | None = None) -> QuantizeFacts:
    """Write a study's student as `student_int8.tflite` and score its folds' students as such.

    Adds `tflite_int8` to `metrics.json`: predictions of all folds' files on the animals held out, pooled,
    seeds combined, with `float_agreement`, the share of windows that file and float student classify alike.
    Does nothing where nothing changed. Raises UserError for a stale or missing student, where the study holds
    another student's integer model, and where the conversion fails.
    """
    study.require("distill")
    family = family_of_study(study)
    form = tflite_form(family)
    if form is None or not form.whole_windows:
        raise UserError(
            f"{study.path}: students of the family {family} have no integer form; distil another."
        )
    if study.file(FACTS_FILE).exists():
        raise UserError(
            f"{study.file(FACTS_FILE)}: the integer model of a student that this study had before; distil "
            f"the {family} into a directory of its own (--run), or remove this one's integer model."
        )
    students = fold_students(study)
    card = study_card(study)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {**study.inputs(STUDENT_FILE), "data": dataset_sha256(card, root, seed)}
    options = {"student": family, "tflite": True, "version": VERSION}
    path, remarks = study.file(TFLITE), [_runs_in(family)]
    if study.is_current("quantize", inputs, options):
        metrics = recorded_metrics(study, (TFLITE_METRIC,))
        if metrics:  # which training with other seeds or folds removes
            return QuantizeFacts(None, metrics, remarks, ran=False, tflite=file_facts(path))
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed)
    weights = weights_of(load_any_student(study.file(STUDENT_FILE)))
    origin = ModelInfo(form.name, card.name, card.licence, __version__, card.simulated)
    remarks += form.export(weights, training.classes, calibration_subset(training).counts, path, origin, INT8)
    same: list[float] = []

    def predict(student: FoldStudent, train_windows: Windows, test: Windows) -> NDArray[np.int64]:
        found = converted_predictor(student.weights, train_windows)(test.counts)
        same.append(float(np.mean(found == student.predict(test.counts))))
        return found

    scores = evaluate_folds(students, training, evaluation, predict, "TFLite int8")
    tested = [len(student.test_index) for student in students]
    metrics = {
        TFLITE_METRIC: {
            **scores,
            "seeds": sorted({student.seed for student in students}),
            "kernels": KERNELS,
            "float_agreement": float(np.average(same, weights=tested)),
        }
    }
    merge_metrics(study, metrics)
    study.finish("quantize", inputs=inputs, options=options, outputs=[path])
    return QuantizeFacts(None, metrics, remarks, ran=True, tflite=file_facts(path))


def file_facts(path: Path) -> dict[str, Any]:
    """Return what runs a whole-window file: bytes, window, classes, ends and operations with their number.

    `input` and `output` have `name`, `scale` and `zero_point`: value = scale · (mantissa − zero point); the
    input is (counts − mean) / std by axis. Raises UserError where the file is missing or damaged.
    """
    model = WindowModel(path)
    facts, operations = model.facts, model.operations
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "window": facts.window,
        "classes": list(facts.classes),
        "mean": list(facts.mean),
        "std": list(facts.std),
        "input": {"name": "x", "scale": model.x.scale, "zero_point": model.x.zero_point},
        "output": {
            "name": facts.output,
            "scale": model.scores.scale,
            "zero_point": model.scores.zero_point,
        },
        "operations": {name: operations.count(name) for name in sorted(set(operations))},
    }


def _runs_in(family: str) -> str:
    return (
        f"{TFLITE}: boards run it through a TFLite runtime (TensorFlow Lite Micro); mcukd makes no firmware "
        f"of a {family}."
    )
