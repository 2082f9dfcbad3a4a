"""`mcukd distill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table

if TYPE_CHECKING:
    from mcukd.distill.config import DistillConfig

DEFAULT_CARD = "herd-sim"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(distill)


def distill(
    data: Annotated[
        Optional[str],
        typer.Option(
            help=f"Dataset card: a name or a .toml file.  [default: {DEFAULT_CARD}]", show_default=False
        ),
    ] = None,
    data_root: DataRootOption = None,
    split: Annotated[
        Optional[str],
        typer.Option(
            help='"loao", "holdout", "holdout=ID,ID" or "official".  [default: loao]', show_default=False
        ),
    ] = None,
    seeds: Annotated[
        Optional[str],
        typer.Option(
            help="Seeds of the evaluation: how many, or a list such as 3,5.  [default: 3]", show_default=False
        ),
    ] = None,
    seed: Annotated[
        Optional[int], typer.Option(help="Seed of the shipped models.  [default: 0]", show_default=False)
    ] = None,
    epochs: Annotated[
        Optional[int], typer.Option(help="Passes over the data for the students.", show_default=False)
    ] = None,
    teacher_epochs: Annotated[
        Optional[int], typer.Option(help="Passes over the data for the teacher.", show_default=False)
    ] = None,
    teacher_width: Annotated[
        Optional[int],
        typer.Option(help="Filters of the ResNet's first block; 64 is full size.", show_default=False),
    ] = None,
    gru_units: Annotated[
        Optional[int], typer.Option(help="GRU units of the student.", show_default=False)
    ] = None,
    dense_units: Annotated[
        Optional[int], typer.Option(help="Units of the student's dense layer.", show_default=False)
    ] = None,
    temperature: Annotated[
        Optional[float], typer.Option(help="Softness of the soft labels.", show_default=False)
    ] = None,
    mixing: Annotated[
        Optional[float],
        typer.Option(help="Share of the soft labels in the loss, 0 to 1.", show_default=False),
    ] = None,
    mounting: Annotated[
        Optional[str],
        typer.Option(
            help='How the sensor sits on the animals: "aligned", "turned", "any".  [default: the card\'s]',
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        Optional[int], typer.Option(help="Worker processes. Default: one per core.", show_default=False)
    ] = None,
    run: RunOption = None,
    json: JsonOption = False,
) -> None:
    """Train a teacher, distil it into a student, and score both on animals they never saw.

    A run that was stopped goes on where it was. Without --run, results go to runs/CARD, or to runs/CARD-2 …
    where that holds a finished study made with other options. With --run and without --data, an existing
    study is brought up to date with the options it was made with.

    Example: [bold]mcukd distill --data cow-collar --split loao[/bold]
    """
    from mcukd.data.card import load_card
    from mcukd.data.load import dataset_sha256
    from mcukd.distill.config import DistillConfig, parse_seeds
    from mcukd.distill.run import distill as distill_study
    from mcukd.distill.run import for_card, free_run, is_up_to_date
    from mcukd.study import MANIFEST, Study

    given: dict[str, Any] = {
        "split": split,
        "seeds": None if seeds is None else parse_seeds(seeds),
        "seed": seed,
        "epochs": epochs,
        "teacher_epochs": teacher_epochs,
        "teacher_width": teacher_width,
        "gru_units": gru_units,
        "dense_units": dense_units,
        "mounting": mounting,
        "temperature": temperature,
        "mixing": mixing,
        "jobs": jobs,
    }
    known: dict[str, Any] = {}
    if data is None and run is not None and (run / MANIFEST).exists():
        earlier = Study.open(run)
        data, known = earlier.card, earlier.options("distill")
    config = DistillConfig.of(
        {**known, **{name: value for name, value in given.items() if value is not None}}
    )
    card = load_card(data or DEFAULT_CARD)
    config = for_card(config, card)
    path = run or free_run(card.name, config)
    root = data_root
    if root is None and (path / MANIFEST).exists():
        root = Study.open(path).data_root(None)
    dataset_sha256(card, root, config.seed)  # missing data is reported before a study is begun
    study = Study.create(path, card.reference, config.seed)
    root = study.data_root(root)
    fresh = is_up_to_date(study, card, root, config)
    metrics = distill_study(study, card, root, config)
    if json:
        print_json({"run": str(study.path), "ran": not fresh, "metrics": metrics})
        return
    if fresh:
        typer.echo(f"{study.path}: already distilled so; nothing to do.")
    _print(metrics, study.path, card.simulated, config)


def _print(metrics: dict[str, Any], path: Path, simulated: bool, config: DistillConfig) -> None:
    rows = []
    for name in ("teacher", "student", "student_distilled"):
        model = metrics["models"][name]
        spread = f" ± {model['mcc_sd']:.3f}" if model["mcc_sd"] is not None else ""
        rows.append(
            [
                name,
                f"{model['mcc']:.3f}{spread}",
                f"{model['accuracy']:.3f}",
                f"{model['macro_f1']:.3f}",
                f"{model['parameters']:,}",
                f"{model['macs_per_window']:,}",
            ]
        )
    origin = "SIMULATED data" if simulated else "data"
    print_table(
        f"{origin} {metrics['data']}, {config.split}, {len(config.seeds)} seed(s): scores on unseen animals",
        ["model", "MCC", "accuracy", "macro-F1", "parameters", "MACs/window"],
        rows,
    )
    typer.echo(f"{path}: the shipped teacher and student were trained on all animals.")
