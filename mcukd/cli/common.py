"""Options and printing shared by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

RunOption = Annotated[
    Optional[Path],
    typer.Option(
        "--run", envvar="MCUKD_RUN", help="Study directory. Default: runs/latest.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON on standard output.")]
OptimizeOption = Annotated[
    Optional[str],
    typer.Option(
        "--optimize",
        envvar="MCUKD_OPTIMIZE",
        help="Build for speed or size. Default: as the board file says.",
        show_default=False,
    ),
]
DataRootOption = Annotated[
    Optional[Path],
    typer.Option(
        "--data-root", envvar="MCUKD_DATA", help="Folder that holds the data sets.", show_default=False
    ),
]


def print_json(facts: Any) -> None:
    """Print facts as JSON on standard output, for scripts."""
    print(json.dumps(facts, indent=2, default=str))


def print_table(title: str, columns: list[str], rows: list[list[str]], left: int = 1) -> None:
    """Print a table on standard output: the first `left` columns of text, the others of figures."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        # A narrow terminal breaks a figure over two lines rather than hide its end.
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
