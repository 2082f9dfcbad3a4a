"""Options and printing shared by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", envvar="MCUKD_RUN", help="Study directory. Default: runs/latest.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON on standard output.")]
OptimizeOption = Annotated[
    str | None,
    typer.Option(
        "--optimize",
        envvar="MCUKD_OPTIMIZE",
        help="Build for speed or size. Default: as the board file says.",
        show_default=False,
    ),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root", envvar="MCUKD_DATA", help="Folder that holds the data sets.", show_default=False
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://…",
        help="Address of a Dask scheduler whose workers do the work.",
        show_default=False,
    ),
]

ClassesOption = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Names of the classes, in the model's order.", show_default=False),
]
StudyOption = Annotated[
    Path | None,
    typer.Option("--run", help="Study of the model on the tag, for the classes' names.", show_default=False),
]


def port_given(context: typer.Context, port: str | None, emulates: bool) -> str | None:
    """Return the port, None where it is MCUKD_PORT's and this run asks for a model (`emulates`).

    That variable is set for the board on the desk. context: of the command.
    """
    source = context.get_parameter_source("port")
    return None if emulates and source is not None and source.name == "ENVIRONMENT" else port


def names_in(listed: str) -> tuple[str, ...]:
    """Return the names of a list with commas, without the blanks around them."""
    return tuple(name.strip() for name in listed.split(","))


def names_and_model(classes: str | None, run: Path | None) -> tuple[list[str] | None, str | None]:
    """Return the classes' names and the model's SHA-256, from what was given; None where nothing says them.

    Raises UserError where both options are given.
    """
    from mcukd.errors import UserError

    if classes is not None and run is not None:
        raise UserError("--classes and --run both name the classes; give one of them.")
    if classes is not None:
        return list(names_in(classes)), None
    if run is None:
        return None, None
    from mcukd.fixedpoint.model import load_model
    from mcukd.study import Study

    model = load_model(Study.open(run).path)
    return list(model.classes), model.sha256


def print_json(facts: Any) -> None:
    """Print facts as JSON on standard output, for scripts."""
    print(json.dumps(facts, indent=2, default=str))


#: A text column need not be wider than this for figures to stand beside it; longer texts take more lines.
_TEXT_WIDTH = 24


def print_table(title: str, columns: list[str], rows: list[list[str]], left: int = 1) -> None:
    """Print a table on standard output: the first `left` columns of text, the others of figures.

    A figure is never broken. Where the terminal is too narrow for all, the table goes on below with the
    figures that are left, beside the first column again.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False)  # names of classes and tags may have brackets and colons
    for number, shown in enumerate(_parts(columns, rows, left, console.width)):
        table = Table(title=None if number else title, title_justify="left", header_style="bold")
        table.show_header = any(columns)
        widths = _figure_widths(columns, rows, shown, left, console.width)
        for place in shown:
            justify: Literal["left", "right"] = "left" if place < left else "right"
            table.add_column(columns[place], justify=justify, overflow="fold", width=widths.get(place))
        for row in rows:
            table.add_row(*(row[place] for place in shown))
        console.print(table)


def _parts(columns: list[str], rows: list[list[str]], left: int, width: int) -> list[list[int]]:
    """Return the columns of each table that is printed, so that each fits the width if it can."""
    begin = list(range(min(left, len(columns))))
    parts = [begin]
    room = width - 1 - sum(3 + min(_width(columns, rows, place), _TEXT_WIDTH) for place in begin)
    for place in range(left, len(columns)):
        needed = 3 + _width(columns, rows, place)
        if needed > room and parts[-1] != begin[: len(parts[-1])]:
            parts.append(begin[:1])
            room = width - 1 - sum(3 + min(_width(columns, rows, p), _TEXT_WIDTH) for p in begin[:1])
        parts[-1] = [*parts[-1], place]
        room -= needed
    return parts


def _figure_widths(
    columns: list[str], rows: list[list[str]], shown: list[int], left: int, width: int
) -> dict[int, int]:
    """Return the widths of a table's columns of figures; the columns of text share what they leave.

    Each has its cells whole, and its heading in one line where the texts leave room for that.
    """
    from rich.cells import cell_len

    figures = [place for place in shown if place >= left]
    found = {place: min(_width(columns, rows, place), width // 2) for place in figures}
    room = width - 1 - 3 * len(shown) - sum(found.values())
    for place in shown:
        if place < left:
            room -= max(cell_len(text) for text in (columns[place], *(row[place] for row in rows)))
    for place in figures:
        more = min(max(cell_len(columns[place]) - found[place], 0), max(room, 0))
        found[place], room = found[place] + more, room - more
    return found


def _width(columns: list[str], rows: list[list[str]], place: int) -> int:
    """Return how wide a column is whose heading may be broken between words, and whose cells may not."""
    from rich.cells import cell_len

    words = (cell_len(word) for word in columns[place].split())
    return max([0, *words, *(cell_len(row[place]) for row in rows)])
