"""Command `mcukd demo`: the whole pipeline on a simulated herd."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcukd.cli.common import JsonOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    run: Annotated[
        Path | None,
        typer.Option(envvar="MCUKD_RUN", help="Study directory. Default: runs/demo.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated herd and of the training.")] = 0,
    windows: Annotated[
        int, typer.Option(min=1, help="Windows each image is proven on; its twin in QEMU on 20 of them.")
    ] = 2000,
    json: JsonOption = False,
) -> None:
    """Run the whole pipeline on a simulated herd, from samples to two proven images.

    The images that would be flashed run on modelled chips; their twins in QEMU are a second opinion.

    Example: [bold]mcukd demo[/bold]
    """
    from mcukd.harness.record import windows_wrong
    from mcukd.pipeline.demo import demo as run_demo
    from mcukd.report.table import board_rows, model_rows

    facts = run_demo(run, seed, windows, lambda text: typer.secho(f"→ {text}", err=True, bold=True))
    if json:
        print_json(
            {
                "run": str(facts.study.path),
                "validations": facts.validations,
                "report": str(facts.report),
                "remarks": facts.remarks,
            }
        )
    else:
        print_table("Held-out animals of a simulated herd", *model_rows(facts.study))
        print_table("Boards", *board_rows(facts.study))
        for remark in facts.remarks:
            typer.echo(remark)
        typer.echo(f"Report: {facts.report}")
    if any(windows_wrong(proof) for proof in facts.validations.values()):
        raise typer.Exit(1)
