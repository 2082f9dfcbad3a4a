"""The robustness stage: a study's fold students on disturbed windows of animals they never saw.

Nothing is trained. Disturbances change the held-out windows only; the students, and the integer models made
of them, are those of the undisturbed road.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, fold_students
from mcukd.files import sha256_file, sha256_text, write_json, write_text
from mcukd.fold_results import DEPLOYABLE, DISTILLED, EVALUATION, STUDENT
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.progress import progress
from mcukd.robustness.figure import robustness_figure
from mcukd.robustness.perturbations import Counts, Disturbance, Sensor, chosen
from mcukd.robustness.record import ROBUSTNESS, Record, grouped_work
from mcukd.robustness.shipped import Shipped, shipped_form
from mcukd.robustness.students import Predict, integer_form
from mcukd.robustness.text import AUGMENTED
from mcukd.study import Study

FIGURE = "robustness.svg"
#: Raise it when a disturbance changes in a way its levels do not show: results made before are then stale.
VERSION = 1


@dataclass(frozen=True)
class Contestant:
    """A model in all its folds: who answers for which windows, by seed."""

    name: str
    by_seed: dict[int, list[tuple[NDArray[np.int64], Predict]]]

    def score(self, seed: int, counts: Counts, evaluation: Windows) -> float:
        """Return the pooled MCC with a seed, of evaluation windows whose counts are now these."""
        total = np.zeros((len(evaluation.classes),) * 2, np.int64)
        for index, answer in self.by_seed[seed]:
            total += confusion_matrix(evaluation.labels[index], answer(counts[index]), len(total))
        return pooled_mcc(total)


def robustness_study(
    study: Study,
    data_root: Optional[Path] = None,
    *,
    augmented: Optional[Study] = None,
    disturbances: Sequence[str] = (),
    integers: bool = True,
) -> dict[str, Any]:
    """Score a study's students on disturbed windows, write `robustness.json` and `.svg`, return the former.

    For every disturbance and level: the pooled MCC of each seed, its mean and sample standard deviation
    (None with one seed), for the plain and the distilled student, the one whose head a search found, the
    integer model that the study ships (`shipped`), unless `integers` is False, and the distilled student of
    the study `augmented`, made with `--augment` on the same folds. disturbances: names, all by default.
    What was scored before is kept and added to, and not scored again; what was scored on other students,
    data or integers is dropped, and `dropped` of what is returned says so in sentences. Raises UserError for
    stale or missing students, a random split, and studies of other folds, before any work.
    """
    wanted = chosen(disturbances)
    study.require("distill")
    if study.options("distill").get("split") == "random":
        raise UserError(
            f"{study.path}: its split is random, so that every animal was seen in training; robustness is "
            f"measured on animals never seen: distil a study with --split loao or animals=K."
        )
    taught = _taught_students(study)
    form = _form(study, integers)
    helped = None if augmented is None else _augmented(augmented, study)
    card = load_card(study.card)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    sensor = Sensor.of(card)
    base = {"data": dataset_sha256(card, root, seed), **study.inputs(*_fold_files(study))}
    neck = sensor.axes[sensor.neck_axis]
    shared = sha256_text(json.dumps([VERSION, neck, base], sort_keys=True))
    identities = dict.fromkeys(taught, shared)
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
        contestants = [_floats(name, found) for name, found in taught.items()]
        if form is not None and form.name in missing:
            training = load_windows(card, root, training=True, seed=seed)
            contestants.append(_integers(study, training, form, card.operation_hop))
        if helped is not None:
            contestants.append(helped)
        for names, tried in grouped_work(missing):
            record.add(measure([one for one in contestants if one.name in names], evaluation, sensor, tried))
        record.content.update(
            {
                "data": card.name,
                "simulated": card.simulated,
                "split": study.options("distill")["split"],
                "seeds": sorted({one.seed for found in taught.values() for one in found}),
                "windows": _windows(taught),
                "scored_on": "windows of held-out animals, disturbed; nothing was trained on them",
                "neck_axis": neck,
            }
        )
    record.identities.update({name: identities[name] for name in asked})
    there = form if form is not None and form.name in record.content["undisturbed"] else None
    record.content["integers"] = there and {"model": there.name, "sentence": there.sentence()}
    if augmented is not None:
        record.content["augmented"] = augmented.options("distill").get("augment", "")
    record.content.setdefault("augmented", None)
    write_json(study.file(ROBUSTNESS), record.stored())
    write_text(study.file(FIGURE), standalone(robustness_figure(record.content)))
    earlier = study.options("robustness")
    study.finish(
        "robustness",
        inputs={**base, **study.inputs(*(there.files if there else ()))},
        options={
            "version": VERSION,
            "disturbances": {name: one["levels"] for name, one in record.content["disturbances"].items()},
            "neck_axis": neck,
            "integers": there is not None,
            "augmented": str(augmented.path) if augmented is not None else earlier.get("augmented"),
        },
        outputs=[study.file(ROBUSTNESS), study.file(FIGURE)],
    )
    return {**record.stored(), **({"dropped": dropped} if dropped else {})}


def measure(
    contestants: Sequence[Contestant], evaluation: Windows, sensor: Sensor, wanted: Sequence[Disturbance]
) -> dict[str, Any]:
    """Score contestants under disturbances.

    Returns `undisturbed` {model: scores} and `disturbances` {name: title, unit, sentence, against, levels,
    labels, models {model: scores by level}}; scores are `mcc`, `mcc_sd` and `mcc_by_seed`. All models get the
    same disturbed windows, drawn anew for each seed.
    """
    seeds = sorted(contestants[0].by_seed)
    levels = sum(sum(level != 0 for level in one.levels) for one in wanted)
    with progress("Disturbing", (levels + 1) * len(seeds)) as advance:

        def scores(disturbance: Optional[Disturbance], level: float) -> dict[str, list[float]]:
            found: dict[str, list[float]] = {one.name: [] for one in contestants}
            for seed in seeds:
                counts = evaluation.counts
                if disturbance is not None:
                    counts = disturbance(counts, sensor, level, seed)
                for one in contestants:
                    found[one.name].append(one.score(seed, counts, evaluation))
                advance(1, disturbance.name if disturbance else "")
            return found

        undisturbed = scores(None, 0)
        measured = {}
        for one in wanted:
            by_level = [scores(one, level) if level else undisturbed for level in one.levels]
            measured[one.name] = {
                "title": one.title,
                "unit": one.unit,
                "sentence": one.sentence,
                "against": one.against,
                "levels": list(one.levels),
                "labels": [one.label(level, sensor) for level in one.levels],
                "models": {
                    model.name: _columns([found[model.name] for found in by_level]) for model in contestants
                },
            }
    return {
        "undisturbed": {
            name: {"mcc": statistics.fmean(values), "mcc_sd": _spread(values), "mcc_by_seed": values}
            for name, values in undisturbed.items()
        },
        "disturbances": measured,
    }


def read_robustness(study: Study) -> dict[str, Any]:
    """Read `robustness.json` back. Raises UserError where it is missing or stale."""
    study.require("robustness")
    return dict(json.loads(study.file(ROBUSTNESS).read_text(encoding="utf-8")))


def standalone(svg: str) -> str:
    """Return a figure of a page as a file of its own: there it needs a namespace."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def _taught_students(study: Study) -> dict[str, list[FoldStudent]]:
    """Return the float students of the folds by name. Raises UserError where none are kept."""
    taught = {model: fold_students(study, model) for model in (STUDENT, DISTILLED, DEPLOYABLE)}
    taught = {name: found for name, found in taught.items() if found}
    if not taught:
        raise UserError(
            f"{study.file(EVALUATION)}: its students' weights are not kept there; only students that a "
            "device can run are disturbed, gru-mlp and filter-mlp."
        )
    return taught


def _windows(taught: Mapping[str, Sequence[FoldStudent]]) -> int:
    first = next(iter(taught.values()))
    return int(sum(len(one.test_index) for one in first if one.seed == first[0].seed))


def _form(study: Study, integers: bool) -> Optional[Shipped]:
    """Return the integer form that the study ships; None where it cannot be told and is not asked for."""
    try:
        return shipped_form(study, [student.name for student in _deployed(study)])
    except UserError:
        if integers:
            raise
        return None


def _integers(study: Study, training: Windows, form: Shipped, hop: int) -> Contestant:
    return _of(form.name, _deployed(study), lambda student: integer_form(student, training, form, hop))


def _deployed(study: Study) -> list[FoldStudent]:
    """Return the students meant for the device: those with a searched head, else distilled, else plain."""
    return (
        fold_students(study, DEPLOYABLE) or fold_students(study, DISTILLED) or fold_students(study, STUDENT)
    )


def _floats(name: str, found: Sequence[FoldStudent]) -> Contestant:
    return _of(name, found, lambda student: student.predict)


def _of(name: str, found: Sequence[FoldStudent], form: Callable[[FoldStudent], Predict]) -> Contestant:
    by_seed: dict[int, list[tuple[NDArray[np.int64], Predict]]] = {}
    for student in found:
        by_seed.setdefault(student.seed, []).append((student.test_index, form(student)))
    return Contestant(name, by_seed)


def _augmented(augmented: Study, study: Study) -> Contestant:
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


def _columns(by_level: Sequence[Sequence[float]]) -> dict[str, list[Any]]:
    return {
        "mcc": [statistics.fmean(values) for values in by_level],
        "mcc_sd": [_spread(values) for values in by_level],
        "mcc_by_seed": [list(values) for values in by_level],
    }


def _spread(values: Sequence[float]) -> Optional[float]:
    return statistics.stdev(values) if len(values) > 1 else None
