"""`mcukd distill`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table
from mcukd.distillation.config import AUGMENTS, STUDENTS, DistillConfig, parse_seeds
from mcukd.distillation.methods import METHODS
from mcukd.text import plural

DEFAULT_CARD = "herd-sim"
DEFAULTS = DistillConfig()
AUGMENT_HELP = "Disturbances to train against: " + ", ".join(AUGMENTS) + "; with commas, or all."
RUN_HELP = (
    "Study directory. Default: runs/CARD, or runs/CARD-2 … where that holds a study with other options."
)


_WHAT, _MODELS, _METHOD = "Data and evaluation", "Models and their training", "How the student learns"
_SEARCH, _MACHINE = "Search of the classifier", "Machine"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(distill)


def _option(text: str, default: object, panel: str) -> Any:
    """Return an option that is None unless given, so that an existing study's own options can stand."""
    return typer.Option(help=f"{text} Default: {default}.", show_default=False, rich_help_panel=panel)


def distill(
    data: Annotated[
        Optional[str],
        _option("Dataset card: the name of a bundled one or a .toml file.", DEFAULT_CARD, _WHAT),
    ] = None,
    data_root: DataRootOption = None,
    split: Annotated[
        Optional[str],
        _option(
            '"loao", "k-fold-by-animal", "animals=K", "holdout", "holdout=ID,ID" or "official".',
            f"{DEFAULTS.split}; holdout without --data",
            _WHAT,
        ),
    ] = None,
    seeds: Annotated[
        Optional[str],
        _option("Seeds of the evaluation: how many, or a list such as 3,5.", len(DEFAULTS.seeds), _WHAT),
    ] = None,
    seed: Annotated[Optional[int], _option("Seed of the shipped models.", DEFAULTS.seed, _WHAT)] = None,
    epochs: Annotated[
        Optional[int],
        _option("Passes over the data for each student.", "what suits structure and window", _MODELS),
    ] = None,
    learning_rate: Annotated[
        Optional[float],
        _option("Highest learning rate of the students.", "what suits structure and window", _MODELS),
    ] = None,
    teacher_epochs: Annotated[
        Optional[int], _option("Passes over the data for the teacher.", DEFAULTS.teacher_epochs, _MODELS)
    ] = None,
    teacher_width: Annotated[
        Optional[int],
        _option("Filters of the ResNet's first block; 64 is full size.", DEFAULTS.teacher_width, _MODELS),
    ] = None,
    gru_units: Annotated[
        Optional[int], _option("GRU units of the student.", DEFAULTS.gru_units, _MODELS)
    ] = None,
    dense_units: Annotated[
        Optional[int], _option("Units of the student's dense layer.", DEFAULTS.dense_units, _MODELS)
    ] = None,
    temperature: Annotated[
        Optional[float], _option("Softness of the soft labels.", "the method's usual", _METHOD)
    ] = None,
    mixing: Annotated[
        Optional[float], _option("Share of the soft labels in the loss, 0 to 1.", DEFAULTS.mixing, _METHOD)
    ] = None,
    mounting: Annotated[
        Optional[str],
        _option(
            'How the sensor sits on the animals: "aligned", "turned" or "any".', "what the card says", _WHAT
        ),
    ] = None,
    student: Annotated[
        Optional[str], _option(f"The student's structure: {', '.join(STUDENTS)}.", DEFAULTS.student, _MODELS)
    ] = None,
    method: Annotated[
        Optional[str], _option(f"How the student learns: {', '.join(METHODS)}.", DEFAULTS.method, _METHOD)
    ] = None,
    teacher: Annotated[
        Optional[str],
        _option("resnet, mobilenet, tsak, ensemble or committee.", "the method's usual one", _MODELS),
    ] = None,
    teacher_sensors: Annotated[
        Optional[str],
        _option(
            "What the teacher sees: accelerometer, or all channels the card has.",
            "the method's usual",
            _MODELS,
        ),
    ] = None,
    without: Annotated[
        Optional[str], _option("Parts of the method to leave out: stage,frequency,…", "none", _METHOD)
    ] = None,
    smoothing: Annotated[
        Optional[float],
        _option("Share of a hard label that is spread over all classes.", DEFAULTS.smoothing, _METHOD),
    ] = None,
    gate: Annotated[
        Optional[bool],
        typer.Option(
            "--gate/--no-gate",
            help="Believe the teacher only where it is right.",
            show_default=False,
            rich_help_panel=_METHOD,
        ),
    ] = None,
    frequency: Annotated[
        Optional[float], _option("Weight of the spectral term of smldist.", DEFAULTS.frequency, _METHOD)
    ] = None,
    choose_frequency: Annotated[
        Optional[bool],
        typer.Option(
            "--choose-frequency/--fixed-frequency",
            help="Choose that weight in each fold on inner animals: 0, a third, once or thrice --frequency.",
            show_default=False,
            rich_help_panel=_METHOD,
        ),
    ] = None,
    search: Annotated[
        Optional[bool],
        typer.Option(
            "--search/--no-search",
            help="Search the classifier of the student's embedding on inner animals; ship the best that "
            "deploys.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    search_trials: Annotated[
        Optional[int],
        _option("Classifiers that --search tries in each fold.", DEFAULTS.search_trials, _SEARCH),
    ] = None,
    choose_epochs: Annotated[
        Optional[bool],
        typer.Option(
            "--choose-epochs/--fixed-epochs",
            help="Choose the students' passes in each fold on inner animals: half, once or twice --epochs.",
            show_default=False,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    choose_teacher_epochs: Annotated[
        Optional[bool],
        typer.Option(
            "--choose-teacher-epochs/--fixed-teacher-epochs",
            help="Choose the teacher's passes likewise, among half, once or twice --teacher-epochs.",
            show_default=False,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    augment: Annotated[
        Optional[str],
        _option(AUGMENT_HELP, "none", _MODELS),
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Also train majority, random forest and filter-MLP on the same folds.")
    ] = True,
    jobs: Annotated[
        Optional[int], _option("Worker processes.", "one per core, one with a graphics card", _MACHINE)
    ] = None,
    device: Annotated[
        Optional[str],
        _option("What to train on: cpu, or a gpu that TensorFlow sees (untried).", DEFAULTS.device, _MACHINE),
    ] = None,
    run: Annotated[
        Optional[Path], typer.Option("--run", envvar="MCUKD_RUN", help=RUN_HELP, show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a teacher, distil it into a student, and score both on animals they never saw.

    A run that was stopped goes on where it was. With --run and without --data, an existing study is brought
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

    given: dict[str, Any] = {
        "split": split,
        "seeds": None if seeds is None else parse_seeds(seeds),
        "seed": seed,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "teacher_epochs": teacher_epochs,
        "teacher_width": teacher_width,
        "gru_units": gru_units,
        "dense_units": dense_units,
        "mounting": mounting,
        "temperature": temperature,
        "mixing": mixing,
        "student": student,
        "choose_epochs": choose_epochs,
        "choose_teacher_epochs": choose_teacher_epochs,
        "augment": augment,
        "method": method,
        "teacher": teacher,
        "teacher_sensors": teacher_sensors,
        "without": without,
        "smoothing": smoothing,
        "gate": gate,
        "frequency": frequency,
        "choose_frequency": choose_frequency,
        "search": search,
        "search_trials": search_trials,
        "jobs": jobs,
        "device": device,
    }
    # Who names no data wants an answer in minutes; leaving each simulated animal out in turn takes an hour.
    known = DistillConfig() if data else DistillConfig(split="holdout")
    if data is None and run is not None and (run / MANIFEST).exists():
        earlier = Study.open(run)
        data, known = earlier.card, DistillConfig.of(earlier.options("distill"))
    config = replace(known, **{name: value for name, value in given.items() if value is not None})
    card = load_card(data or DEFAULT_CARD)
    config = for_card(config, card)
    path = run or free_run(card.name, config)
    root = data_root
    if root is None and (path / MANIFEST).exists():
        root = Study.open(path).data_root(None)
    # Missing data or hardware is reported before a study is begun.
    dataset_sha256(card, root, config.seed)
    require_device(config.device)
    if mounting is None and (hint := never_compared(card)):
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


def _print(metrics: dict[str, Any], path: Path, simulated: bool, config: DistillConfig) -> None:
    from mcukd.report.table import short_rows
    from mcukd.report.verdict import sentences

    sizes = {"parameters": "parameters", "macs_per_window": "MACs/window"}
    columns, rows = short_rows(metrics["models"], sizes)
    origin = "SIMULATED data" if simulated else "data"
    print_table(
        f"{origin} {metrics['data']}, {config.split}, {plural(len(config.seeds), 'seed')}: "
        "scores on unseen animals",
        columns,
        rows,
    )
    for sentence in sentences(metrics):
        typer.echo(sentence)
    typer.echo(f"{path}: the shipped teacher and student were trained on all animals.")
