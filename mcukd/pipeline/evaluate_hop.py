"""Evaluation as in operation: results every hop of whole recordings, through changes of behaviour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.load import load_counts, load_windows
from mcukd.data.of_study import study_card
from mcukd.data.running import RunningWindows, running_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent, fold_students
from mcukd.fixedpoint.config import metrics_name
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.fold_results import DEPLOYABLE, DISTILLED, STUDENT
from mcukd.inference.carried import evaluated_classes
from mcukd.metrics.metrics_file import CARRIED, add_findings, load_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.carried import carried_logits
from mcukd.progress import progress
from mcukd.robustness.final_integers import FinalIntegers, final_integers
from mcukd.study import METRICS, Study

#: Key of `metrics.json`.
AT_HOP = "at_hop"
Predict = Callable[[FoldStudent, Windows], NDArray[np.int64]]


def evaluate_at_hop(study: Study, hop: int, data_root: Path | None = None) -> dict[str, Any]:
    """Add `scores_at_hop` of a study's students to `metrics.json` as `at_hop`, and return it."""
    add_findings(study.file(METRICS), {}, **{AT_HOP: scores_at_hop(study, hop, data_root)})
    return dict(load_metrics(study.file(METRICS))[AT_HOP])


def scores_at_hop(
    study: Study, hop: int, data_root: Path | None = None, carried: bool | None = None
) -> dict[str, Any]:
    """Return scores of a study's students as a tag runs them.

    Windows are those of a tag that is started with each recording: one every `hop` samples, whatever the
    behaviours. Each starts from the zero state, or with `--stream` from the state that the recording has
    made. Scores are of windows of one behaviour; `mixed` of those of several, against the behaviour of most
    of their samples, and `either`, the share that names one of the behaviours in the window. Windows with
    samples of no known behaviour are left out. `windows`, `mixed_windows` and `left_out` count those of the
    animals that are held out. The integer model is scored where the study was quantized.
    carried: whether states are carried, whatever the students were trained for.
    Raises UserError for a hop that cannot be or gives no window of one behaviour, and for studies that are
    stale or of a random split.
    """
    card = study_card(study)
    if not 1 <= hop <= card.window:
        raise UserError(
            f"--hop is {hop}, expected 1 to {card.window} samples, a window's length of card {card.name}."
        )
    study.require("distill")
    options = study.options("distill")
    if options.get("split") == "random":
        raise UserError(
            f"{study.path}: its split is random, and results every {hop} samples would be of windows that "
            "the models were trained on; give a study with a split by animal."
        )
    stream = bool(options.get("stream", False)) if carried is None else carried
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    running = running_windows(card, load_counts(card, root, seed=seed, whole=True), hop)
    animals = load_windows(card, root, seed=seed).animals
    shipped = fold_students(study)
    held_out = np.unique(animals[np.concatenate([one.test_index for one in shipped])])
    scored = np.isin(running.windows.animals, held_out)
    if not np.any(scored & ~running.mixed):
        raise UserError(
            f"--hop {hop}: of the windows that begin every {hop} samples in held-out animals' recordings "
            "none has one behaviour alone, so that there is nothing to score; give another hop."
        )

    def scores(students: Sequence[FoldStudent], predict: Predict, label: str) -> dict[str, Any]:
        tested = [np.isin(running.windows.animals, animals[one.test_index]) for one in students]
        return fold_scores(students, tested, running, predict, label)

    found: dict[str, Any] = {}
    for model in (STUDENT, DISTILLED, DEPLOYABLE):
        if students := fold_students(study, model):
            found[model] = scores(students, lambda one, test: float_classes(one, test, stream), model)
    if (form := _integers(study, shipped)) is not None:
        training = load_windows(card, root, training=True, seed=seed)
        name = metrics_name(study.options("quantize"))
        found[name] = scores(shipped, _integer_classes(form, card, training, stream), name)
    return {
        "hop": hop,
        "window": card.window,
        "state": CARRIED if stream else "zero at the start of each window",
        "windows": int(np.sum(scored & ~running.mixed)),
        "mixed_windows": int(np.sum(scored & running.mixed)),
        "left_out": int(np.isin(running.left_out, held_out).sum()),
        "models": found,
    }


def _integers(study: Study, students: Sequence[FoldStudent]) -> FinalIntegers | None:
    """Return the integer model that the study ships; None where it has none, or one of an earlier student."""
    if not study.options("quantize"):
        return None
    study.require("quantize")
    return final_integers(study, [student.name for student in students])


def float_classes(student: FoldStudent, test: Windows, stream: bool) -> NDArray[np.int64]:
    """Return the classes (N,) of windows by a float student, from a carried state or the zero state."""
    if not stream:
        return student.predict(test.counts)
    return np.asarray(np.argmax(carried_logits(student.weights, test), axis=1))


def _integer_classes(form: FinalIntegers, card: Card, training: Windows, stream: bool) -> Predict:
    def predict(student: FoldStudent, test: Windows) -> NDArray[np.int64]:
        weights, lengths = student.weights, None
        if student.name in form.trained:
            weights, lengths = form.trained[student.name].weights, form.trained[student.name].lengths
        config, own = form.configs[student.name], student.training_of(training)
        model = quantize(weights, own, config, card.operation_hop, lengths)
        return evaluated_classes(as_stream(model) if stream else model, test)

    return predict


def fold_scores(
    students: Sequence[FoldStudent],
    tested: Sequence[NDArray[np.bool_]],
    running: RunningWindows,
    predict: Predict,
    label: str,
) -> dict[str, Any]:
    """Return the scores of a model's folds, pooled for each seed: of windows of one behaviour, and `mixed`.

    tested: for each student the mask (N,) of the windows of the animals that it was not trained on.
    """
    parts: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
    with progress(f"Results of {label}", len(students)) as advance:
        for student, mask in zip(students, tested):
            index = np.flatnonzero(mask)
            own = running.windows.take(index)
            parts.setdefault(student.seed, []).append((index, predict(student, own)))
            advance(1, student.name)
    pure, mixed, either = [], [], []
    for seed in sorted(parts):
        index = np.concatenate([one for one, _ in parts[seed]])
        answers = np.concatenate([one for _, one in parts[seed]])
        of_several = running.mixed[index]
        pure.append(_score(running.windows.take(index[~of_several]), answers[~of_several]))
        if of_several.any():
            mixed.append(_score(running.windows.take(index[of_several]), answers[of_several]))
            named = running.present[index[of_several], answers[of_several]]
            either.append(float(np.mean(named)))
    found = combine_seeds(pure)
    if mixed:
        of_mixed = combine_seeds(mixed)
        found["mixed"] = {
            "mcc": of_mixed["mcc"],
            "accuracy": of_mixed["accuracy"],
            "either": float(np.mean(either)),
        }
    return found


def _score(windows: Windows, answers: NDArray[np.int64]) -> dict[str, Any]:
    return score(windows.labels, answers, windows.animals, windows.classes)
