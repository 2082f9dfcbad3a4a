"""`mcukd report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from mcukd.cli.common import JsonOption, RunOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: RunOption = None,
    out: Annotated[
        Optional[Path],
        typer.Option(help="Write the page there. Default: report.html in the study.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page with all that a study proved.

    Refuses a study with stale artefacts and says which command refreshes them.
    Example: [bold]mcukd report --run runs/demo --out demo.html[/bold]
    """
    from mcukd.report.evidence import gather
    from mcukd.report.stage import report_study
    from mcukd.report.table import summary
    from mcukd.study import Study

    study = Study.open(run)
    path = report_study(study, out)
    if json:
        print_json({"report": str(path), **summary(gather(study))})
    else:
        typer.echo(f"Report: {path}")
