"""Command `mcukd distill`: training of teacher and students; its options are made from their declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.effort import EFFORTS, USUAL_EFFORT, usual_options, with_effort
from mcukd.distillation.methods import BUILT_IN, METHODS
from mcukd.distillation.option_lists import parse_seeds
from mcukd.distillation.options import DATA, METHOD, Option, current, declared, stored_name
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed, plural

DEFAULT_CARD = "herd-sim"
RUN_HELP = (
    "Study directory. Default: runs/CARD, or runs/CARD-2 … where that holds a study with other options."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(_with_options(distill))


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose last parameter is `**given` the options of `DistillConfig` and of the methods.

    Each is None unless given, so that an existing study's own options can stand. Options of methods that
    plugins add are given with --set, because plugins are not loaded to show the help.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [
        one.replace(annotation=hints[name])
        for name, one in inspect.signature(command).parameters.items()
        if one.kind != one.VAR_KEYWORD
    ]
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for option in _options()
        for name, annotation in _parameters(option)
    ]
    signature = inspect.Signature([*own, *made])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return command


def _options() -> Iterator[Option]:
    yield from declared(DistillConfig).values()
    for method in BUILT_IN:
        yield from method.options


def _parameters(option: Option) -> Iterator[tuple[str, Any]]:
    """Yield an option's parameter, and that of its earlier spelling, which the help does not show."""
    for name in dict.fromkeys((option.name, stored_name(option.name))):
        yes, no = name.replace("_", "-"), "fixed-" if name.startswith("choose_") else "no-"
        kind = str if option.name == "seeds" else option.kind
        flags = f"--{yes}/--{no}{yes.removeprefix('choose-')}" if kind is bool else f"--{yes}"
        usual = EFFORTS[USUAL_EFFORT].get(option.name)
        with_data = "" if usual is None else f"; of --effort {USUAL_EFFORT}, as with --data: {usual}"
        default = option.default_text or option.default
        default = "" if option.kind is bool else f" Default: {default}{with_data}."
        yield (
            name,
            Annotated[
                kind | None,
                typer.Option(
                    flags,
                    help=option.help + default,
                    show_default=False,
                    rich_help_panel=option.panel,
                    hidden=name != option.name,
                ),
            ],
        )


def distill(
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Dataset card: the name of a bundled one or a .toml file. Default: {DEFAULT_CARD}.",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ] = None,
    data_root: DataRootOption = None,
    set_options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Option of a method that a plugin adds; may be given several times.",
            show_default=False,
            rich_help_panel=METHOD,
        ),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            help="How much is trained: quick (soft labels of one ResNet) or normal (the distilled student "
            "matches an ensemble of seven networks for twice the epochs, and all train against noise). "
            "Default: normal with --data, quick without and where an option says what normal decides.",
            show_default=False,
            rich_help_panel=METHOD,
        ),
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Also train majority, random forest and filter-MLP on the same folds.")
    ] = True,
    run: Annotated[
        Path | None, typer.Option("--run", envvar="MCUKD_RUN", help=RUN_HELP, show_default=False)
    ] = None,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Train a teacher, distil it into a student, and score both on animals they never saw.

    An interrupted run is resumed. With --run and without --data, an existing study is brought
    up to date with the options it was made with.

    Example: [bold]mcukd distill --data cow-collar --split loao[/bold]
    """
    from mcukd.data.card import load_card
    from mcukd.data.load import dataset_sha256
    from mcukd.evaluation.mounting import never_compared
    from mcukd.pipeline.distill import distill as distill_study
    from mcukd.pipeline.distill import for_card, free_run, is_up_to_date
    from mcukd.pipeline.evaluate import evaluate_study, forget_baselines, train_baselines, usual_baselines
    from mcukd.study import MANIFEST, Study
    from mcukd.training.devices import require_device

    options = {name: value for name, value in given.items() if value is not None}
    options.update(map(_named_option, set_options or ()))
    begun = Study.open(run) if run is not None and (run / MANIFEST).exists() else None
    earlier = None if begun is None else begun.options("distill")
    if "seeds" in options:
        options["seeds"] = parse_seeds(options["seeds"])
    if effort is not None or data:
        trained = DistillConfig.of(earlier) if earlier else None
        given_now = current(options)
        options = (
            with_effort(effort, given_now, trained)
            if effort is not None
            else usual_options(given_now, trained)
        )
    # Who names no data wants an answer in minutes; leaving each simulated animal out in turn takes an hour.
    known = DistillConfig() if data else DistillConfig(split="holdout")
    if data is None and begun is not None:
        if not earlier:
            raise UserError(
                f"{run}: its training was never finished, so the options it was begun with are not known; "
                "repeat the command that began it, with --data and all options: what was trained is kept."
            )
        data, known = begun.card, DistillConfig.of(earlier)
    config = known.with_options(**options)
    card = load_card(data or DEFAULT_CARD)
    config = for_card(config, card)
    path = run or free_run(card.name, config)
    root = data_root
    if root is None and (path / MANIFEST).exists():
        root = Study.open(path).data_root(None)
    # Missing data or hardware is reported before a study is begun.
    dataset_sha256(card, root, config.seed)
    require_device(config.device)
    if "mounting" not in options and (hint := never_compared(card)):
        typer.echo(hint, err=True)
    study = Study.prepare(path, card.reference, config.seed)
    root = study.data_root(root)
    fresh = is_up_to_date(study, card, root, config)
    metrics = distill_study(study, card, root, config)
    study.begin()
    if baselines:
        train_baselines(study, card, root, config, usual_baselines(card))
        metrics = evaluate_study(study, root)
    elif not fresh:
        forget_baselines(study)
    if json:
        print_json({"run": str(study.path), "ran": not fresh, "metrics": metrics})
        return
    if fresh:
        typer.echo(f"{study.path}: already distilled so; nothing to do.")
    _print(metrics, study.path, card.simulated, config)


def _named_option(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE, an option of any method."""
    name, _, value = text.partition("=")
    of_methods = {own.name: own for method in METHODS.values() for own in method.options}
    if name not in of_methods:
        raise UserError(
            f"--set {text}: no method has an option '{name}'{did_you_mean(name, of_methods)}; there are "
            f"{listed(of_methods)}."
        )
    from pydantic import TypeAdapter

    kind = of_methods[name].kind
    try:
        return name, TypeAdapter(kind).validate_python(value)
    except ValueError:
        raise UserError(
            f"--set {text}: expected a value of type {getattr(kind, '__name__', kind)}."
        ) from None


def _labels(config: DistillConfig) -> str:
    """Return which labels and which recordings without any a study uses, for the title of its table."""
    asked = config.labelled or config.unlabelled
    said = f", {config.learned_from(distilled=True)}" if asked else ""
    return said + (", students' state carried" if config.stream else "")


def _print(metrics: dict[str, Any], path: Path, simulated: bool, config: DistillConfig) -> None:
    from mcukd.report.findings import sentences
    from mcukd.report.table import short_rows

    sizes = {"parameters": "parameters", "macs_per_window": "MACs/window"}
    columns, rows = short_rows(metrics["models"], sizes)
    origin = "SIMULATED data" if simulated else "data"
    print_table(
        f"{origin} {metrics['data']}, {config.split}, {plural(len(config.seeds), 'seed')}{_labels(config)}: "
        f"scores on {'held-out' if config.transductive else 'unseen'} animals",
        columns,
        rows,
    )
    for sentence in sentences(metrics):
        typer.echo(sentence)
    whom = f"the labelled animals alone ({config.labelled})" if config.labelled else "all animals"
    typer.echo(f"{path}: the final teacher and student were trained on {whom}.")
