"""Command `mcukd fetch`: a tag's log into a file, over its serial line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import ClassesOption, JsonOption, StudyOption, print_json
from mcukd.cli.tag_line import BaudOption, EmulateOption, PortOption, tag_line
from mcukd.text import plural


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fetch)


def fetch(
    context: typer.Context,
    port: PortOption = None,
    emulate: EmulateOption = None,
    out: Annotated[
        Path, typer.Option("--out", help="File of the log; one of an earlier fetch is continued.")
    ] = Path("tag.log"),
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write all records of the file as CSV.", show_default=False),
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Tell the tag that the records of the file are kept.")
    ] = False,
    after_gap: Annotated[
        bool,
        typer.Option("--after-gap", help="Go on where the tag has overwritten the file's newest page."),
    ] = False,
    baud: BaudOption = 115_200,
    classes: ClassesOption = None,
    run: StudyOption = None,
    json: JsonOption = False,
) -> None:
    """Read what a tag's log holds over its serial line, into a file that each fetch continues.

    A line that ends early loses nothing: what was read is in the file, and the next fetch goes on from there.
    A file holds the log of one tag; another tag's is refused. 'mcukd log decode FILE' shows the records.

    Example: [bold]mcukd fetch --port /dev/ttyACM0 --out cow-17.log --confirm[/bold]
    """
    from mcukd.cli.common import names_and_model
    from mcukd.cli.log import other_models, write_csv
    from mcukd.harness.fetch import fetch as fetch_log
    from mcukd.harness.tag_log import confirm as confirm_records
    from mcukd.tag.log_table import rows_of

    # With --emulate the study is that of the image, whatever names its classes.
    names, model = names_and_model(classes, None if emulate and classes else run)
    with tag_line(context, port, emulate, baud, run) as device:
        done = fetch_log(device, out, after_gap)
        records = done.log.records
        last = records[-1].record.sequence if records else -1
        confirmed = confirm_records(device, last + 1) if confirm and records else done.status.confirmed
        sent, received, retries = device.link.bytes_sent, device.link.bytes_received, device.retries
    if csv is not None:
        write_csv(csv, rows_of(done.log, names))
    remarks = [] if model is None else other_models(done.log, model)
    facts: dict[str, Any] = {
        "file": out,
        "chip": done.file.owner.chip,
        "records": len(records),
        "new_records": done.new_records,
        "first_sequence": records[0].record.sequence if records else None,
        "last_sequence": last if records else None,
        "confirmed_below": confirmed,
        "damage": done.log.damage,
        "remarks": remarks,
        "cut_bytes": done.cut,
        "bytes_of_new_words": 4 * done.words,
        "bytes_sent": sent,
        "bytes_received": received,
        "retries": retries,
        "seconds": round(done.seconds, 3),
    }
    if json:
        print_json(facts)
        return
    where = f", sequence {facts['first_sequence']:,} to {last:,}" if records else ""
    typer.echo(f"{out}: {plural(len(records), 'record')}{where}; {done.new_records:,} of them are new.")
    typer.echo(
        f"{4 * done.words:,} bytes of the log in {done.seconds:.1f} s: {received:,} received, {sent:,} sent, "
        f"{plural(retries, 'request')} repeated."
    )
    if done.cut:
        typer.echo(f"{done.cut:,} bytes at the file's end, of an entry that was not finished, were replaced.")
    for sentence in (*remarks, *(f"Damage: {each}" for each in done.log.damage)):
        typer.echo(sentence)
    if confirm:
        typer.echo(f"The tag knows that its records below {confirmed:,} are kept.", err=True)
