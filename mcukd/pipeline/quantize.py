"""The quantize stage: from a study's distilled student to its integer model, and how well that does.

The shipped integer model comes from the student trained on all animals. Its accuracy is measured on the
students of the evaluation folds instead, each quantized with the animals it was trained on and scored on
those it never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import list_boards
from mcukd.boards.scale import bundled_sentences
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.data.worn import WORN, worn_in
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.files import write_json
from mcukd.fixedpoint.filters.fitting import check_window
from mcukd.fixedpoint.filters.model import FilterModel
from mcukd.fixedpoint.filters.quantize import quantize_filters
from mcukd.fixedpoint.gates import KINDS
from mcukd.fixedpoint.mixed import (
    PARETO,
    PARETO_FIGURE,
    Goal,
    Search,
    candidates,
    check_budget,
    draw_pareto,
    search,
)
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.fixedpoint.observation import calibration_subset
from mcukd.fixedpoint.qat import EPOCHS, LEARNING_RATE, SHIPPED, QatResult, check_learnable, train_qat_study
from mcukd.fixedpoint.qat import VERSION as QAT_VERSION
from mcukd.fixedpoint.quantize import TFLITE_METRIC, VERSION, QuantizeConfig, metrics_name, quantize
from mcukd.inference.batch import run_fast
from mcukd.metrics.metrics_file import load_metrics, update_metrics
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.student import MOBILENET, TFLITE, load_any_student, weights_of
from mcukd.models.weights import StudentWeights
from mcukd.progress import progress
from mcukd.study import METRICS, SOFT_LABELS_FILE, STUDENT_FILE, Study


@dataclass(frozen=True)
class QuantizeFacts:
    """What the stage made: the shipped model, its metrics by model name, and remarks for the user.

    model: None for a mobilenet student; `tflite` describes its file (`mcukd.pipeline.quantize_tflite`).
    """

    model: Optional[IntegerModel]
    metrics: dict[str, Any]
    remarks: list[str]
    ran: bool
    tflite: Optional[dict[str, Any]] = None


def quantize_study(
    study: Study,
    config: QuantizeConfig,
    data_root: Optional[Path] = None,
    tflite: bool = True,
    *,
    qat: bool = False,
    goal: Optional[Goal] = None,
    kinds: Optional[Sequence[str]] = None,
    jobs: Optional[int] = None,
) -> QuantizeFacts:
    """Quantize a study's student; write `fixedpoint.npz`, `fixedpoint.json` and, if asked, the TFLite file.

    qat: train shipped and fold students on with the device's weights first (`qat`). goal: search widths for
    it (`mixed`) instead of taking those of `config`; the shipped student's on all animals, each fold's on its
    own training animals, with `pareto.json` and `pareto.png`. kinds: gate tables it tries, by default all.
    jobs: worker processes of the training. A mobilenet student becomes a TFLite file alone, and takes none of
    these options (`mcukd.pipeline.quantize_tflite`).
    Adds the model's figures (`metrics_name`) and `tflite_int8` to `metrics.json`. Does nothing where nothing
    changed. Raises UserError for a stale or missing student, and where nothing meets the goal.
    """
    from mcukd.fixedpoint.model import load_model

    study.require("distill")
    if _student_of(study) == MOBILENET:
        from mcukd.pipeline.quantize_tflite import check_options, export_study

        check_options(config, tflite, qat=qat, searched=goal is not None, gates=bool(kinds))
        return export_study(study, data_root)
    remarks: list[str] = []
    if _student_of(study) == FilterModel.student:
        _check_filter_student(qat, goal)
        remarks += ["No TFLite model: its one-step cell is made of gru-mlp students only."] if tflite else []
        tflite = False
    if qat:
        trained_with = DistillConfig.of(study.options("distill"))
        if trained_with.search:
            raise UserError(
                f"{study.path}: --qat goes on with the head a student was taught with, and this study's "
                "students may have one that a search found; leave --qat out, or distil without --search."
            )
        check_learnable(config, goal, trained_with)
    card = load_card(study.card)
    if _student_of(study) == FilterModel.student:
        check_window(card.window)
    students = fold_students(study)
    tried = candidates(config, kinds or KINDS)
    if goal is not None:
        check_budget(goal, tried, (student.weights for student in students))
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    data = dataset_sha256(card, root, seed)
    inputs = {**study.inputs(STUDENT_FILE, *([SOFT_LABELS_FILE] if qat else [])), "data": data}
    options = {**config.options(), "tflite": tflite, "version": VERSION}
    # Only what is asked for is recorded, so that studies made before there was a choice stay current.
    if qat:
        options["qat"] = {"version": QAT_VERSION, "epochs": EPOCHS, "learning_rate": LEARNING_RATE}
    if goal is not None:
        options["goal"] = {**goal.options(), "gates": list(kinds or KINDS)}
    if study.is_current("quantize", inputs, options):
        known = recorded_metrics(study, (metrics_name(options), TFLITE_METRIC))
        if WORN not in study.manifest:
            remember_worn(study, card, load_windows(card, root, seed=seed))
        remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g)
        return QuantizeFacts(load_model(study.path), known, remarks, ran=False)

    shipped = _shipped_student(study)
    if goal is not None:
        # A search may have given the shipped student another head than any fold's.
        check_budget(goal, tried, [shipped])
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed)
    remember_worn(study, card, evaluation)
    remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g, training.counts)
    configs = dict.fromkeys([SHIPPED, *(student.name for student in students)], config)
    outputs: list[Path] = []
    if goal is not None:
        searches = _search(students, shipped, training, evaluation, tried, goal, card.operation_hop)
        configs = {name: found.chosen.config for name, found in searches.items()}
        outputs += _write_searches(study, card, searches, goal, evaluation)
    made = {SHIPPED: QatResult(shipped, {}), **{s.name: QatResult(s.weights, {}) for s in students}}
    if qat:
        made = train_qat_study(study, card, training, evaluation, data, configs, jobs)

    def integer_model(name: str, seen: Windows) -> IntegerModel:
        source = made[name]
        if isinstance(source.weights, FilterMlpWeights):
            return quantize_filters(source.weights, seen, configs[name], card.operation_hop)
        return quantize(source.weights, seen, configs[name], card.operation_hop, source.lengths)

    def predict(student: FoldStudent, seen: Windows, test: Windows) -> NDArray[np.int64]:
        return classes_of(integer_model(student.name, seen), test.counts)

    model = integer_model(SHIPPED, training)
    outputs += save_model(model, study.path)
    name = metrics_name(options)
    metrics = {name: evaluate_folds(students, training, evaluation, predict, f"Scoring {name}")}
    if qat:
        differences = [result.teacher_difference or 0.0 for result in made.values()]
        metrics[name]["teacher_difference"] = max(differences)
    if tflite and any(getattr(one.weights, "prototypes", 1) > 1 for one in made.values()):
        remarks.append("No TFLite model: its one-step cell has no prototype heads, and a search found one.")
    elif tflite:
        metrics[TFLITE_METRIC], said = _tflite(study, card, shipped, training, evaluation)
        remarks += said
        outputs.append(study.file(TFLITE))
    merge_metrics(study, metrics)
    study.finish("quantize", inputs=inputs, options=options, outputs=outputs)
    return QuantizeFacts(model, metrics, remarks, ran=True)


def remember_worn(study: Study, card: Card, windows: Windows) -> None:
    """Keep how sensors sat in the data, so that recordings to classify can be compared with it."""
    mounting = study.options("distill").get("mounting") or card.signal.mounting
    study.remember(WORN, worn_in(windows, card.axes, mounting).as_dict())


def classes_of(model: IntegerModel, counts: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the classes (N,) that an integer model gives for counts (N, T, C)."""
    return run_fast(model, counts, checksums=False, saturations=False).classes


def _shipped_student(study: Study) -> Any:
    return weights_of(load_any_student(study.file(STUDENT_FILE)))


def _student_of(study: Study) -> Optional[str]:
    """Return the structure of the study's student; None is a gru-mlp."""
    return study.options("distill").get("student")


def _check_filter_student(qat: bool, goal: Optional[Goal]) -> None:
    for asked, option in ((qat, "--qat"), (goal is not None, "--bits auto")):
        if asked:
            raise UserError(
                f"{option} is for gru-mlp students, and this study's is a filter-mlp; give --bits with a "
                "width of 4 to 16 alone."
            )


def _search(
    students: list[FoldStudent],
    shipped: StudentWeights,
    training: Windows,
    evaluation: Windows,
    tried: Sequence[QuantizeConfig],
    goal: Goal,
    hop: int,
) -> dict[str, Search]:
    """Search widths for the shipped student and, on its own training animals alone, for each fold's."""
    found = {}
    with progress("Trying widths", len(tried) * (1 + len(students))) as advance:
        found[SHIPPED] = search(shipped, training, evaluation, goal, tried, classes_of, hop, advance=advance)
        for student in students:
            seen = student.training_of(training)
            index = np.setdiff1d(
                np.flatnonzero(np.isin(evaluation.animals, student.train_animals)), student.test_index
            )
            judged = evaluation.take(index)
            found[student.name] = search(
                student.weights, seen, judged, goal, tried, classes_of, hop, lenient=True, advance=advance
            )
    return found


def _write_searches(
    study: Study, card: Card, searches: dict[str, Search], goal: Goal, evaluation: Windows
) -> list[Path]:
    shipped = searches[SHIPPED]
    content = {
        "data": card.name,
        "simulated": card.simulated,
        "goal": goal.options(),
        "scored_on": "calibration animals: those the student was trained on; no held-out animal",
        "windows": len(evaluation),
        **shipped.facts(),
        "folds": {
            name: {"float_mcc": found.float_mcc, **found.chosen.facts()}
            for name, found in searches.items()
            if name != SHIPPED
        },
    }
    write_json(study.file(PARETO), content)
    draw_pareto(shipped, study.file(PARETO_FIGURE), card.name)
    return [study.file(PARETO), study.file(PARETO_FIGURE)]


def _tflite(
    study: Study, card: Card, weights: StudentWeights, training: Windows, evaluation: Windows
) -> tuple[dict[str, Any], list[str]]:
    """Export the shipped student and score the folds of the first seed; each needs a conversion."""
    import tempfile

    from mcukd import __version__
    from mcukd.tflite.describe import ModelInfo
    from mcukd.tflite.evaluate import KERNELS, evaluate
    from mcukd.tflite.export import export

    students = fold_students(study)
    first = [student for student in students if student.seed == students[0].seed]

    def predict(student: FoldStudent, seen: Windows, test: Windows) -> NDArray[np.int64]:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / TFLITE
            export(student.weights, test.classes, calibration_subset(seen).counts, path)
            return np.argmax(evaluate(path, test.counts), axis=1)

    origin = ModelInfo(card=card.name, licence=card.licence, version=__version__, simulated=card.simulated)
    calibration = calibration_subset(training).counts
    exported = export(weights, training.classes, calibration, study.file(TFLITE), origin)
    metrics = evaluate_folds(first, training, evaluation, predict, "TFLite int8")
    return {**metrics, "seeds": [students[0].seed], "kernels": KERNELS}, exported.remarks


def merge_metrics(study: Study, models: dict[str, Any]) -> None:
    """Put the scores of deployed forms into a study's `metrics.json`."""
    path = study.file(METRICS)
    known = load_metrics(path)
    update_metrics(path, data=known["data"], split=known["split"], seeds=known["seeds"], models=models)


def recorded_metrics(study: Study, names: Sequence[str]) -> dict[str, Any]:
    """Return what `metrics.json` has of these models."""
    models = load_metrics(study.file(METRICS))["models"]
    return {name: models[name] for name in names if name in models}
