"""Command `mcukd ranges`: where the tensors of an integer model lie in their formats."""

from __future__ import annotations

from typing import Annotated

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ranges)


def ranges(
    run: RunOption = None,
    data_root: DataRootOption = None,
    figure: Annotated[
        str | None, typer.Option("--figure", help="Write the box plots to this SVG file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the range of every tensor, what saturates and for whom, and the errors of the integers.

    Example: [bold]mcukd ranges --figure ranges.svg[/bold]
    """
    from pathlib import Path

    from mcukd.errors import UserError
    from mcukd.files import write_text
    from mcukd.fixedpoint.ranges import sentences
    from mcukd.pipeline.ranges import ranges_study
    from mcukd.report.ranges_figure import ranges_figure
    from mcukd.report.tensors import in_computation_order
    from mcukd.study import Study
    from mcukd.text import number

    if figure is not None and Path(figure).is_dir():
        raise UserError(
            f"--figure {figure}: is a directory, expected the name of an SVG file; add one to it."
        )
    content, _ = ranges_study(Study.open(run), data_root)
    if figure is not None:
        drawn = ranges_figure(content["tensors"]) or ""
        # On a page the element needs no namespace, in a file of its own it does.
        write_text(Path(figure), drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    if json:
        print_json(content)
        return
    tensors = content["tensors"]
    rows = [
        [
            name,
            f"{number(one['minimum'])} … {number(one['maximum'])}",
            f"{number(one['low'])} … {number(one['high'])}",
            f"{one['saturated_share']:.3%}",
            number(one["rms_error"]),
            number(one["max_error"]),
        ]
        for name, one in ((name, tensors[name]) for name in in_computation_order(tensors))
    ]
    state = f", state {content['state']}" if "state" in content else ""
    print_table(
        f"Tensors on {content['windows']} windows{state}; errors against the float student",
        ["tensor", "seen", "representable", "clipped", "rms error", "largest error"],
        rows,
    )
    for sentence in sentences(content):
        typer.echo(sentence)
