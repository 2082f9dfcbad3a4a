"""Group `mcukd tag` and its command `status`: who a tag is and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mcukd.cli.common import JsonOption, StudyOption, names_and_model, print_json, print_table
from mcukd.cli.tag_line import BaudOption, EmulateOption, PortOption, tag_line
from mcukd.cli.tag_watch import watch
from mcukd.text import plural

if TYPE_CHECKING:
    from mcukd.harness.messages import Identity


def register(app: typer.Typer) -> None:
    """Add the group `tag`."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(_group)
    group.command("status")(status)
    group.command("watch")(watch)
    app.add_typer(group, name="tag")


def _group() -> None:
    """A tag on its serial line: who it is, how it stands, and what it finds."""


def status(
    context: typer.Context,
    port: PortOption = None,
    emulate: EmulateOption = None,
    baud: BaudOption = 115_200,
    run: StudyOption = None,
    json: JsonOption = False,
) -> None:
    """Tell who a tag is and how it stands: firmware, model, time, log, sensor.

    Example: [bold]mcukd tag status --port /dev/ttyACM0[/bold]
    """
    from mcukd.harness.provisioning import read_provision
    from mcukd.harness.tag_log import read_status, read_time

    names, model = names_and_model(None, run)
    with tag_line(context, port, emulate, baud, run) as device:
        who, time, found = device.who(), read_time(device), read_status(device)
        told = read_provision(device)
    if json:
        facts = {"board": who.board, "firmware_sha256": who.firmware_sha256, "model_sha256": who.model_sha256}
        name = {"id": told.provision.id or None, "provisioned": told.generation}
        print_json({**name, **facts, "time": vars(time), **vars(found)})
        return
    from mcukd.tag.log_table import iso
    from mcukd.tag.records import EVENTS

    utc = iso(time.utc) if time.trusted else f"{iso(time.utc)}, not trusted" if time.utc else "not set"
    kept = time.records - found.oldest_sequence if found.newest_page else 0
    pages = found.newest_page - found.oldest_page + 1 if found.newest_page else 0
    sensor = {
        "none": "this firmware reads none",
        "sought": f"not found, or failed, {plural(found.sensor_failures, 'time')} in a row"
        if found.sensor_failures
        else "is looked for",
        "samples": "gives samples" if not found.sensor_failures else "fails at present",
    }.get(found.sensor, found.sensor)
    rows = [
        ["id", told.provision.id or ("none" if told.generation else "never provisioned")],
        ["chip", found.chip or "has no number"],
        ["board", who.board],
        ["firmware", who.firmware_sha256[:16]],
        ["model", who.model_sha256[:16]],
        ["start", f"{found.starts:,}, reset cause {found.reset_cause:#x}, at {found.started:,} s"],
        ["tag's clock", f"{time.seconds:,.1f} s"],
        ["UTC", str(utc)],
        ["log", f"{plural(kept, 'record')} on {pages} of {plural(found.log_pages, 'page')}"],
        ["confirmed", f"records below {found.confirmed:,}"],
        [
            "not taken by the flash",
            f"{plural(time.records_lost, 'record')}, {time.flash_failures:,} words or pages",
        ],
        ["latest class", _class_text(found.latest_class, who, names, model)],
        ["sensor", sensor],
        ["battery", "not measured" if found.battery_mv is None else f"{found.battery_mv:,} mV"],
        [
            "last event",
            "none since the start" if found.event is None else EVENTS.get(found.event, f"code {found.event}"),
        ],
    ]
    print_table("Tag", ["", ""], rows, left=2)


def _class_text(latest: int | None, who: Identity, names: list[str] | None, model: str | None) -> str:
    """Return a class for people; by its name where the names are those of the tag's model."""
    from mcukd.tag.log_table import UNKNOWN

    if latest is None:
        return "none yet"
    if latest == who.classes:
        return UNKNOWN
    if names is None:
        return str(latest)
    return names[latest] if model == who.model_sha256 else f"{latest} (--run has another model than the tag)"
