"""The quantize stage: from a study's distilled student to its integer model, and how well that does.

The shipped integer model comes from the student trained on all animals. Its accuracy is measured on the
students of the evaluation folds instead, each quantized with the animals it was trained on and scored on
those it never saw.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.fixedpoint.observation import calibration_subset
from mcukd.fixedpoint.quantize import VERSION, QuantizeConfig, quantize
from mcukd.host.batch import run_fast
from mcukd.models.weights import StudentWeights
from mcukd.progress import progress
from mcukd.report.metrics import combine_seeds, load_metrics, score, update_metrics
from mcukd.study import Study

STUDENT = "student.keras"
TFLITE = "student_int8.tflite"

#: Turns a fold's float student, its training windows and its test windows into predicted classes.
Predictor = Callable[[StudentWeights, Windows, Windows], NDArray[np.int64]]


@dataclass(frozen=True)
class FoldStudent:
    """A distilled float student that never saw `test`'s animals."""

    name: str
    seed: int
    weights: StudentWeights
    test_index: NDArray[np.int64]
    train_animals: tuple[str, ...]


@dataclass(frozen=True)
class QuantizeFacts:
    """What the stage made: the shipped model, its metrics by model name, and remarks for the user."""

    model: IntegerModel
    metrics: dict[str, Any]
    remarks: list[str]
    ran: bool


def quantize_study(
    study: Study, config: QuantizeConfig, data_root: Optional[Path] = None, tflite: bool = True
) -> QuantizeFacts:
    """Quantize a study's student; write `fixedpoint.npz`, `fixedpoint.json` and, if asked, the TFLite file.

    Adds `fixed_point_<bits>` and `tflite_int8` to `metrics.json`. Does nothing where nothing changed.
    Raises UserError for a stale or missing student.
    """
    from mcukd.fixedpoint.model import load_model

    study.require("distill")
    card = load_card(study.card)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {**study.inputs(STUDENT), "data": dataset_sha256(card, root, seed)}
    options = {**config.options(), "tflite": tflite, "version": VERSION}
    if study.is_current("quantize", inputs, options):
        return QuantizeFacts(load_model(study.path), _recorded(study, config), [], ran=False)

    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed)
    weights = _shipped_student(study)
    model = quantize(weights, training, config, card.operation_hop)
    outputs = save_model(model, study.path)
    metrics = {f"fixed_point_{config.bits}": _integer_metrics(study, training, evaluation, config)}
    remarks: list[str] = []
    if tflite:
        metrics["tflite_int8"], remarks = _tflite(study, card, weights, training, evaluation)
        outputs.append(study.file(TFLITE))
    _merge(study, metrics)
    study.finish("quantize", inputs=inputs, options=options, outputs=outputs)
    return QuantizeFacts(model, metrics, remarks, ran=True)


def fold_students(study: Study) -> Iterator[FoldStudent]:
    """Yield the distilled students of the evaluation folds, by fold and seed."""
    for file in sorted(study.file("evaluation").glob("*.npz")):
        seed = re.search(r"-s(\d+)$", file.stem)
        if seed is None:
            continue
        with np.load(file, allow_pickle=False) as stored:
            yield FoldStudent(
                name=file.stem,
                seed=int(seed.group(1)),
                weights=StudentWeights.from_arrays(stored, "student_distilled__"),
                test_index=stored["test_index"],
                train_animals=tuple(map(str, stored["train_animals"])),
            )


def evaluate_folds(
    students: list[FoldStudent], training: Windows, evaluation: Windows, predict: Predictor, label: str
) -> dict[str, Any]:
    """Score a deployed form of the fold students: predictions pooled over folds, combined over seeds."""
    by_seed: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = defaultdict(list)
    with progress(label, len(students)) as advance:
        for student in students:
            seen = training.take(np.isin(training.animals, student.train_animals))
            test = evaluation.take(student.test_index)
            by_seed[student.seed].append((student.test_index, predict(student.weights, seen, test)))
            advance(1, student.name)
    scores = []
    for parts in by_seed.values():
        index = np.concatenate([part[0] for part in parts])
        predictions = np.concatenate([part[1] for part in parts])
        tested = evaluation.take(index)
        scores.append(score(tested.labels, predictions, tested.animals, evaluation.classes))
    steps, weights = evaluation.counts.shape[1], students[0].weights
    return {
        **combine_seeds(scores),
        "parameters": weights.parameters,
        "macs_per_window": weights.macs_per_window(steps),
    }


def _shipped_student(study: Study) -> StudentWeights:
    from mcukd.models.gru_mlp import load_student, student_weights

    return student_weights(load_student(study.file(STUDENT)))


def _integer_metrics(
    study: Study, training: Windows, evaluation: Windows, config: QuantizeConfig
) -> dict[str, Any]:
    def predict(weights: StudentWeights, seen: Windows, test: Windows) -> NDArray[np.int64]:
        model = quantize(weights, seen, config, test.counts.shape[1])
        return run_fast(model, test.counts, checksums=False, saturations=False).classes

    students = _students(study)
    return evaluate_folds(students, training, evaluation, predict, f"Quantized to {config.bits} bits")


def _tflite(
    study: Study, card: Card, weights: StudentWeights, training: Windows, evaluation: Windows
) -> tuple[dict[str, Any], list[str]]:
    """Export the shipped student and score the folds of the first seed; each needs a conversion."""
    import tempfile

    from mcukd import __version__
    from mcukd.tflite.describe import ModelInfo
    from mcukd.tflite.evaluate import KERNELS, evaluate
    from mcukd.tflite.export import export

    students = _students(study)
    first = [student for student in students if student.seed == students[0].seed]

    def predict(weights: StudentWeights, seen: Windows, test: Windows) -> NDArray[np.int64]:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / TFLITE
            export(weights, test.classes, calibration_subset(seen).counts, path)
            return np.argmax(evaluate(path, test.counts), axis=1)

    origin = ModelInfo(card=card.name, licence=card.licence, version=__version__, simulated=card.simulated)
    calibration = calibration_subset(training).counts
    exported = export(weights, training.classes, calibration, study.file(TFLITE), origin)
    metrics = evaluate_folds(first, training, evaluation, predict, "TFLite int8")
    return {**metrics, "seeds": [students[0].seed], "kernels": KERNELS}, exported.remarks


def _students(study: Study) -> list[FoldStudent]:
    students = list(fold_students(study))
    if not students:
        raise UserError(
            f"{study.file('evaluation')}: no evaluated folds there; run '{study.refresh('distill')}'."
        )
    return sorted(students, key=lambda student: student.seed)


def _merge(study: Study, models: dict[str, Any]) -> None:
    path = study.file("metrics.json")
    known = load_metrics(path)
    update_metrics(path, data=known["data"], split=known["split"], seeds=known["seeds"], models=models)


def _recorded(study: Study, config: QuantizeConfig) -> dict[str, Any]:
    models = load_metrics(study.file("metrics.json"))["models"]
    return {name: models[name] for name in (f"fixed_point_{config.bits}", "tflite_int8") if name in models}
