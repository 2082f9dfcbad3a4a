"""The quantize stage of a study with a mobilenet student: TensorFlow Lite int8 on reference kernels.

As with the integer models of our own, the shipped file comes from the student trained on all animals, and
accuracy is measured on the folds' students, each converted with the animals it was trained on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd import __version__
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.fixedpoint.model import FACTS_FILE
from mcukd.fixedpoint.observation import calibration_subset
from mcukd.fixedpoint.quantize import TFLITE_METRIC, QuantizeConfig
from mcukd.models.network import NetworkWeights
from mcukd.models.student import TFLITE, load_any_student
from mcukd.pipeline.quantize import (
    QuantizeFacts,
    merge_metrics,
    recorded_metrics,
)
from mcukd.study import STUDENT_FILE, Study
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.evaluate import KERNELS
from mcukd.tflite.window import WindowModel, export_window

if TYPE_CHECKING:
    import keras

#: Raise it when the same student gives another file: results made before are then stale.
VERSION = 1
RUNS_IN = (
    f"{TFLITE}: boards run it through a TFLite runtime (TensorFlow Lite Micro); mcukd makes no firmware of a "
    "mobilenet."
)


def check_options(config: QuantizeConfig, tflite: bool, *, qat: bool, searched: bool, gates: bool) -> None:
    """Raise UserError for options of `mcukd quantize` that a mobilenet student does not have."""
    usual = QuantizeConfig()
    asked = {
        "--qat": qat,
        "--bits auto": searched,
        f"--bits {config.bits}": config.bits != usual.bits,
        f"--activation-bits {config.activation_bits}": config.activation_bits != usual.activation_bits,
        "--gates": gates or config.gates != usual.gates,
        "--no-tflite": not tflite,
    }
    for option, given in asked.items():
        if given:
            raise UserError(
                f"{option}: this study's student is a mobilenet, whose only integer form is TFLite int8; "
                f"leave the option out, or distil a gru-mlp student (--student gru-mlp)."
            )


def export_study(study: Study, data_root: Optional[Path] = None) -> QuantizeFacts:
    """Write a mobilenet study's student as `student_int8.tflite` and score its folds' students as such.

    Adds `tflite_int8` to `metrics.json`: predictions of all folds' files on the animals held out, pooled,
    seeds combined, with `float_agreement`, the share of windows that file and float student call the same.
    Does nothing where nothing changed. Raises UserError for a stale or missing student, where the study holds
    another student's integer model, and where the conversion fails.
    """
    study.require("distill")
    if study.file(FACTS_FILE).exists():
        raise UserError(
            f"{study.file(FACTS_FILE)}: the integer model of a student that this study had before; distil "
            f"the mobilenet into a directory of its own (--run), or remove this one's integer model."
        )
    students = fold_students(study)
    card = load_card(study.card)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {**study.inputs(STUDENT_FILE), "data": dataset_sha256(card, root, seed)}
    options = {"student": NetworkWeights.student, "tflite": True, "version": VERSION}
    path, remarks = study.file(TFLITE), [RUNS_IN]
    if study.is_current("quantize", inputs, options):
        metrics = recorded_metrics(study, (TFLITE_METRIC,))
        return QuantizeFacts(None, metrics, remarks, ran=False, tflite=file_facts(path))
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed)
    remarks += _export(load_any_student(study.file(STUDENT_FILE)), training, path, _origin(card))
    same: list[float] = []

    def predict(student: FoldStudent, seen: Windows, test: Windows) -> NDArray[np.int64]:
        found = window_answer(student.weights, seen)(test.counts)
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


def window_answer(weights: NetworkWeights, seen: Windows) -> Callable[[NDArray[np.int16]], NDArray[np.int64]]:
    """Convert a student, calibrated on the windows `seen`, and return what answers in its place.

    The answer takes counts (N, T, C) to classes (N,), on the reference kernels; no file is left behind.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / TFLITE
        _export(weights.model(), seen, path, ModelInfo("mcukd mobilenet"))
        model = WindowModel(path)
    return lambda counts: np.argmax(model.logits(counts), axis=1)


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


def _export(model: keras.Model, seen: Windows, path: Path, origin: ModelInfo) -> Sequence[str]:
    return export_window(model, seen.classes, calibration_subset(seen).counts, path, origin).remarks


def _origin(card: Card) -> ModelInfo:
    return ModelInfo("mcukd mobilenet", card.name, card.licence, __version__, card.simulated)
