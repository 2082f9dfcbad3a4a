"""The distill stage: trains teacher and students, and evaluates them on held-out animals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.folds import Fold, make_folds, without_shared_samples
from mcukd.data.label_budget import labelled_animals, with_label_budget
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import STUDENTS, Shape
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.methods import METHODS
from mcukd.distillation.plan import members, teacher_architecture
from mcukd.distillation.training_configs import STREAM_VERSION, TEACHERS_VERSION
from mcukd.distillation.unlabelled import unlabelled_windows
from mcukd.distillation.workers import FoldTraining, run_jobs
from mcukd.errors import UserError
from mcukd.extras import require
from mcukd.files import sha256_text, write_json
from mcukd.fold_results import (
    DEPLOYABLE,
    EVALUATION,
    SEARCHED,
    STUDENT,
    TEACHER,
    TRAINED,
    WEIGHT_PREFIXES,
    FoldResult,
    fold_name,
    remove_other_results,
    results_folder,
)
from mcukd.head_search.proposals import require_optuna
from mcukd.metrics.metrics_file import CARRIED, NEVER_SEEN, SEEN, TRANSDUCTIVE, load_metrics, update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.weights import GruMlpWeights
from mcukd.pipeline.unlabelled import recorded_windows, recordings_sha256
from mcukd.study import MANIFEST, METRICS, RUNS, SOFT_LABELS_FILE, STUDENT_FILE, TEACHER_FILE, Study


def distill(study: Study, card: Card, data_root: Path | None, config: DistillConfig) -> dict[str, Any]:
    """Train and evaluate; return the content of `metrics.json`.

    For each fold of the split and each seed: a teacher, a plain student and a distilled student trained on
    the fold's training animals and scored on the others. Then the final models, trained with `config.seed` on
    all animals: `teacher.keras`, `student.keras` (distilled) and `soft_labels.npz`. The figures in
    `metrics.json` are of the folds' models; no animal is left to score the final ones on. With
    `config.search` the final student, and a third and fourth one of every fold, have the classifier that a
    search on inner animals found.

    Finished folds are kept in `evaluation/` and reused while data and options stay the same, so that an
    interrupted run can be resumed. Does nothing if nothing changed (`is_up_to_date`).
    Raises UserError for faulty data or options, without TensorFlow and when a worker dies.
    """
    config = for_card(config, card)
    if is_up_to_date(study, card, data_root, config):
        return load_metrics(study.file(METRICS))
    require("tensorflow", "training")
    if config.search:
        require_optuna()
    inputs = _inputs(card, data_root, config)
    extra = config.uses_extra_channels
    past = config.stream
    training = load_windows(card, data_root, training=True, seed=config.seed, extra=extra, past=past)
    evaluation = load_windows(card, data_root, seed=config.seed, extra=extra, past=past)
    if training.past is not None and np.array_equal(training.past.begins, training.past.origins):
        raise UserError(
            f"--stream: no window of card {card.name} has anything recorded before it, so that no state can "
            "be carried on; leave it out, or give recordings that are longer than a window."
        )
    folds = study_folds(evaluation, config)
    data = inputs["data"]
    if "unlabelled" in inputs:  # of which every fold gets windows that the seed of the final models draws
        data = sha256_text(json.dumps({**inputs, "seed": config.seed}, sort_keys=True))
    final = final_job(study, training, data, config)
    jobs = with_windows(fold_jobs(study, folds, data, config), folds, training, evaluation, card)
    remove_other_results(results_folder(study.path), [job.path for job in jobs])
    # The final models take about as long as a fold; they start first, so that no worker idles at the end.
    missing = [job for job in [final, *jobs] if not job.is_done()]
    if len(missing) <= len(jobs):
        study.begin()
    recordings = recorded_windows(config, card, training) if missing else None
    if missing and config.unlabelled and not _any_unlabelled(jobs, training, recordings, config):
        raise UserError(
            f"--unlabelled {config.unlabelled}: no fold has a recording to learn from, as all are of animals "
            "with labels or held out; label fewer with --labelled, or name recordings of other animals."
        )
    training_jobs = [FoldTraining(job) for job in missing]
    run_jobs(training_jobs, training, evaluation, config, first=study.begin, recordings=recordings)
    for folder in {job.scratch.parent for job in (final, *jobs)}:
        with suppress(OSError):  # it holds checkpoints of other options
            folder.rmdir()

    scores = _score(jobs, evaluation, config)
    _forget_models(study, set(TRAINED) - set(scores))
    metrics = update_metrics(
        study.file(METRICS), data=card.name, split=config.split, seeds=config.seeds, models=scores
    )
    final_files = [STUDENT_FILE, SOFT_LABELS_FILE]
    if config.teacher_name is not None:
        final_files.insert(0, TEACHER_FILE)
    study.finish(
        "distill",
        inputs=inputs,
        options=config.options(),
        outputs=[*(study.file(name) for name in final_files), *(job.path for job in jobs)],
    )
    return metrics


def _any_unlabelled(
    jobs: Sequence[FoldJob], training: Windows, recordings: Windows | None, config: DistillConfig
) -> bool:
    return any(unlabelled_windows(job, training, recordings, config) is not None for job in jobs)


def for_card(config: DistillConfig, card: Card) -> DistillConfig:
    """Return the configuration with the options that the card decides filled in. Raises UserError."""
    if config.teacher_sensors is None and METHODS[config.method].default_sensors == "all" and card.extra:
        config = replace(config, teacher_sensors="all")
    if config.uses_extra_channels:
        if not card.extra:
            raise UserError(
                f"--teacher-sensors is all, but card {card.name} names no extra channels; add them under "
                f"[[extra]], or leave the option out."
            )
        if "flip" in config.augments:
            raise UserError(
                "--augment flip mirrors the accelerometer, which other sensors cannot follow; leave it out, "
                "or give --teacher-sensors accelerometer."
            )
    if "rotation" in config.augments:
        config = replace(config, neck_axis=card.neck_axis)
    return config if config.mounting else replace(config, mounting=card.signal.mounting)


def is_up_to_date(study: Study, card: Card, data_root: Path | None, config: DistillConfig) -> bool:
    """Return whether the study already holds the results of this data and these options."""
    config = for_card(config, card)
    return (
        study.is_current("distill", _inputs(card, data_root, config), config.options())
        and study.file(METRICS).is_file()
    )


def free_run(card: str, config: DistillConfig, runs: Path = RUNS) -> Path:
    """Return the default directory of a study: `runs/<card>`, or `runs/<card>-2` and so on.

    The first directory that has no study, or one of this card that is unfinished or made with these options.
    """
    for number in count(1):
        path = runs / (card if number == 1 else f"{card}-{number}")
        if not (path / MANIFEST).exists():
            return path
        study = Study.open(path)
        made_with = study.options("distill") or study.options("evaluate")
        wanted = config.options()
        if study.card == card and (not made_with or {key: made_with.get(key) for key in wanted} == wanted):
            return path
    raise AssertionError("count() does not end")


def _inputs(card: Card, data_root: Path | None, config: DistillConfig) -> dict[str, str]:
    inputs = {"data": dataset_sha256(card, data_root, config.seed, extra=config.uses_extra_channels)}
    if (recordings := recordings_sha256(config)) is not None:
        inputs["unlabelled"] = recordings
    return inputs


def study_folds(evaluation: Windows, config: DistillConfig) -> list[Fold]:
    """Return the folds of a study, each with the animals whose labels it may use. Raises UserError."""
    return with_label_budget(make_folds(evaluation, config.split), evaluation, config.labelled)


def fold_jobs(study: Study, folds: Sequence[Fold], data: str, config: DistillConfig) -> list[FoldJob]:
    """Return the jobs of an evaluation, seed by seed; data: identity of the samples."""
    return [
        FoldJob(
            name=fold_name(fold.name, seed),
            seed=seed,
            train_animals=fold.train_animals,
            test_animals=fold.test_animals,
            path=study.file(EVALUATION, f"{fold_name(fold.name, seed)}.npz"),
            key=_key(data, config, seed, fold.train_animals, fold.test_animals, fold.test_windows),
            unlabelled_animals=fold.unlabelled_animals,
        )
        for seed in config.seeds
        for fold in folds
    ]


def with_windows(
    jobs: Sequence[FoldJob], folds: Sequence[Fold], training: Windows, evaluation: Windows, card: Card
) -> list[FoldJob]:
    """Return the jobs with the training and test windows of a random split; others need animals only."""
    chosen: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for fold in folds:
        if fold.test_windows is not None:
            test = np.array(fold.test_windows, np.int64)
            train = without_shared_samples(training, evaluation, test, card.hop, card.train_hop)
            chosen[fold.name] = train, test
    complete = []
    for job in jobs:
        train_windows, test_windows = chosen.get(job.name.rpartition("-s")[0], (None, None))
        complete.append(replace(job, train_windows=train_windows, test_windows=test_windows))
    return complete


def final_job(study: Study, training: Windows, data: str, config: DistillConfig) -> FoldJob:
    """Return the job of the final models, trained on all animals; data: identity of the samples.

    With a label budget, on all animals whose labels are used.
    """
    everyone = tuple(sorted({str(animal) for animal in training.animals}))
    name = "all animals"
    animals = labelled_animals(everyone, training, config.labelled, name)
    return FoldJob(
        name=name,
        seed=config.seed,
        train_animals=animals,
        test_animals=(),
        path=study.path,
        key=_key(data, config, config.seed, animals, ()),
        unlabelled_animals=tuple(animal for animal in everyone if animal not in animals),
    )


def _key(
    data: str,
    config: DistillConfig,
    seed: int,
    train_animals: Sequence[str],
    test_animals: Sequence[str],
    test_windows: Sequence[int] | None = None,
) -> str:
    """Return the identity of a job's result."""
    version = [TEACHERS_VERSION, METHODS[config.method].version]
    facts = [version, data, config.training(), seed, list(train_animals), list(test_animals)]
    if test_windows is not None:
        facts.append(list(test_windows))
    if config.stream:
        facts.append({"stream": STREAM_VERSION})
    return sha256_text(json.dumps(facts, sort_keys=True))


def _forget_models(study: Study, names: set[str]) -> None:
    """Remove the figures of models that the study no longer has."""
    path = study.file(METRICS)
    known = load_metrics(path) if path.is_file() else {"models": {}}
    if names & set(known["models"]):
        known["models"] = {name: one for name, one in known["models"].items() if name not in names}
        write_json(path, known)


def _score(jobs: Sequence[FoldJob], evaluation: Windows, config: DistillConfig) -> dict[str, Any]:
    """Score each model: predictions pooled over the folds, one score per seed, then the seeds combined."""
    by_seed: dict[int, list[FoldResult]] = {}
    for job in jobs:
        by_seed.setdefault(job.seed, []).append(FoldResult(job.path))
    sizes = _sizes(evaluation, config)
    if config.search:
        sizes.update(_searched_sizes([FoldResult(job.path) for job in jobs], evaluation.counts.shape[1]))
    return {
        model: {
            **combine_seeds([_score_seed(results, model, evaluation) for results in by_seed.values()]),
            **(sizes[model] if model in sizes else sizes["student"]),
            "scored_on": _scored_on(model, config),
            "learned_from": config.learned_from(distilled=model not in (TEACHER, STUDENT)),
            **({"state": CARRIED} if config.stream and model != TEACHER else {}),
        }
        for model in _models(config)
    }


def _scored_on(model: str, config: DistillConfig) -> str:
    if config.transductive and model not in (TEACHER, STUDENT):
        return TRANSDUCTIVE
    return SEEN if config.split == "random" else NEVER_SEEN


def _models(config: DistillConfig) -> list[str]:
    """Return the names of the models that are evaluated."""
    searched = {SEARCHED, DEPLOYABLE}
    return [
        model
        for model in TRAINED
        if model == STUDENT
        or (model in searched and config.search)
        or (model not in searched and config.teacher_name is not None)
    ]


def _searched_sizes(results: Sequence[FoldResult], steps: int) -> dict[str, dict[str, Any]]:
    """Return what the searches of the folds found, and the size of the largest deployable student.

    The overall winner has no size here, because it may be a forest.
    """
    parameters, macs = [], []
    families: dict[str, dict[str, int]] = {"winner": {}, "deployable": {}}
    for result in results:
        weights = GruMlpWeights.from_arrays(result, WEIGHT_PREFIXES[DEPLOYABLE])
        facts = result.facts("search")
        parameters.append(weights.parameters)
        macs.append(weights.macs_per_window(steps))
        for name, counted in families.items():
            family = facts[name]["family"]
            counted[family] = counted.get(family, 0) + 1
    return {
        SEARCHED: {"found": families["winner"]},
        DEPLOYABLE: {
            "found": families["deployable"],
            "parameters": max(parameters),
            "macs_per_window": max(macs),
        },
    }


def _score_seed(results: Sequence[FoldResult], model: str, evaluation: Windows) -> dict[str, Any]:
    tested = evaluation.take(np.concatenate([result.test_index for result in results]))
    predictions = np.concatenate([np.argmax(result.logits(model), axis=1) for result in results])
    return score(tested.labels, predictions, tested.animals, tested.classes)


def _sizes(evaluation: Windows, config: DistillConfig) -> dict[str, dict[str, int]]:
    _, steps, channels = evaluation.counts.shape
    shape = Shape(steps, channels, len(evaluation.classes))
    of_teacher = shape._replace(channels=config.teacher_channels(evaluation))
    student = STUDENTS[config.student].sizes(shape, config)
    one = {"teacher": teacher_architecture(config).sizes(of_teacher, config), "student": student}
    return {
        "teacher": {name: sum(one[each.role][name] for each in members(config)) for name in student},
        "student": student,
    }
