"""The robustness stage: scores of a study's fold students on perturbed windows of the animals held out.

Nothing is trained. Perturbations change the held-out windows only; students and integer models are those of
the other stages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.of_study import study_card
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, fold_students
from mcukd.files import sha256_file, sha256_text, write_json, write_text
from mcukd.fold_results import DEPLOYABLE, DISTILLED, EVALUATION, STUDENT
from mcukd.models.families import FAMILIES
from mcukd.pipeline.repeating import of_robustness
from mcukd.robustness.figure import robustness_figure
from mcukd.robustness.final_integers import FinalIntegers, final_integers
from mcukd.robustness.measure import ModelUnderTest, measure
from mcukd.robustness.perturbations import Sensor, chosen
from mcukd.robustness.record import ROBUSTNESS, Record, grouped_work
from mcukd.robustness.students import integer_predictor
from mcukd.robustness.text import AUGMENTED
from mcukd.study import Study
from mcukd.text import listed
from mcukd.tflite.families import Predict

FIGURE = "robustness.svg"
#: Raise it when a perturbation changes in a way its levels do not show: results made before are then stale.
VERSION = 1


def robustness_study(
    study: Study,
    data_root: Path | None = None,
    *,
    augmented: Study | None = None,
    perturbations: Sequence[str] = (),
    integers: bool = True,
) -> dict[str, Any]:
    """Score a study's students on perturbed windows, write `robustness.json` and `.svg`, return the former.

    For every perturbation and level: the pooled MCC of each seed, its mean and sample standard deviation
    (None with one seed), for the plain and the distilled student, the one whose head a search found, the
    study's integer model (`final_integers`), unless `integers` is False, and the distilled student of the
    study `augmented`, made with `--augment` on the same folds. perturbations: names, all by default.
    What was scored before is kept and added to, and not scored again; what was scored on other students,
    data or integers is dropped, and `dropped` of what is returned says so in sentences. Raises UserError for
    stale or missing students, a random split, and studies of other folds, before any work.
    """
    wanted = chosen(perturbations)
    _check(study)
    students = _float_students(study)
    form = _form(study, integers)
    augmented_model = None if augmented is None else _augmented(augmented, study)
    card = study_card(study)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    sensor = Sensor.of(card)
    base = {"data": dataset_sha256(card, root, seed), **study.inputs(*_fold_files(study))}
    neck = sensor.axes[sensor.neck_axis]
    shared = sha256_text(json.dumps([VERSION, neck, base], sort_keys=True))
    identities = dict.fromkeys(students, shared)
    if form is not None:
        identities[form.name] = sha256_text(f"{shared} {form.identity}")
    if augmented is not None:
        identities[AUGMENTED] = sha256_text(f"{shared} {_identity(augmented)}")

    record, dropped = Record.read(study)
    dropped += record.drop_others(identities)
    asked = [name for name in identities if integers or form is None or name != form.name]
    missing = record.missing(asked, wanted)
    if not missing and not dropped:
        return record.stored()

    if missing:
        evaluation = load_windows(card, root, seed=seed)
        models = [_floats(name, found) for name, found in students.items()]
        if form is not None and form.name in missing:
            training = load_windows(card, root, training=True, seed=seed)
            models.append(_integers(study, training, form, card.operation_hop))
        if augmented_model is not None:
            models.append(augmented_model)
        for names, tried in grouped_work(missing):
            record.add(measure([one for one in models if one.name in names], evaluation, sensor, tried))
        record.content.update(_data_facts(study, card, students), neck_axis=neck)
    record.identities.update({name: identities[name] for name in asked})
    there = form if form is not None and form.name in record.content["undisturbed"] else None
    record.content["integers"] = there and {"model": there.name, "sentence": there.sentence()}
    if augmented is not None:
        record.content["augmented"] = augmented.options("distill").get("augment", "")
    record.content.setdefault("augmented", None)
    write_json(study.file(ROBUSTNESS), record.stored())
    write_text(study.file(FIGURE), standalone(robustness_figure(record.content)))
    earlier = study.options("robustness")
    options = {
        "version": VERSION,
        "disturbances": {name: one["levels"] for name, one in record.content["disturbances"].items()},
        "neck_axis": neck,
        "integers": there is not None,
        "augmented": str(augmented.path) if augmented is not None else earlier.get("augmented"),
    }
    study.finish(
        "robustness",
        inputs={**base, **study.inputs(*(there.files if there else ()))},
        options=options,
        outputs=[study.file(ROBUSTNESS), study.file(FIGURE)],
        command=of_robustness(options),
    )
    return {**record.stored(), **({"dropped": dropped} if dropped else {})}


def _check(study: Study) -> None:
    """Raise UserError for a study whose students cannot be scored on perturbed windows of new animals."""
    study.require("distill")
    if study.options("distill").get("split") == "random":
        raise UserError(
            f"{study.path}: its split is random, so that every animal was seen in training; robustness is "
            f"measured on animals never seen: distil a study with --split loao or animals=K."
        )
    if study.options("distill").get("stream"):
        raise UserError(
            f"{study.path}: its students carry their state through recordings (--stream), and robustness "
            "disturbs windows that start from the zero state; measure a study distilled without --stream."
        )


def _data_facts(study: Study, card: Card, students: Mapping[str, Sequence[FoldStudent]]) -> dict[str, Any]:
    """Return what `robustness.json` says of the data and the students that were scored."""
    return {
        "data": card.name,
        "simulated": card.simulated,
        "split": study.options("distill")["split"],
        "seeds": sorted({one.seed for found in students.values() for one in found}),
        "windows": _windows(students),
        "scored_on": _scored_on(study),
    }


def _scored_on(study: Study) -> str:
    if study.options("distill").get("transductive"):
        return "windows of held-out animals, disturbed; students learned from their recordings without labels"
    return "windows of held-out animals, disturbed; nothing was trained on them"


def standalone(svg: str) -> str:
    """Return a figure as a file of its own, which needs the SVG namespace."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def _float_students(study: Study) -> dict[str, list[FoldStudent]]:
    """Return the float students of the folds by name. Raises UserError where none are kept."""
    students = {model: fold_students(study, model) for model in (STUDENT, DISTILLED, DEPLOYABLE)}
    students = {name: found for name, found in students.items() if found}
    if not students:
        raise UserError(
            f"{study.file(EVALUATION)}: its students' weights are not kept there; only students that a "
            f"device can run are perturbed: {listed(name for name, one in FAMILIES.items() if one.integers)}."
        )
    return students


def _windows(students: Mapping[str, Sequence[FoldStudent]]) -> int:
    first = next(iter(students.values()))
    return int(sum(len(one.test_index) for one in first if one.seed == first[0].seed))


def _form(study: Study, integers: bool) -> FinalIntegers | None:
    """Return the integer model that the study ships; None where it is unknown and not required."""
    try:
        return final_integers(study, [student.name for student in _deployed(study)])
    except UserError:
        if integers:
            raise
        return None


def _integers(study: Study, training: Windows, form: FinalIntegers, hop: int) -> ModelUnderTest:
    return _of(form.name, _deployed(study), lambda student: integer_predictor(student, training, form, hop))


def _deployed(study: Study) -> list[FoldStudent]:
    """Return the students meant for the device."""
    return fold_students(study)


def _floats(name: str, found: Sequence[FoldStudent]) -> ModelUnderTest:
    return _of(name, found, lambda student: student.predict)


def _of(name: str, found: Sequence[FoldStudent], form: Callable[[FoldStudent], Predict]) -> ModelUnderTest:
    by_seed: dict[int, list[tuple[NDArray[np.int64], Predict]]] = {}
    for student in found:
        by_seed.setdefault(student.seed, []).append((student.test_index, form(student)))
    return ModelUnderTest(name, by_seed)


def _augmented(augmented: Study, study: Study) -> ModelUnderTest:
    """Return the student of the study trained with --augment, on the folds of the other."""
    if not augmented.options("distill").get("augment"):
        raise UserError(
            f"--augmented {augmented.path}: was distilled without --augment; distil one with it, on the same "
            "data, split and seeds."
        )
    if augmented.card != study.card:
        raise UserError(
            f"--augmented {augmented.path}: of card '{augmented.card}', but {study.path} is of "
            f"'{study.card}'; expected a study of the same data."
        )
    augmented.require("distill")
    theirs, ours = _deployed(augmented), _deployed(study)
    if [_fold(one) for one in theirs] != [_fold(one) for one in ours]:
        kind = [f"split {s.options('distill')['split']}, seeds {_seeds(s)}" for s in (augmented, study)]
        raise UserError(
            f"--augmented {augmented.path}: of other folds ({kind[0]}) than {study.path} ({kind[1]}); "
            "distil it with the same --split and --seeds."
        )
    return _floats(AUGMENTED, theirs)


def _fold(student: FoldStudent) -> tuple[Any, ...]:
    return student.fold, student.seed, student.train_animals, student.test_index.tolist()


def _seeds(study: Study) -> str:
    return ",".join(map(str, study.options("distill")["seeds"]))


def _fold_files(study: Study) -> list[str]:
    outputs = study.manifest["stages"]["distill"]["outputs"]
    return sorted(name for name in outputs if name.startswith(f"{EVALUATION}/"))


def _identity(study: Study) -> str:
    return sha256_text(" ".join(sha256_file(study.file(name)) for name in _fold_files(study)))
