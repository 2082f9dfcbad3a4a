"""Commands `mcukd evaluate` and `mcukd evaluate compare`: scores with intervals, and paired comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table
from mcukd.errors import UserError
from mcukd.study import METRICS
from mcukd.text import plural

if TYPE_CHECKING:
    from mcukd.distillation.config import DistillConfig
    from mcukd.study import Study

SPLIT_HELP = (
    '"loao", "k-fold-by-animal" ("animals=K"), "holdout", "holdout=ID,ID", "official", or "random" to see '
    "how much that would flatter. Default: the study's, else loao."
)
HOP_HELP = (
    "With --run alone: score the students as a tag runs them, with a result every HOP samples of whole "
    "recordings; windows that hold several behaviours apart."
)
MODELS_HELP = (
    "Comma-separated: majority, random_forest, filter_mlp, student (with its teacher); for a table of "
    "features mlp_head. What is missing is trained. Default: the baselines with --data, what is there with "
    "--run."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(evaluate)
    group.command()(compare)
    app.add_typer(group, name="evaluate")


def evaluate(
    context: typer.Context,
    run: RunOption = None,
    data: Annotated[
        str | None,
        typer.Option(help="Dataset card, to evaluate on a study of its own.", show_default=False),
    ] = None,
    data_root: DataRootOption = None,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP, show_default=False)] = None,
    models: Annotated[str | None, typer.Option(help=MODELS_HELP, show_default=False)] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="How many, or a list such as 3,5. Default: the study's, else 3."),
    ] = None,
    nested: Annotated[
        bool, typer.Option("--nested", help="Choose the baselines' settings on inner animals, in each fold.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Worker processes. Default: one per core.")] = None,
    hop: Annotated[int | None, typer.Option(help=HOP_HELP, show_default=False)] = None,
    json: JsonOption = False,
) -> None:
    """Say what models and baselines are worth on animals they never saw, with intervals.

    With --run it scores the predictions that the study kept, and trains nothing. With --data, or --models, it
    trains what is missing first. --split random does both splits and says how much the random one flatters.

    Example: [bold]mcukd evaluate --data cow-collar --models majority,random_forest,filter_mlp,student[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    from mcukd.data.features import FeatureCard, load_any_card

    if hop is not None:
        others = {"data": data, "split": split, "models": models, "seeds": seeds, "nested": nested or None}
        _evaluate_hop(run, hop, data_root, [name for name, one in others.items() if one is not None], json)
        return
    chosen = [name.strip() for name in models.split(",") if name.strip()] if models else None
    card = load_any_card(data) if data else None
    if isinstance(card, FeatureCard):
        _evaluate_table(card, data_root, split, seeds, chosen, json)
        return
    if chosen:
        _check_models(chosen, run, card)
    study, config = _study_and_config(run, card, data_root, split, seeds, jobs)
    random = config.split == "random" or split == "random"
    if chosen is None:
        chosen = ["majority", "random_forest", "filter_mlp"] if card or random else []
    if random:
        _evaluate_random(study, config, chosen, nested, json)
        return
    metrics = _evaluated(study, config, chosen, nested)
    if json:
        print_json({"run": str(study.path), **metrics})
        return
    _print(metrics, study.path)


def compare(
    run_a: Annotated[Path | None, typer.Argument(help="A study; with --models the only one.")] = None,
    run_b: Annotated[Path | None, typer.Argument(help="Another study of the same data.")] = None,
    model: Annotated[
        str, typer.Option(help="The model to compare between two studies.")
    ] = "student_distilled",
    models: Annotated[
        str | None,
        typer.Option(help="Two models of one study, such as student_distilled,student.", show_default=False),
    ] = None,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Test whether one model is better than another on the same animals and seeds, with an interval.

    Two studies have to be of the same data. Where their models were trained on other animals, or share only
    some animals and seeds, the verdict says so.

    Example: [bold]mcukd evaluate compare runs/cow-collar --models student_distilled,student[/bold]
    """
    from mcukd.pipeline.evaluate import compare_studies
    from mcukd.study import Study

    first = Study.open(run_a)
    if models is None:
        if run_b is None:
            raise UserError("compare needs two studies, or one and --models A,B; name a second study.")
        found = compare_studies(first, Study.open(run_b), (model, model), data_root)
    else:
        names = [name.strip() for name in models.split(",")]
        if len(names) != 2:
            raise UserError(f"--models is '{models}', expected two names such as student_distilled,student.")
        other = first if run_b is None else Study.open(run_b)
        found = compare_studies(first, other, (names[0], names[1]), data_root)
    if json:
        print_json(found.facts())
    else:
        typer.echo(found.sentence())


def _evaluate_hop(run: Path | None, hop: int, data_root: Path | None, others: list[str], json: bool) -> None:
    from mcukd.pipeline.evaluate_hop import evaluate_at_hop
    from mcukd.report.table import hop_rows
    from mcukd.study import Study

    if others:
        raise UserError(
            f"--hop scores the students that a study has, and --{others[0]} asks for other models or data; "
            "leave one out."
        )
    study = Study.open(run)
    found = evaluate_at_hop(study, hop, data_root)
    if json:
        print_json({"run": str(study.path), **found})
        return
    columns, rows = hop_rows(found)
    print_table(
        f"{study.card}: a result every {hop} samples, unseen animals; state {found['state']}", columns, rows
    )
    left_out = f"; {found['left_out']:,} with unlabelled samples are left out" if found["left_out"] else ""
    typer.echo(
        f"{found['windows']:,} windows of one behaviour and {found['mixed_windows']:,} of several{left_out}. "
        f"{study.path / METRICS} has all of it."
    )


def _check_models(models: list[str], run: Path | None, card: Any) -> None:
    """Refuse models that cannot be evaluated before a study is begun or anything is trained."""
    from mcukd.data.card import load_card
    from mcukd.fold_results import TRAINED
    from mcukd.pipeline.evaluate import check_models
    from mcukd.study import Study

    check_models(models, card or load_card(Study.open(run).card), TRAINED)


def _study_and_config(
    run: Path | None,
    card: Any,
    data_root: Path | None,
    split: str | None,
    seeds: str | None,
    jobs: int | None,
) -> tuple[Study, DistillConfig]:
    """Return the study (of whole animals) to evaluate and the options of what is to be trained for it."""
    from dataclasses import replace

    from mcukd.data.load import dataset_sha256
    from mcukd.distillation.config import DistillConfig
    from mcukd.distillation.option_lists import parse_seeds
    from mcukd.pipeline.distill import for_card, free_run
    from mcukd.pipeline.evaluate import config_of
    from mcukd.study import MANIFEST, Study

    if card is None or (run is not None and (run / MANIFEST).exists()):
        study = Study.open(run)
        if card is not None and study.card != card.reference:
            raise UserError(
                f"{study.path}: made from card '{study.card}', not '{card.reference}'; leave --data out or "
                "choose another directory with --run."
            )
        study.data_root(data_root)
        config = config_of(study)
        if seeds is not None:
            config = replace(config, seeds=parse_seeds(seeds))
        if split not in (None, "random"):
            config = replace(config, split=split)
        made_with = config_of(study)
        if (config.split, config.seeds) != (made_with.split, made_with.seeds) and study.options("distill"):
            raise UserError(
                f"{study.path}: evaluated with split {made_with.split} and seeds "
                f"{','.join(map(str, made_with.seeds))}; other ones belong in a study of their own: name the "
                "data with --data and a new directory with --run."
            )
        return study, replace(config, jobs=jobs)
    options: dict[str, Any] = {"split": "loao" if split in (None, "random") else split, "jobs": jobs}
    if seeds is not None:
        options["seeds"] = parse_seeds(seeds)
    config = for_card(DistillConfig.of(options), card)
    dataset_sha256(card, data_root, config.seed)  # missing data is reported before a study is begun
    study = Study.prepare(run or free_run(card.name, config), card.reference, config.seed)
    study.data_root(data_root)
    return study, config


def _evaluated(study: Study, config: DistillConfig, models: list[str], nested: bool) -> dict[str, Any]:
    from mcukd.data.of_study import study_card
    from mcukd.fold_results import TRAINED
    from mcukd.pipeline.distill import distill
    from mcukd.pipeline.evaluate import evaluate_study, train_baselines

    card, root = study_card(study), study.data_root(None)
    if any(name in TRAINED for name in models):
        distill(study, card, root, config)
    kept = study.options("evaluate")
    baselines = [name for name in models if name not in TRAINED]
    for name in kept.get("models", ()):
        if name not in baselines:
            baselines.append(name)
    if baselines:
        train_baselines(study, card, root, config, baselines, nested or bool(kept.get("nested")))
    return evaluate_study(study, root)


def _evaluate_random(
    study: Study, config: DistillConfig, models: list[str], nested: bool, json: bool
) -> None:
    from mcukd.metrics.metrics_file import load_metrics
    from mcukd.pipeline.evaluate import split_optimism, with_split
    from mcukd.study import Study

    typer.echo(
        "A random split puts windows of the same animal, often seconds apart, on both sides. It tells how "
        "well those animals are remembered, not how a new one is recognised; use it for comparison only.",
        err=True,
    )
    at_random = with_split(config, "random")
    by_animals = _evaluated(study, config, models, nested)
    other = study.path.with_name(f"{study.path.name}-random")
    random = Study.prepare(other, study.card, int(study.manifest["seed"]))
    root = study.data_root(None)
    random.data_root(root)
    _evaluated(random, at_random, models, nested)
    found = split_optimism(random, study)
    if json:
        print_json({"run": str(study.path), "random_run": str(random.path), "random_split": found})
        return
    rows = [
        [
            name,
            f"{one['mcc_random']:.3f}",
            f"{one['mcc']:.3f}",
            f"{one['points']:+.1f}",
            "–" if one["low"] is None else f"{one['low']:+.1f} to {one['high']:+.1f}",
        ]
        for name, one in found.items()
    ]
    print_table(
        f"{by_animals['data']}: what a random split would have claimed "
        f"({plural(len(config.seeds), 'seed')}, pooled MCC)",
        ["model", "random", by_animals["split"], "points of optimism", "95 % over animals"],
        rows,
    )
    _print(load_metrics(study.file(METRICS)), study.path)


def _evaluate_table(
    card: Any,
    data_root: Path | None,
    split: str | None,
    seeds: str | None,
    models: list[str] | None,
    json: bool,
) -> None:
    from mcukd.distillation.option_lists import parse_seeds
    from mcukd.evaluation.head import evaluate_table
    from mcukd.report.table import evaluation_rows

    found = evaluate_table(
        card, data_root, split or "loao", parse_seeds(seeds) if seeds else (0, 1, 2), models
    )
    if json:
        print_json(found)
        return
    columns, rows = evaluation_rows(found)
    print_table(
        f"features {found['data']}, {found['split']}, {plural(len(found['seeds']), 'seed')}, unseen animals",
        columns,
        rows,
    )


def _print(metrics: dict[str, Any], path: Path) -> None:
    from mcukd.metrics.metrics_file import is_transductive
    from mcukd.report.findings import sentences
    from mcukd.report.table import budget_rows, evaluation_rows

    whom = "held-out animals (transductive)" if is_transductive(metrics) else "unseen animals"
    columns, rows = evaluation_rows(metrics)
    seeds = plural(len(metrics["seeds"]), "seed")
    print_table(
        f"{metrics['data']}, {metrics['split']}, {seeds}, {whom}; 95 %: over animals",
        columns,
        rows,
    )
    columns, rows = budget_rows(metrics)
    print_table("time budget, minutes per day off", columns, rows)
    for sentence in sentences(metrics):
        typer.echo(sentence)
    typer.echo(f"{path / METRICS} has all of it; 'mcukd report --run {path}' draws it.")
