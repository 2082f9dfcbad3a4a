"""Command `mcukd provision`: what a tag is told before it goes out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import JsonOption, print_json, print_table
from mcukd.cli.tag_line import BaudOption, EmulateOption, ImageOption, PortOption, tag_line
from mcukd.text import plural

if TYPE_CHECKING:
    from mcukd.harness.protocol import Device
    from mcukd.harness.provisioning import Told
    from mcukd.tag.provision import Provision

#: Fields by the names that --remove takes.
_NAMES = {
    "radio-id": "radio_id",
    "id": "id",
    "axes-map": "axes",
    "period": "period_s",
    "calibration": "calibration",
    "keys": "session",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(provision)


def provision(
    context: typer.Context,
    port: PortOption = None,
    emulate: EmulateOption = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="TOML file of what to tell; keys are told by file only.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="The tag's id, up to 16 bytes.", show_default=False)
    ] = None,
    axes_map: Annotated[
        str | None,
        typer.Option(
            "--axes-map", metavar="x=-y,y=x,z=z", help="The model's axes by the sensor's.", show_default=False
        ),
    ] = None,
    period: Annotated[
        int | None,
        typer.Option(
            "--period", min=1, help="Seconds of a period: of the counters and payloads.", show_default=False
        ),
    ] = None,
    radio_id: Annotated[
        int | None,
        typer.Option(
            "--radio-id", help="The tag's number on the air, 0 to 65535 (LoRa).", show_default=False
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Find offset and gain of the sensor's axes: you lay the tag on its six sides."
        ),
    ] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove", help="Forget id, axes-map, period, radio-id, calibration or keys.", show_default=False
        ),
    ] = None,
    baud: BaudOption = 115_200,
    run: ImageOption = None,
    json: JsonOption = False,
) -> None:
    """Tell a tag its id, axes, calibration, period and keys, or show what it was told.

    The tag uses new values at once. Those that are not named stay as they are, and flashing a firmware keeps
    all. Keys are never shown.

    Example: [bold]mcukd provision --port /dev/ttyACM0 --id cow-17 --period 1800[/bold]

    Example: [bold]mcukd provision --port /dev/ttyACM0 --calibrate[/bold]
    """
    from mcukd.harness.provisioning import read_provision, write_provision

    measured: dict[str, Any] = {}
    with tag_line(context, port, emulate, baud, run) as device:
        before = read_provision(device)
        wanted = _wanted(before.provision, file, name, axes_map, period, remove or [])
        keep = before.keys and wanted.session is None and "keys" not in (remove or [])
        if radio_id is not None:
            wanted = replace(wanted, radio_id=radio_id)
        if calibrate:
            wanted, measured = _calibrated(device, wanted)
        if any((file, name is not None, axes_map, period, radio_id is not None, remove, calibrate)):
            told = write_provision(device, wanted, before, keep)
        else:
            told = before
    if json:
        print_json({**_facts(told), **measured})
        return
    if told.generation == 0:
        typer.echo("The tag was never provisioned: it goes by its firmware.")
        return
    print_table(f"Told, {plural(told.generation, 'time')} so far", ["", ""], _rows(told), left=2)


def _wanted(
    before: Provision,
    file: Path | None,
    name: str | None,
    axes_map: str | None,
    period: int | None,
    remove: list[str],
) -> Provision:
    """Return what the tag is to be told; keys only where the file has some."""
    from mcukd.boards.sensor_driver import parse_axes
    from mcukd.errors import UserError
    from mcukd.harness.provision_file import given_id, read_provision_file
    from mcukd.tag.provision import Provision
    from mcukd.text import did_you_mean, listed

    wanted = before
    for each in remove:
        if each not in _NAMES:
            raise UserError(
                f"--remove is {each!r}{did_you_mean(each, _NAMES)}, but one of {listed(_NAMES)} is expected."
            )
        wanted = replace(wanted, **{_NAMES[each]: getattr(Provision(), _NAMES[each])})
    if file is not None:
        wanted = read_provision_file(file, wanted)
    if name is not None:
        wanted = replace(wanted, id=given_id(name, "--id"))
    if axes_map is not None:
        try:
            wanted = replace(wanted, axes=parse_axes(axes_map).axes)
        except ValueError as error:
            raise UserError(f"--axes-map is {axes_map!r}, but {error}.") from None
    return wanted if period is None else replace(wanted, period_s=period)


def _calibrated(device: Device, wanted: Provision) -> tuple[Provision, dict[str, Any]]:
    """Return what the tag is to be told with a calibration that is found now, and what was measured."""
    from mcukd.errors import UserError
    from mcukd.harness.calibrating import calibrate

    def turn(request: str) -> None:
        asked = f"{request}, then press Enter"
        try:
            typer.prompt(asked, default="", show_default=False, prompt_suffix=" ", err=True)
        except typer.Abort:
            if sys.stdin.isatty():
                raise
            raise UserError(
                "--calibrate asks somebody to turn the tag, but nobody answers; run it at a terminal."
            ) from None

    found, sides = calibrate(device, turn, lambda text: typer.echo(text, err=True))
    worst = max(abs(each) for each in found.residual_mg)
    typer.echo(
        f"Residual: {worst:.2f} mg at most on the six sides, {found.check_mg:+.1f} mg in the check position.",
        err=True,
    )
    facts = {
        "measured_g": {side: rest.mean.round(4).tolist() for side, rest in sides.items()},
        "residual_mg": dict(zip(sides, (round(each, 3) for each in found.residual_mg))),
        "check_mg": round(found.check_mg, 3),
    }
    return replace(wanted, calibration=found.calibration), facts


def _facts(told: Told) -> dict[str, Any]:
    from mcukd.boards.sensor_driver import AxesMap

    given = told.provision
    return {
        "generation": told.generation,
        "id": given.id or None,
        "axes_map": AxesMap(given.axes).text if given.axes else None,
        "calibration": vars(given.calibration) if given.calibration else None,
        "period_s": given.period_s or None,
        "radio_id": given.radio_id,
        "keys": told.keys,
        "device_address": f"{told.address:08x}" if told.address is not None else None,
    }


def _rows(told: Told) -> list[list[str]]:
    from mcukd.tag.provision import GAIN_ONE, OFFSET_ONE

    facts = _facts(told)
    calibration, given_id = told.provision.calibration, told.provision.radio_id
    shown = "none"
    if calibration is not None:
        offset = ", ".join(f"{value / OFFSET_ONE:.2f}" for value in calibration.offset)
        shown = f"offset {offset} counts, gain {', '.join(f'{v / GAIN_ONE:.4f}' for v in calibration.gain)}"
    return [
        ["id", facts["id"] or "none"],
        ["axes", facts["axes_map"] or "as in the board file"],
        ["calibration", shown],
        ["period", f"{facts['period_s']:,} s" if facts["period_s"] else "the firmware's"],
        ["number on the air", "as in the board file" if given_id is None else str(given_id)],
        ["LoRaWAN", f"device {facts['device_address']}, keys not shown" if told.keys else "no keys"],
    ]
