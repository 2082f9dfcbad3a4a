"""Command `mcukd report`: the page of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcukd.cli.common import JsonOption, RunOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: RunOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the page there. Default: report.html in the study.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page with all that a study proved, and print its verdict.

    The verdict says for which behaviours the tag may be trusted and for which not. A study with stale
    artefacts is refused, with all the commands that bring it up to date.

    Example: [bold]mcukd report --run runs/demo --out demo.html[/bold]
    """
    from mcukd.pipeline.report import report_study
    from mcukd.report.evidence import gather
    from mcukd.report.table import summary, verdict_lines
    from mcukd.study import Study

    study = Study.open(run)
    path = report_study(study, out)
    evidence = gather(study)
    if json:
        print_json({"report": str(path), **summary(evidence)})
        return
    for line in verdict_lines(evidence):
        typer.echo(line)
    typer.echo(f"Report: {path}")
