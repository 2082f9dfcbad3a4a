"""Commands `mcukd payload js`, `c` and `show`: decoder, packer and layout of what a tag sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcukd.cli.common import (
    ClassesOption,
    JsonOption,
    StudyOption,
    names_and_model,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from mcukd.payload.schema import Schema

SchemaOption = Annotated[
    str, typer.Option("--schema", help="Schema: a bundled one's name or a TOML file of your own.")
]
CountOption = Annotated[
    int | None,
    typer.Option("--count", min=1, help="Number of classes, where they have no names.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the group `payload`."""
    group = typer.Typer(help="What a tag sends: its layout, packer and decoder.", no_args_is_help=True)
    group.command("js")(write_javascript)
    group.command("c")(write_c)
    group.command("show")(show)
    app.add_typer(group, name="payload")


def write_javascript(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write. Default: standard output.", show_default=False),
    ] = None,
    schema: SchemaOption = "period",
    classes: ClassesOption = None,
    run: StudyOption = None,
) -> None:
    """Write the decoder for a network server: JavaScript with decodeUplink(input).

    The Things Stack and ChirpStack take it as it is. With --run it also warns of a tag that runs another
    model.

    Example: [bold]mcukd payload js --run runs/cow --out decoder.js[/bold]
    """
    from mcukd.codegen.payload import javascript
    from mcukd.files import write_text
    from mcukd.payload.schemas import load_schema

    names, model = names_and_model(classes, run)
    text = javascript(load_schema(schema), names, model)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    typer.echo(f"{out}: {len(text.encode()):,} bytes written.")


def write_c(
    out: Annotated[Path, typer.Option("--out", help="Folder for payload.h and payload.c.")],
    schema: SchemaOption = "period",
    classes: ClassesOption = None,
    run: StudyOption = None,
    count: CountOption = None,
) -> None:
    """Write the packer in C alone, for a project of your own.

    A board file whose \\[tag] names a payload adds it to the board's firmware.

    Example: [bold]mcukd payload c --count 5 --out packer[/bold]
    """
    from mcukd.codegen.payload import write_packer
    from mcukd.payload.layout import layout_of
    from mcukd.payload.schemas import load_schema

    found = load_schema(schema)
    names, _ = names_and_model(classes, run)
    for file in write_packer(layout_of(found, _count(found, names, count)), out):
        typer.echo(f"{file}: written.")


def show(
    schema: SchemaOption = "period",
    classes: ClassesOption = None,
    run: StudyOption = None,
    count: CountOption = None,
    json: JsonOption = False,
) -> None:
    """Show which bits of a payload carry what, the first bit of the first byte being 0.

    Example: [bold]mcukd payload show --classes grazing,resting,walking[/bold]
    """
    from mcukd.payload.layout import layout_of, layout_rows
    from mcukd.payload.schemas import load_schema

    found = load_schema(schema)
    names, _ = names_and_model(classes, run)
    layout = layout_of(found, _count(found, names, count))
    rows = layout_rows(layout, names)
    if json:
        print_json([dict(zip(("bits", "field", "meaning"), row)) for row in rows])
        return
    title = f"{found.title}: schema {found.name}, version {found.version}, {found.bytes} bytes"
    print_table(title, ["bits", "field", "meaning"], [list(row) for row in rows], left=3)


def _count(schema: Schema, names: list[str] | None, count: int | None) -> int:
    """Return the number of classes; UserError where nothing says it, or two options do."""
    from mcukd.errors import UserError

    if names is not None and count is not None:
        raise UserError("--count is there, but the classes have names; leave it out.")
    if names is not None:
        return len(names)
    if count is None and schema.classes is None:
        raise UserError("how many classes the model has is not said; give --classes, --run or --count.")
    return count if count is not None else len(schema.classes or ())
