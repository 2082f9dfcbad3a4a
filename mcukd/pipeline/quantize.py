"""The quantize stage: from a study's distilled student to its integer model, and its scores.

The shipped integer model is made from the student trained on all animals. Scores are those of the students
of the evaluation folds, each quantized with windows of its training animals and scored on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd import __version__
from mcukd.boards.model import list_boards
from mcukd.boards.scale import bundled_sentences
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.data.worn import WORN, worn_in
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.qat import EPOCHS, LEARNING_RATE, SHIPPED, QatResult, check_qat
from mcukd.distillation.qat import VERSION as QAT_VERSION
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.files import write_json
from mcukd.fixedpoint.calibration import calibration_subset
from mcukd.fixedpoint.config import VERSION, QuantizeConfig, metrics_name
from mcukd.fixedpoint.families import IntegerForm, integer_form
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.mixed import (
    PARETO,
    PARETO_FIGURE,
    Objective,
    Search,
    check_budget,
    draw_pareto,
    mixed_widths,
    search,
)
from mcukd.fixedpoint.model import IntegerModel, load_model, save_model
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream, check_stream
from mcukd.inference.batch import classes_of
from mcukd.inference.carried import evaluated_classes
from mcukd.metrics.metrics_file import CARRIED
from mcukd.metrics.refusal import refusal_sentence
from mcukd.models.families import FAMILIES, Weights
from mcukd.models.student import family_of_study, has_integers, load_any_student, weights_of
from mcukd.models.tflite_widths import (
    DEFAULT_TFLITE,
    TFLITE_WIDTHS,
    TfliteWidths,
    recorded_tflite,
    tflite_value,
)
from mcukd.pipeline.distill import final_job
from mcukd.pipeline.qat import train_qat_study
from mcukd.pipeline.quantize_tflite import QuantizeFacts, check_options, export_study
from mcukd.pipeline.scores import merge_metrics, recorded_metrics
from mcukd.pipeline.unknown import RefusalOptions, check_refusal, refusing
from mcukd.progress import progress
from mcukd.study import REFUSAL_FILE, SOFT_LABELS_FILE, STUDENT_FILE, Study
from mcukd.text import listed
from mcukd.tflite.describe import ModelInfo
from mcukd.tflite.evaluate import KERNELS
from mcukd.tflite.families import TfliteForm, converted_predictor, tflite_form

#: Raise it when the same student gives another TFLite file of one step: studies with one are then stale,
#: those without stay current.
TFLITE_VERSION = 2


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
    family = family_of_study(study)
    form = integer_form(family)
    _check_form(family, form, qat, objective)
    stream = _is_stream(study, family, qat, objective)
    remarks: list[str] = []
    tflite_of = tflite_form(family)
    if tflite and stream:
        remarks.append(
            "No TFLite model: its windows start from the zero state, and these students carry theirs."
        )
        tflite = ()
    if tflite and tflite_of is None:
        remarks.append(f"No TFLite model: none is made of {family} students.")
        tflite = ()
    files = [TFLITE_WIDTHS[one] for one in tflite]
    if tflite_of and set(files) - set(tflite_of.widths):
        raise UserError(
            f"--tflite {tflite_value(tflite)}: of {family} students there is TFLite "
            f"{listed(one.name for one in tflite_of.widths)} alone; leave the option out."
        )
    if qat:
        trained_with = DistillConfig.of(study.options("distill"))
        if trained_with.search:
            raise UserError(
                f"{study.path}: --qat trains the head that a student was distilled with, and this study's "
                "students may have one that a search found; leave --qat out, or distil without --search."
            )
        check_qat(config, objective, trained_with)
    card = load_card(study.card)
    form.check_window(card.window)
    students = fold_students(study)
    tried: Sequence[QuantizeConfig] = ()
    if objective is not None:
        tried = mixed_widths(family).candidates(config, gate_tables or GATE_TABLES)
        check_budget(objective, tried, (student.weights for student in students))
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    data = dataset_sha256(card, root, seed)
    inputs = {**study.inputs(STUDENT_FILE, *([SOFT_LABELS_FILE] if qat else [])), "data": data}
    options = {**config.options(), "tflite": recorded_tflite(tflite), "version": VERSION}
    if files:
        options["tflite_version"] = TFLITE_VERSION
    # Only what is asked for is recorded, so that studies made before there was a choice stay current.
    if qat:
        options["qat"] = {"version": QAT_VERSION, "epochs": EPOCHS, "learning_rate": LEARNING_RATE}
    if stream:
        options["stream"] = True
    if refusal is not None:
        options["unknown"] = refusal.recorded()
    if objective is not None:
        options["goal"] = {**objective.options(), "gates": list(gate_tables or GATE_TABLES)}
    if study.is_current("quantize", inputs, options):
        known = recorded_metrics(study, (metrics_name(options), *(one.metric for one in files)))
        # Training with other seeds or folds leaves the integer model as it is, and removes its figures.
        if metrics_name(options) in known:
            if WORN not in study.manifest:
                remember_worn(study, card, load_windows(card, root, seed=seed))
            remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g)
            return QuantizeFacts(load_model(study.path), known, remarks, ran=False)

    shipped = weights_of(load_any_student(study.file(STUDENT_FILE)))
    if objective is not None:
        # A search may have given the shipped student another head than any fold's.
        check_budget(objective, tried, [shipped])
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed, past=stream)
    if refusal is not None:
        held_out = evaluation.animals[np.concatenate([student.test_index for student in students])]
        check_refusal(card.classes, stream, len(np.unique(held_out)))
    remember_worn(study, card, evaluation)
    remarks += bundled_sentences(list_boards(), card.counts_per_g, card.signal.range_g, training.counts)
    configs = dict.fromkeys([SHIPPED, *(student.name for student in students)], config)
    outputs: list[Path] = []
    if objective is not None:
        # Labels that the student was not to know are not used here either.
        final = final_job(study, training, data, DistillConfig.of(study.options("distill")))
        own = evaluation.take(np.isin(evaluation.animals, final.train_animals))
        seen = final.training_of(training)
        searches = _search(
            students, (shipped, seen, own), training, evaluation, tried, objective, card.operation_hop
        )
        configs = {name: found.chosen.config for name, found in searches.items()}
        outputs += _write_searches(study, card, searches, objective, own)
    trained = {SHIPPED: QatResult(shipped, {}), **{s.name: QatResult(s.weights, {}) for s in students}}
    if qat:
        trained = train_qat_study(study, card, training, evaluation, data, configs, jobs)

    def integer_model(name: str, train_windows: Windows) -> IntegerModel:
        source = trained[name]
        made = quantize(
            source.weights, train_windows, configs[name], card.operation_hop, source.lengths or None
        )
        return as_stream(made) if stream else made

    folds: list[tuple[FoldStudent, IntegerModel]] = []

    def predict(student: FoldStudent, train_windows: Windows, test: Windows) -> NDArray[np.int64]:
        folds.append((student, integer_model(student.name, train_windows)))
        return evaluated_classes(folds[-1][1], test)

    model = integer_model(SHIPPED, training)
    name = metrics_name(options)
    metrics = {name: evaluate_folds(students, training, evaluation, predict, f"Scoring {name}")}
    if stream:
        metrics[name]["state"] = CARRIED
    if refusal is not None:
        final = final_job(study, training, data, DistillConfig.of(study.options("distill")))
        model, said = refusing(model, final.training_of(training), folds, training, evaluation, refusal)
        write_json(study.file(REFUSAL_FILE), said)
        outputs.append(study.file(REFUSAL_FILE))
        remarks.append(refusal_sentence(said))
    outputs += save_model(model, study.path)
    if qat:
        differences = [result.teacher_difference or 0.0 for result in trained.values()]
        metrics[name]["teacher_difference"] = max(differences)
    refusals = [tflite_of.refusal(one.weights) for one in trained.values()] if tflite and tflite_of else []
    if any(refusals):
        remarks.append(f"No TFLite model: {next(reason for reason in refusals if reason)}.")
    elif tflite and tflite_of:
        for one in files:
            metrics[one.metric], notes = _tflite(study, card, tflite_of, one, shipped, training, evaluation)
            remarks += [remark for remark in notes if remark not in remarks]
            outputs.append(study.file(one.file))
    merge_metrics(study, metrics)
    _remove_other_facts(study, outputs)
    study.finish("quantize", inputs=inputs, options=options, outputs=outputs)
    return QuantizeFacts(model, metrics, remarks, ran=True)


def _remove_other_facts(study: Study, outputs: Sequence[Path]) -> None:
    """Remove what an earlier run wrote about a rule or a search that the model has not any more."""
    for name in (REFUSAL_FILE, PARETO, PARETO_FIGURE):
        if study.file(name) not in outputs:
            study.file(name).unlink(missing_ok=True)


def remember_worn(study: Study, card: Card, windows: Windows) -> None:
    """Record how sensors were mounted in the data, to compare recordings to classify with it."""
    mounting = study.options("distill").get("mounting") or card.signal.mounting
    study.remember(WORN, worn_in(windows, card.axes, mounting).as_dict())


def _families_with(part: str) -> str:
    """Return the families whose integer form has a part."""
    able = [one.name for one in FAMILIES.values() if one.integers and getattr(integer_form(one.name), part)]
    return listed(able)


def _check_form(family: str, form: IntegerForm, qat: bool, objective: Objective | None) -> None:
    """Raise UserError for options that need what the family's integer form does not have."""
    for asked, part, option in ((qat, "qat", "--qat"), (objective is not None, "mixed", "--bits auto")):
        if asked and getattr(form, part) is None:
            raise UserError(
                f"{option} is for {_families_with(part)} students, and this study's is a {family}; give "
                "--bits with a width of 4 to 16 alone."
            )


def _is_stream(study: Study, family: str, qat: bool, objective: Objective | None) -> bool:
    """Return whether the students were trained to carry their state. Raises UserError where they cannot."""
    stream = bool(study.options("distill").get("stream", False))
    if stream:
        check_stream(family)
    if stream and qat:
        raise UserError(
            f"{study.path}: --qat trains on windows that start from the zero state, and the students of this "
            "study were trained with --stream to carry theirs; leave --qat out."
        )
    if stream and objective is not None:
        raise UserError(
            f"{study.path}: --bits auto scores widths on windows that start from the zero state, and the "
            "students of this study were trained with --stream to carry theirs; give --bits with a width "
            "of 4 to 16 alone."
        )
    return stream


def _search(
    students: list[FoldStudent],
    shipped: tuple[Weights, Windows, Windows],
    training: Windows,
    evaluation: Windows,
    tried: Sequence[QuantizeConfig],
    objective: Objective,
    hop: int,
) -> dict[str, Search]:
    """Search widths for the shipped student and for each fold's, each on its own training animals alone.

    shipped: the student with the training and the evaluation windows of the animals it was trained on.
    """
    found = {}
    with progress("Trying widths", len(tried) * (1 + len(students))) as advance:
        found[SHIPPED] = search(*shipped, objective, tried, classes_of, hop, advance=advance)
        for student in students:
            seen = student.training_of(training)
            index = np.setdiff1d(
                np.flatnonzero(np.isin(evaluation.animals, student.train_animals)), student.test_index
            )
            validation = evaluation.take(index)
            found[student.name] = search(
                student.weights,
                seen,
                validation,
                objective,
                tried,
                classes_of,
                hop,
                best_effort=True,
                advance=advance,
            )
    return found


def _write_searches(
    study: Study, card: Card, searches: dict[str, Search], objective: Objective, evaluation: Windows
) -> list[Path]:
    shipped = searches[SHIPPED]
    content = {
        "data": card.name,
        "simulated": card.simulated,
        "goal": objective.options(),
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
    study: Study,
    card: Card,
    form: TfliteForm,
    widths: TfliteWidths,
    weights: Weights,
    training: Windows,
    evaluation: Windows,
) -> tuple[dict[str, Any], list[str]]:
    """Export the shipped student and score the folds of the first seed; each needs a conversion."""
    students = fold_students(study)
    first = [student for student in students if student.seed == students[0].seed]

    def predict(student: FoldStudent, train_windows: Windows, test: Windows) -> NDArray[np.int64]:
        return converted_predictor(student.weights, train_windows, widths)(test.counts)

    origin = ModelInfo(form.name, card.name, card.licence, __version__, card.simulated)
    calibration = calibration_subset(training).counts
    remarks = form.export(weights, training.classes, calibration, study.file(widths.file), origin, widths)
    metrics = evaluate_folds(first, training, evaluation, predict, widths.title)
    return {**metrics, "seeds": [students[0].seed], "kernels": KERNELS}, list(remarks)
