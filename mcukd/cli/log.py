"""Commands `mcukd log decode`, `read` and `time`: what a tag remembers, and its time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import (
    ClassesOption,
    JsonOption,
    StudyOption,
    names_and_model,
    print_json,
    print_table,
)
from mcukd.text import plural

if TYPE_CHECKING:
    from mcukd.tag.log import Log

PortOption = Annotated[
    str,
    typer.Option(
        "--port", envvar="MCUKD_PORT", help="Serial port of the tag: /dev/tty…, COM…, socket://host:port."
    ),
]
BaudOption = Annotated[int, typer.Option("--baud", min=1, help="Baud rate, as in the board file.")]


def register(app: typer.Typer) -> None:
    """Add the group `log`."""
    group = typer.Typer(
        help="What a tag remembers: the log in its flash, and its time.", no_args_is_help=True
    )
    group.command("decode")(decode)
    group.command("read")(read)
    group.command("time")(tell_time)
    app.add_typer(group, name="log")


def decode(
    dump: Annotated[
        Path,
        typer.Argument(
            help="Bytes of the tag's flash: the log's pages, or all of it. Or a file of 'mcukd fetch'.",
            metavar="DUMP",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the records as CSV.", show_default=False)
    ] = None,
    classes: ClassesOption = None,
    run: StudyOption = None,
    json: JsonOption = False,
) -> None:
    """Decode a dump of a tag's flash, or a fetched log, to a table of records, and tell what is damaged.

    docs/tag.md lists the records. Times are UTC where the tag's clock was set; others are marked.

    Example: [bold]mcukd log decode dump.bin --classes grazing,resting,walking --out records.csv[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.tag.fetched import is_fetched, read_fetched

    names = names_and_model(classes, run)
    try:
        content = dump.read_bytes()
    except OSError as error:
        raise UserError(
            f"{dump}: cannot be read ({error.strerror}); a file with the bytes of a tag's flash is expected."
        ) from None
    if is_fetched(content):
        content = read_fetched(dump).dump()
    _tell(content, str(dump), out, *names, json)


def read(
    port: PortOption,
    out: Annotated[Path, typer.Option("--out", help="File for the bytes of the log's flash.")],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the records as CSV too.", show_default=False)
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Tell the tag that what was read is kept.")
    ] = False,
    baud: BaudOption = 115_200,
    classes: ClassesOption = None,
    run: StudyOption = None,
    json: JsonOption = False,
) -> None:
    """Read a tag's log over its serial line, and decode it.

    An earlier dump is not overwritten.

    Example: [bold]mcukd log read --port /dev/ttyACM0 --out dump.bin --classes grazing,resting,walking[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.files import write_bytes
    from mcukd.harness.protocol import open_device
    from mcukd.harness.tag_log import confirm as confirm_records
    from mcukd.harness.tag_log import read_log_flash
    from mcukd.tag.log import read_log

    names = names_and_model(classes, run)
    if out.exists():
        raise UserError(
            f"{out} exists and may be a dump that the tag no longer holds; give --out another name."
        )
    with open_device(port, baud) as device:
        content = read_log_flash(device)
        write_bytes(out, content)
        _tell(content, str(out), csv, *names, json)
        if confirm:
            found = read_log(content, str(out)).records
            newest = found[-1].record.sequence if found else -1
            kept = confirm_records(device, newest + 1)
            typer.echo(f"The tag knows that its records below {kept} are kept.", err=True)


def tell_time(
    port: PortOption,
    set_it: Annotated[
        bool, typer.Option("--set", help="Set the tag's time of day to this computer's (UTC).")
    ] = False,
    baud: BaudOption = 115_200,
    json: JsonOption = False,
) -> None:
    """Tell a tag's time and how its log stands; with --set, set the time first.

    Example: [bold]mcukd log time --port /dev/ttyACM0 --set[/bold]
    """
    from mcukd.harness.protocol import open_device
    from mcukd.harness.tag_log import read_time, set_time
    from mcukd.tag.log_table import iso

    with open_device(port, baud) as device:
        found = set_time(device) if set_it else read_time(device)
    if json:
        print_json(vars(found))
        return
    utc = iso(found.utc) if found.trusted else f"{iso(found.utc)}, not trusted" if found.utc else "not set"
    typer.echo(f"The tag's clock: {found.seconds:,.3f} s; UTC: {utc}.")
    typer.echo(
        f"Its log: {plural(found.records, 'record')} since it began; since this start the flash did not take "
        f"{plural(found.records_lost, 'record')}, and {plural(found.flash_failures, 'word')} or pages failed."
    )


def _tell(
    content: bytes,
    name: str,
    csv: Path | None,
    names: list[str] | None,
    model: str | None,
    json: bool,
) -> None:
    """Print or write the records of a dump. names, model: as `names_and_model` gives them."""
    from mcukd.tag.log import read_log
    from mcukd.tag.log_table import rows_of

    log = read_log(content, name)
    remarks = [] if model is None else other_models(log, model)
    rows = rows_of(log, names)
    if csv is not None:
        write_csv(csv, rows)
    if json:
        print_json(
            {
                "dump": name,
                "records": rows,
                "pages": [vars(page) for page in log.pages],
                "damage": log.damage,
                "remarks": remarks,
            }
        )
        return
    if csv is None:
        shown = [
            [str(row["sequence"]), f"{row['seconds']:,} s", _when(row), row["record"], row["what"]]
            for row in rows
        ]
        print_table(name, ["no.", "tag's clock", "UTC", "record", "what"], shown, left=5)
    used, worn = plural(len(log.pages), "page"), plural(max(page.erases for page in log.pages), "time")
    typer.echo(f"{plural(len(rows), 'record')} on {used}; no page was erased more than {worn}.")
    for sentence in (*remarks, *(f"Damage: {each}" for each in log.damage)):
        typer.echo(sentence)
    if csv is not None:
        typer.echo(f"{csv}: written.")


def _when(row: dict[str, Any]) -> str:
    if row["utc"] is None:
        return "not set"
    return str(row["utc"]) if row["utc_trusted"] else f"{row['utc']} or later"


def other_models(log: Log, model_sha256: str) -> list[str]:
    """Return a remark for each model that the tag ran and whose classes the names do not belong to."""
    from mcukd.tag.records import BOOT, field

    ours = int(model_sha256[:8], 16)
    others = {field(each.record, "model") for each in log.records if each.record.kind == BOOT} - {ours}
    return [
        f"The tag ran model {other:08x}, but that of the study is {ours:08x}: its classes may be others."
        for other in sorted(others)
    ]


def write_csv(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows of `rows_of` as CSV."""
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
