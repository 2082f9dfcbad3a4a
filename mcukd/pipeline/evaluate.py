"""The evaluate stage: trains baselines, and computes scores and findings from stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.card import Card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.of_study import study_card
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.workers import run_jobs
from mcukd.errors import UserError
from mcukd.evaluation.agreement import agreement
from mcukd.evaluation.baseline_jobs import baseline_jobs
from mcukd.evaluation.baselines import BASELINES
from mcukd.evaluation.comparable import (
    comparison_caveats,
    require_current,
    require_same_data,
    training_animals,
)
from mcukd.evaluation.compare import Comparison, compare
from mcukd.evaluation.predictions import Predictions, stored_predictions
from mcukd.evaluation.stored_figures import stored_figures
from mcukd.evaluation.warmup import settling_samples, warm_up
from mcukd.files import write_json
from mcukd.fold_results import (
    DISTILLED,
    EVALUATION,
    TRAINED,
    WEIGHT_PREFIXES,
    fold_results,
    remove_other_results,
    results_folder,
)
from mcukd.metrics.metrics_file import (
    NEVER_SEEN,
    SEEN,
    TRANSDUCTIVE,
    add_findings,
    load_metrics,
    update_metrics,
)
from mcukd.metrics.scores import combine_seeds
from mcukd.models.weights import GruMlpWeights
from mcukd.pipeline.distill import fold_jobs, for_card, study_folds, with_windows
from mcukd.progress import progress
from mcukd.study import METRICS, Study
from mcukd.text import did_you_mean, listed


def train_baselines(
    study: Study,
    card: Card,
    data_root: Path | None,
    config: DistillConfig,
    models: Sequence[str] | None = None,
    nested: bool = False,
) -> dict[str, Any]:
    """Train baselines on the folds and seeds of `config`, add them to `metrics.json` and return that.

    models: their names, all by default. nested: choose leaf size and learning rate on inner animals.
    Finished results are reused. Raises UserError for an unknown model, faulty data, and windows too short for
    a model.
    """
    models = tuple(BASELINES) if models is None else models
    check_models(models, card)
    config = for_card(config, card)
    data = dataset_sha256(card, data_root, config.seed)
    options = {**config.options(), "models": list(models), "nested": nested}
    if study.is_current("evaluate", {"data": data}, options) and study.file(METRICS).is_file():
        known = load_metrics(study.file(METRICS))
        if all(name in known["models"] for name in models):
            return known
    training = load_windows(card, data_root, training=True, seed=config.seed)
    evaluation = load_windows(card, data_root, seed=config.seed)
    folds = study_folds(evaluation, config)
    jobs = with_windows(fold_jobs(study, folds, data, config), folds, training, evaluation, card)
    work = {model: baseline_jobs(study.path, jobs, data, config, model, nested) for model in models}
    for model, tasks in work.items():
        remove_other_results(results_folder(study.path, model), [task.job.path for task in tasks])
    missing = [task for task in chain(*work.values()) if not task.is_done()]
    networks = [task for task in missing if BASELINES[task.model].epochs is not None]
    light = [task for task in missing if task not in networks]
    if light:
        trainer = FoldTrainer(training, evaluation, config)
        with progress("Baselines", len(light)) as advance:
            for task in light:
                task.run(trainer, lambda units: None)
                advance(1, task.name)
    run_jobs(networks, training, evaluation, config)
    scored = {
        name: {
            **combine_seeds(predictions.scores(evaluation)),
            **BASELINES[name].sizes_on(evaluation),
            "scored_on": SEEN if config.split == "random" else NEVER_SEEN,
            "learned_from": config.learned_from(distilled=False),
            "settings_chosen": "on inner animals" if nested else "fixed beforehand",
        }
        for name, predictions in stored_predictions(study.path, models, evaluation).items()
    }
    metrics = update_metrics(
        study.file(METRICS), data=card.name, split=config.split, seeds=config.seeds, models=scored
    )
    study.finish(
        "evaluate",
        inputs={"data": data},
        options=options,
        outputs=[task.job.path for task in chain(*work.values())],
    )
    return metrics


def check_models(models: Sequence[str], card: Card, more: Sequence[str] = ()) -> None:
    """Raise UserError for a model that is neither a baseline nor one of `more`, and for too short windows."""
    known = (*BASELINES, *more)
    for model in models:
        if model not in known:
            kind = "model" if more else "baseline"
            raise UserError(
                f"there is no {kind} '{model}'{did_you_mean(model, known)}; expected one or more of "
                f"{listed(known)}."
            )
        if model in BASELINES and card.window < BASELINES[model].least_window:
            raise UserError(
                f"card {card.name}: its windows of {card.window} samples are too short for the "
                f"{BASELINES[model].prose}, which needs {BASELINES[model].least_window}; lengthen "
                "windows.length or leave it out with --models or --no-baselines."
            )


def usual_baselines(card: Card) -> tuple[str, ...]:
    """Return the baselines trained by default: those for which the card's windows are long enough."""
    return tuple(name for name, one in BASELINES.items() if card.window >= one.least_window)


def forget_baselines(study: Study) -> None:
    """Drop the baselines' record and figures, where a study was trained anew without them."""
    if study.options("evaluate"):
        known = load_metrics(study.file(METRICS))
        known["models"] = {name: one for name, one in known["models"].items() if name not in BASELINES}
        write_json(study.file(METRICS), known)
        study.forget("evaluate")


def evaluate_study(study: Study, data_root: Path | None = None) -> dict[str, Any]:
    """Compute scores and findings from stored predictions, write them to `metrics.json` and return it.

    Nothing is trained. For each model whose predictions are kept: scores with intervals, and `calibration`;
    for the distilled GRU student `warm_up`. Beside the models: `comparisons` (of `_pairs`) and `agreement`.
    Raises UserError where predictions are missing, or of other data.
    """
    card = study_card(study)
    stream = bool(study.options("distill").get("stream", False))
    evaluation = load_windows(card, study.data_root(data_root), seed=int(study.manifest["seed"]), past=stream)
    known = load_metrics(study.file(METRICS))
    models, comparisons = stored_figures(study.path, known["models"], evaluation)
    if not models:
        raise UserError(
            f"{study.file(EVALUATION)}: no predictions there; run 'mcukd distill --run {study.path}'."
        )
    for stage in ("distill", "evaluate"):
        if stage in study.manifest["stages"]:
            study.require(stage)
    # A state that is carried on never starts again, so that no answer settles.
    if DISTILLED in models and not stream:
        models[DISTILLED]["warm_up"] = _warm_up(study, evaluation)
    return add_findings(
        study.file(METRICS),
        models,
        comparisons=[one.facts() for one in comparisons] or None,
        agreement=agreement(study, evaluation),
    )


def compare_studies(a: Study, b: Study, models: tuple[str, str], data_root: Path | None = None) -> Comparison:
    """Compare a model of study `a` with one of study `b` on the animals and seeds they share.

    Where they were trained on other animals, or share only some of animals and seeds, the comparison's
    caveats say so. Raises UserError where the studies are of other data or stale, and where a model's
    predictions are not kept there.
    """
    for study in (a, b):
        require_current(study)
    require_same_data(a, b, data_root)
    card = study_card(a)
    evaluation = load_windows(card, a.data_root(data_root), seed=int(a.manifest["seed"]))
    sides = [_predictions(study, model, evaluation) for study, model in zip((a, b), models)]
    same = a.path.resolve() == b.path.resolve()
    names = models if same else (f"{models[0]} of {a.path.name}", f"{models[1]} of {b.path.name}")
    found = compare(sides[0], sides[1], evaluation, names)
    trained = [training_animals(study, model) for study, model in zip((a, b), models)]
    splits = tuple(config_of(study).split for study in (a, b))
    caveats = comparison_caveats(trained[0], trained[1], names, (splits[0], splits[1]))
    others = (*_transductive_caveats((a, b), models, names), *caveats)
    return replace(found, caveats=(*found.caveats, *others))


def _transductive_caveats(
    studies: tuple[Study, Study], models: tuple[str, str], names: tuple[str, str]
) -> list[str]:
    known = [load_metrics(study.file(METRICS))["models"].get(one, {}) for study, one in zip(studies, models)]
    said = [
        f"{name} had learned from recordings, without labels, of the animals it was tested on (transductive)."
        for one, name in zip(known, names)
        if one.get("scored_on") == TRANSDUCTIVE
    ]
    return said if len(said) == 1 else []


def split_optimism(random: Study, by_animals: Study, data_root: Path | None = None) -> dict[str, Any]:
    """Return by model how much better a random split makes it look: both MCCs and the points between them.

    `points`: 100 · (MCC on the random split − MCC by whole animals), with `low` and `high`, its interval over
    animals. Written to both studies' `metrics.json` as `random_split`. Raises UserError where the two share
    no model.
    """
    card = study_card(by_animals)
    evaluation = load_windows(card, by_animals.data_root(data_root), seed=int(by_animals.manifest["seed"]))
    shared = [
        name
        for name in load_metrics(by_animals.file(METRICS))["models"]
        if name in load_metrics(random.file(METRICS))["models"]
    ]
    sides = [stored_predictions(study.path, shared, evaluation) for study in (random, by_animals)]
    found: dict[str, Any] = {}
    for name in shared:
        if name not in sides[0] or name not in sides[1]:
            continue
        both = compare(sides[0][name], sides[1][name], evaluation)
        mcc = [float(np.mean([s["mcc"] for s in side[name].scores(evaluation)])) for side in sides]
        found[name] = {
            "mcc_random": mcc[0],
            "mcc": mcc[1],
            "points": 100 * both.difference,
            "low": None if both.low is None else 100 * both.low,
            "high": None if both.high is None else 100 * both.high,
        }
    if not found:
        raise UserError(
            f"{random.path} and {by_animals.path} share no model; evaluate the same --models on both."
        )
    split = load_metrics(by_animals.file(METRICS))["split"]
    for study in (random, by_animals):
        add_findings(study.file(METRICS), {}, random_split={"against": split, "models": found})
    return found


def config_of(study: Study) -> DistillConfig:
    """Return the options a study's models were trained with: those of its distill stage, else of evaluate."""
    options = study.options("distill") or study.options("evaluate")
    if not options:
        raise UserError(f"{study.path}: nothing was trained there yet; run '{study.refresh('distill')}'.")
    return DistillConfig.of(options)


def _predictions(study: Study, model: str, evaluation: Windows) -> Predictions:
    found = stored_predictions(study.path, [model], evaluation)
    if model not in found:
        kept = sorted(stored_predictions(study.path, [*TRAINED, *BASELINES], evaluation))
        raise UserError(
            f"{study.path}: no predictions of '{model}' are kept{did_you_mean(model, kept)}; there are those "
            f"of {listed(kept)}."
        )
    return found[model]


def _warm_up(study: Study, evaluation: Windows) -> dict[str, Any] | None:
    """Return the warm-up of the folds' distilled students on their test windows; None without a GRU."""
    settling_times = []
    for result in fold_results(study.path):
        if f"{WEIGHT_PREFIXES[DISTILLED]}recurrent" not in result:
            return None
        weights = GruMlpWeights.from_arrays(result, WEIGHT_PREFIXES[DISTILLED])
        settling_times.append(settling_samples(weights, evaluation.counts[result.test_index]))
    return warm_up(settling_times, evaluation.counts.shape[1]) if settling_times else None


def with_split(config: DistillConfig, split: str) -> DistillConfig:
    """Return the options with another split, for a second study; a random split excludes `--search`."""
    return replace(config, split=split, search=config.search and split != "random")
