"""Command `mcukd sweep`: a grid of sizes, bits and methods on every fold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, SchedulerOption, print_json, print_table
from mcukd.errors import UserError
from mcukd.text import plural


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    grid: Annotated[Path, typer.Argument(help="TOML file with the grid (docs/reference/sweep.md).")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder of table, summary, figure and finished results.")
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Processes of this computer. Default: one per core.", show_default=False
        ),
    ] = None,
    scheduler: SchedulerOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Train and score folds × seeds × sizes × bits × methods; what was finished before is not done again.

    Example: [bold]mcukd sweep grid.toml --out sweeps/sizes[/bold]

    Example: [bold]mcukd sweep grid.toml --out shared/sizes --scheduler tcp://192.168.0.2:8786[/bold]
    """
    from mcukd.sweep.plan import make_plan, overview
    from mcukd.sweep.sweep import run_sweep

    if workers is not None and scheduler is not None:
        raise UserError("--workers and --scheduler exclude each other; a cluster has its own workers.")
    if dry_run:
        facts = overview(make_plan(grid, out, data_root))
        if json:
            print_json(facts)
            return
        typer.echo(
            f"{grid}: {plural(len(facts['points']), 'point')} × {plural(facts['folds'], 'fold')} × "
            f"{plural(len(facts['seeds']), 'seed')} = {plural(facts['runs'], 'run')}, {facts['runs_done']} "
            f"of them done; {plural(facts['jobs_left'], 'job')} left, trainings included"
        )
        return
    facts = run_sweep(grid, out, data_root, workers, scheduler)
    if json:
        print_json({"out": str(out), **facts})
    else:
        _print(facts, out)


def _print(facts: dict[str, Any], out: Path) -> None:
    from mcukd.text import between, figure, grouped, with_spread

    measured = facts["measured_on"] is not None
    origin = "SIMULATED data" if facts["simulated"] else "data"
    rows = [
        [
            point["name"],
            with_spread(point["mcc"], point["mcc_sd"]),
            between(point["mcc_interval"]),
            figure(point["accuracy"]),
            grouped(point["weight_bytes"]),
            *([grouped(point["flash_bytes"]), grouped(point["instructions"])] if measured else []),
        ]
        for point in sorted(facts["points"], key=lambda point: -point["mcc"])
    ]
    print_table(
        f"{origin} {facts['data']}, {facts['split']}: {plural(facts['runs'], 'run')} on "
        f"{plural(facts['folds'], 'fold')} and {plural(len(facts['seeds']), 'seed')}, "
        f"{plural(facts['ran'], 'job')} done now",
        ["point", "MCC", "95 %", "accuracy", "weight bytes", *(["flash", "instr."] if measured else [])],
        rows,
    )
    typer.echo(f"{out}: table.parquet, summary.json, pareto.png")
