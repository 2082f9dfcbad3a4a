"""Command `mcukd energy`: what a day costs a tag's battery, computed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mcukd.cli.common import JsonOption, OptimizeOption, RunOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(energy)


def energy(
    board: Annotated[
        str,
        typer.Option(envvar="MCUKD_BOARD", help=r"Board: collar, eartag, or a .toml file with \[energy]."),
    ],
    run: RunOption = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Virtual minutes for which the image runs on the modelled chip. Default: 5.",
            show_default=False,
        ),
    ] = None,
    awake_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the time for which the core is awake, 0 to 1, instead of that run.",
            show_default=False,
        ),
    ] = None,
    optimize: OptimizeOption = None,
    json: JsonOption = False,
) -> None:
    """Compute what a day costs a tag: mAh and J by contributor, battery life, and what would change them.

    Runs the image that would be flashed for some minutes on a model of the board's chip, counts what its core
    does, and multiplies it by the currents in the board file. Computed, never measured.

    Example: [bold]mcukd energy --board collar --run runs/demo[/bold]
    """
    from mcukd.boards.model import load_board
    from mcukd.pipeline.energy import energy_path, energy_study
    from mcukd.study import Study

    study = Study.open(run)
    target = load_board(board).with_optimize(optimize)
    record = energy_study(study, target, minutes, awake_share)
    if json:
        print_json(record)
        return
    _print(record)
    typer.echo(f"{energy_path(study, target.name)} has all of it.")


def _print(record: dict[str, Any]) -> None:
    from mcukd.energy.text import contributor_rows, input_rows, notes, sentences, setting_rows

    columns, rows = input_rows(record)
    print_table(
        f"Inputs of {record['board']}; three figures are low, typical and high", columns, rows, left=3
    )
    columns, rows = setting_rows(record)
    print_table("Other settings, each alone, computed (saved: mAh a day, typical)", columns, rows, left=2)
    for note in notes(record):
        typer.echo(note)
    columns, rows = contributor_rows(record)
    print_table(f"A day of {record['board']}, COMPUTED, never measured", columns, rows)
    typer.echo(f"Work: {record['work']['origin']}.")
    for sentence in sentences(record):
        typer.echo(sentence)
