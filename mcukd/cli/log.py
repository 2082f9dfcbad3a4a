"""Command `mcukd log decode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mcukd.cli.common import JsonOption, print_json, print_table
from mcukd.text import plural

if TYPE_CHECKING:
    from mcukd.tag.log import Log


def register(app: typer.Typer) -> None:
    """Add the group `log`."""
    group = typer.Typer(help="What a tag remembers: the log in its flash.", no_args_is_help=True)
    # A group of one command needs a callback to stay a group.
    group.callback()(_log)
    group.command("decode")(decode)
    app.add_typer(group, name="log")


def _log() -> None:
    """Read the log of a tag.

    Example: [bold]mcukd log decode dump.bin[/bold]
    """


def decode(
    dump: Annotated[
        Path,
        typer.Argument(help="Bytes of the tag's flash: the log's pages, or all of it.", metavar="DUMP"),
    ],
    out: Annotated[
        Optional[Path], typer.Option("--out", help="Write the records as CSV.", show_default=False)
    ] = None,
    classes: Annotated[
        Optional[str],
        typer.Option(metavar="A,B,…", help="Names of the classes, in the model's order.", show_default=False),
    ] = None,
    run: Annotated[
        Optional[Path],
        typer.Option(
            "--run", help="Study of the model on the tag, for the classes' names.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Decode a dump of a tag's flash to a table of records, and tell what is damaged.

    docs/tag.md lists the records. Times are UTC where the tag's clock was set; others are marked.

    Example: [bold]mcukd log decode dump.bin --classes grazing,resting,walking --out records.csv[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.tag.log import read_log
    from mcukd.tag.log_table import rows_of

    if classes is not None and run is not None:
        raise UserError("--classes and --run both name the classes; give one of them.")
    try:
        content = dump.read_bytes()
    except OSError as error:
        raise UserError(
            f"{dump}: cannot be read ({error.strerror}); a file with the bytes of a tag's flash is expected."
        ) from None
    log = read_log(content, str(dump))
    names = classes.split(",") if classes is not None else None
    remarks: list[str] = []
    if run is not None:
        names, remarks = _classes_of(run, log)
    rows = rows_of(log, names)
    if out is not None:
        _write_csv(out, rows)
    if json:
        print_json(
            {
                "dump": dump,
                "records": rows,
                "pages": [vars(page) for page in log.pages],
                "damage": log.damage,
                "remarks": remarks,
            }
        )
        return
    if out is None:
        shown = [
            [str(row["sequence"]), f"{row['seconds']:,} s", _when(row), row["record"], row["what"]]
            for row in rows
        ]
        print_table(str(dump), ["no.", "tag's clock", "UTC", "record", "what"], shown, left=5)
    used = plural(len(log.pages), "page")
    worn = max(page.erases for page in log.pages)
    typer.echo(
        f"{plural(len(rows), 'record')} on {used}; no page was erased more than {plural(worn, 'time')}."
    )
    for sentence in (*remarks, *(f"Damage: {each}" for each in log.damage)):
        typer.echo(sentence)
    if out is not None:
        typer.echo(f"{out}: written.")


def _when(row: dict[str, Any]) -> str:
    if row["utc"] is None:
        return "not set"
    return str(row["utc"]) if row["utc_trusted"] else f"{row['utc']} or later"


def _classes_of(run: Path, log: Log) -> tuple[list[str], list[str]]:
    """Return the classes of a study's model, and a remark where the tag ran another model."""
    from mcukd.fixedpoint.model import load_model
    from mcukd.study import Study
    from mcukd.tag.records import BOOT, field

    model = load_model(Study.open(run).path)
    ours = int(model.sha256[:8], 16)
    others = {field(each.record, "model") for each in log.records if each.record.kind == BOOT} - {ours}
    remarks = [
        f"The tag ran model {other:08x}, but that of {run} is {ours:08x}: its classes may be others."
        for other in sorted(others)
    ]
    return list(model.classes), remarks


def _write_csv(out: Path, rows: list[dict[str, Any]]) -> None:
    import csv
    import io

    from mcukd.files import write_text
    from mcukd.tag.log_table import COLUMNS

    text = io.StringIO()
    columns = list(rows[0]) if rows else list(COLUMNS)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, text.getvalue())
