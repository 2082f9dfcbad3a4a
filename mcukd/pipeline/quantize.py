"""The quantize stage: from a study's distilled student to its integer model, and its scores.

The shipped integer model is made from the student trained on all animals. Scores are those of the students
of the evaluation folds, each quantized with windows of its training animals and scored on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd import __version__
from mcukd.boards.model import list_boards
from mcukd.boards.scale import bundled_sentences
from mcukd.data.card import Card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.of_study import study_card
from mcukd.data.windows import Windows
from mcukd.data.worn import WORN, worn_in
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.qat import SHIPPED, QatResult
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.files import write_json
from mcukd.fixedpoint.calibration import calibration_subset
from mcukd.fixedpoint.config import QuantizeConfig, metrics_name
from mcukd.fixedpoint.mixed import PARETO, PARETO_FIGURE, Objective, check_budget
from mcukd.fixedpoint.model import IntegerModel, load_model, save_model
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.harness.recorded import has_recorded, keep_recorded
from mcukd.inference.carried import evaluated_classes
from mcukd.metrics.metrics_file import CARRIED
from mcukd.metrics.refusal import refusal_sentence
from mcukd.models.student import has_integers, load_any_student, weights_of
from mcukd.models.tflite_widths import DEFAULT_TFLITE, TfliteWidths
from mcukd.pipeline.distill import final_job
from mcukd.pipeline.qat import train_qat_study
from mcukd.pipeline.quantize_request import QuantizeRequest, QuantizeSource, checked_request
from mcukd.pipeline.quantize_search import search_widths
from mcukd.pipeline.quantize_tflite import QuantizeFacts, check_options, export_study
from mcukd.pipeline.repeating import of_quantize
from mcukd.pipeline.scores import merge_metrics, recorded_metrics
from mcukd.pipeline.unknown import RefusalOptions, check_refusal, refusing
from mcukd.study import REFUSAL_FILE, SOFT_LABELS_FILE, STUDENT_FILE, Study
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.evaluate import KERNELS
from mcukd.tflite.families import TfliteForm, converted_predictor


def quantize_study(
    study: Study,
    config: QuantizeConfig,
    data_root: Path | None = None,
    tflite: Sequence[str] = DEFAULT_TFLITE,
    *,
    qat: bool = False,
    objective: Objective | None = None,
    gate_tables: Sequence[str] | None = None,
    jobs: int | None = None,
    refusal: RefusalOptions | None = None,
) -> QuantizeFacts:
    """Quantize a study's student; write `fixedpoint.npz`, `fixedpoint.json` and the TFLite files.

    tflite: kinds of TFLite file to write, of `mcukd.models.tflite_widths`; none where it is empty.
    qat: fine-tune shipped and fold students with the device's weights first (`mcukd.distillation.qat`).
    objective: search widths for it (`mcukd.fixedpoint.mixed`) instead of taking those of `config`; the final
    student's on all animals, each fold's on its own training animals, with `pareto.json` and `pareto.png`.
    gate_tables: kinds of gate table to try, by default all. jobs: worker processes of the training.
    refusal: give the integer model a refusal rule (`mcukd.pipeline.unknown`), with `unknown.json`. A student
    of a family without integer form becomes a TFLite file alone, and takes none of these options
    (`mcukd.pipeline.quantize_tflite`).
    Adds the model's figures (`metrics_name`) and those of each TFLite file to `metrics.json`. Does nothing
    where nothing changed. Raises UserError for a stale or missing student, for a kind of TFLite file that
    its family has not, and where nothing meets the objective.
    """
    study.require("distill")
    if not has_integers(study):
        check_options(
            study,
            config,
            tflite,
            qat=qat,
            searched=objective is not None,
            gates=bool(gate_tables),
            refuses=refusal is not None,
        )
        return export_study(study, data_root)
    asked = checked_request(
        study, config, tflite, qat=qat, objective=objective, gate_tables=gate_tables, refusal=refusal
    )
    card = study_card(study)
    asked.form.check_window(card.window)
    students = fold_students(study)
    tried = asked.widths_to_try()
    if objective is not None:
        check_budget(objective, tried, (student.weights for student in students))
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    data = dataset_sha256(card, root, seed)
    inputs = {**study.inputs(STUDENT_FILE, *([SOFT_LABELS_FILE] if qat else [])), "data": data}
    options = asked.recorded()
    name = metrics_name(options)
    remarks = [asked.remark] if asked.remark else []
    if study.is_current("quantize", inputs, options):
        known = recorded_metrics(study, (name, *(one.metric for one in asked.files)))
        # Training with other seeds or folds leaves the integer model as it is, and removes its figures.
        if name in known:
            if WORN not in study.manifest or not has_recorded(study):
                _keep_facts(study, card, load_windows(card, root, seed=seed))
            remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g)
            return QuantizeFacts(load_model(study.path), known, remarks, ran=False)

    shipped = weights_of(load_any_student(study.file(STUDENT_FILE)))
    if objective is not None:
        # A search may have given the shipped student another head than any fold's.
        check_budget(objective, tried, [shipped])
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed, past=asked.stream)
    if refusal is not None:
        held_out = evaluation.animals[np.concatenate([student.test_index for student in students])]
        check_refusal(card.classes, asked.stream, len(np.unique(held_out)))
    remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g, training.counts)
    source = QuantizeSource(card, students, shipped, training, evaluation)
    configs = dict.fromkeys([SHIPPED, *(student.name for student in students)], config)
    outputs: list[Path] = []
    if objective is not None:
        final = final_job(study, training, data, DistillConfig.of(study.options("distill")))
        searches, outputs = search_widths(study, source, final, objective, tried)
        configs = {student: found.chosen.config for student, found in searches.items()}
    trained = {SHIPPED: QatResult(shipped, {}), **{s.name: QatResult(s.weights, {}) for s in students}}
    if qat:
        trained = train_qat_study(study, card, training, evaluation, data, configs, jobs)

    model, folds, scores = _scored(asked, source, trained, configs)
    metrics = {name: scores}
    if refusal is not None:
        final = final_job(study, training, data, DistillConfig.of(study.options("distill")))
        model, said = refusing(model, final.training_of(training), folds, training, evaluation, refusal)
        write_json(study.file(REFUSAL_FILE), said)
        outputs.append(study.file(REFUSAL_FILE))
        remarks.append(refusal_sentence(said))
    outputs += save_model(model, study.path)
    refusals = [asked.tflite.refusal(one.weights) for one in trained.values()] if asked.files else []
    if any(refusals):
        remarks.append(f"No TFLite model: {next(reason for reason in refusals if reason)}.")
    else:
        for one in asked.files:
            metrics[one.metric], notes = _tflite(study, source, asked.tflite, one)
            remarks += [remark for remark in notes if remark not in remarks]
            outputs.append(study.file(one.file))
    merge_metrics(study, metrics)
    _remove_other_facts(study, outputs)
    _keep_facts(study, card, evaluation)
    command = of_quantize(asked)
    study.finish("quantize", inputs=inputs, options=options, outputs=outputs, command=command)
    return QuantizeFacts(model, metrics, remarks, ran=True)


def _scored(
    asked: QuantizeRequest,
    source: QuantizeSource,
    trained: Mapping[str, QatResult],
    configs: Mapping[str, QuantizeConfig],
) -> tuple[IntegerModel, list[tuple[FoldStudent, IntegerModel]], dict[str, Any]]:
    """Return the shipped integer model, those of the folds, and their scores on the animals held out.

    trained, configs: weights and widths by student, named as its fold or `SHIPPED`.
    """

    def integer_model(name: str, train_windows: Windows) -> IntegerModel:
        student, hop = trained[name], source.card.operation_hop
        made = quantize(student.weights, train_windows, configs[name], hop, student.lengths or None)
        return as_stream(made) if asked.stream else made

    folds: list[tuple[FoldStudent, IntegerModel]] = []

    def predict(student: FoldStudent, train_windows: Windows, test: Windows) -> NDArray[np.int64]:
        folds.append((student, integer_model(student.name, train_windows)))
        return evaluated_classes(folds[-1][1], test)

    model = integer_model(SHIPPED, source.training)
    title = f"Scoring {metrics_name(asked.recorded())}"
    scores = evaluate_folds(source.students, source.training, source.evaluation, predict, title)
    if asked.stream:
        scores["state"] = CARRIED
    if asked.qat:
        scores["teacher_difference"] = max(one.teacher_difference or 0.0 for one in trained.values())
    return model, folds, scores


def _remove_other_facts(study: Study, outputs: Sequence[Path]) -> None:
    """Remove what an earlier run wrote about a rule or a search that the model has not any more."""
    for name in (REFUSAL_FILE, PARETO, PARETO_FIGURE):
        if study.file(name) not in outputs:
            study.file(name).unlink(missing_ok=True)


def _keep_facts(study: Study, card: Card, windows: Windows) -> None:
    """Keep in the study what later stages need of its data set, so that they do without the recordings."""
    remember_worn(study, card, windows)
    keep_recorded(study, windows, card.signal.range_g)


def remember_worn(study: Study, card: Card, windows: Windows) -> None:
    """Record how sensors were mounted in the data, to compare recordings to classify with it."""
    mounting = study.options("distill").get("mounting") or card.signal.mounting
    study.remember(WORN, worn_in(windows, card.axes, mounting).as_dict())


def _tflite(
    study: Study, source: QuantizeSource, form: TfliteForm, widths: TfliteWidths
) -> tuple[dict[str, Any], list[str]]:
    """Export the shipped student and score the folds of the first seed; each needs a conversion."""
    card, training = source.card, source.training
    first = [student for student in source.students if student.seed == source.students[0].seed]

    def predict(student: FoldStudent, train_windows: Windows, test: Windows) -> NDArray[np.int64]:
        return converted_predictor(student.weights, train_windows, widths)(test.counts)

    origin = ModelInfo(form.name, card.name, card.licence, __version__, card.simulated)
    calibration = calibration_subset(training).counts
    file = study.file(widths.file)
    remarks = form.export(source.shipped, training.classes, calibration, file, origin, widths)
    metrics = evaluate_folds(first, training, source.evaluation, predict, widths.title)
    return {**metrics, "seeds": [first[0].seed], "kernels": KERNELS}, list(remarks)
