"""Command `mcukd decode`: payloads of a tag as counts by class."""

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

if TYPE_CHECKING:
    from mcukd.radio.frames import Frames


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("decode")(decode)


def decode(
    payloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="PAYLOAD", help="Payloads in hexadecimal or base64.", show_default=False),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", help="File with a payload a line; - reads standard input.", show_default=False
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="Schema of the payloads: a bundled one's name or a TOML file. Default: a bundled one, "
            "chosen by the payload's version.",
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            help="What the payloads came in: lora (the tag's number before it), lorawan (uplinks, with "
            "--keys) or ble (PDUs of advertisements). Default: nothing, payloads of one tag.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help="Provisioning file of a tag that may have sent them, with its keys; may be repeated. For "
            "--frames lorawan.",
            show_default=False,
        ),
    ] = None,
    company: Annotated[
        str | None,
        typer.Option(
            help="Number of the company whose advertisements are decoded: radio.company of the board file. "
            "For --frames ble. Default: 0xFFFF, of none.",
            show_default=False,
        ),
    ] = None,
    classes: ClassesOption = None,
    run: StudyOption = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the payloads as CSV too.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Decode what a tag sent: counts by class, battery, flags, and which payloads are lost or repeated.

    Payloads are in the order in which they were received, of one tag or, with --frames, of several.
    docs/payload.md describes them, docs/radio.md the frames.

    Example: [bold]mcukd decode 13a1beba2057e4b30c8003 --classes grazing,resting,walking[/bold]
    """
    from mcukd.payload.schemas import bundled_schemas, load_schema
    from mcukd.payload.table import read_payloads, shown
    from mcukd.text import plural

    names, model = names_and_model(classes, run)
    schemas = bundled_schemas() if schema is None else [load_schema(schema)]
    kind = _frames(frames, keys or [], company)
    received = read_payloads(_texts(payloads or [], file), schemas, names, model, kind)
    if csv is not None:
        _write_csv(csv, received.rows)
    if json:
        print_json({"payloads": received.rows, "refused": received.refused, "remarks": received.remarks})
        return
    if csv is None:
        headings, cells = shown(received.rows)
        print_table("", headings, cells, left=3 if kind is None else 4)
    typer.echo(
        f"{plural(len(received.rows), 'payload')} decoded, {len(received.refused)} refused. "
        "Counts are exact where the step is 1, and otherwise within half a step."
    )
    for sentence in (*received.remarks, *(f"Refused: {each}" for each in received.refused)):
        typer.echo(sentence[0].upper() + sentence[1:])
    if csv is not None:
        typer.echo(f"{csv}: written.")


def _frames(name: str | None, keys: list[Path], company: str | None) -> Frames | None:
    """Return the kind of frames of a name.

    Raises UserError for a name that is none of theirs, without the keys it needs, and with what it does not.
    """
    from mcukd.errors import UserError
    from mcukd.radio.frames import BLE, FRAMES, LORAWAN, ble_frames
    from mcukd.text import did_you_mean, listed

    names = [*FRAMES, LORAWAN]
    if name is not None and name not in names:
        raise UserError(
            f"--frames is {name!r}{did_you_mean(name, names)}, but one of {listed(names)} is expected."
        )
    if (name == LORAWAN) != bool(keys):
        raise UserError("--keys and --frames lorawan are expected together.")
    if company is not None and name != BLE:
        raise UserError("--company is expected with --frames ble alone.")
    if name == LORAWAN:
        return _lorawan(keys)
    if name == BLE:
        return ble_frames(_company(company))
    return FRAMES[name] if name is not None else None


def _company(text: str | None) -> int:
    from mcukd.errors import UserError
    from mcukd.radio.ble import NO_COMPANY

    if text is None:
        return NO_COMPANY
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise UserError(
            f"--company is {text!r}, but a number from 0 to 65535, or 0x0000 to 0xFFFF, is expected."
        )
    return number


def _lorawan(keys: list[Path]) -> Frames:
    from mcukd.errors import UserError
    from mcukd.harness.provision_file import read_provision_file
    from mcukd.radio.frames import lorawan_frames
    from mcukd.tag.provision import Provision

    sessions = []
    for path in keys:
        session = read_provision_file(path, Provision()).session
        if session is None:
            raise UserError(f"{path}: a section [lorawan] with keys is expected.")
        sessions.append(session)
    return lorawan_frames(sessions)


def _texts(payloads: list[str], file: str | None) -> list[tuple[str, str]]:
    """Return the payloads' texts, each with where it stands."""
    import sys

    from mcukd.errors import UserError
    from mcukd.payload.text import texts_of_file

    texts = [(text, f"payload {number}") for number, text in enumerate(payloads, 1)]
    if file is not None:
        name = "standard input" if file == "-" else file
        try:
            content = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UserError(
                f"{name}: cannot be read ({error.strerror}); a text file with a payload a line is expected."
            ) from None
        except UnicodeDecodeError:
            raise UserError(
                f"{name}: is no text; a payload a line is expected, in hexadecimal or base64."
            ) from None
        texts += texts_of_file(content, name)
    if not texts:
        raise UserError("no payload is given; name one, or a file with --file (- for standard input).")
    return texts


def _write_csv(out: Path, rows: list[dict[str, Any]]) -> None:
    import csv
    import io

    from mcukd.files import write_text
    from mcukd.payload.table import flat

    flattened = [flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flattened for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flattened)
    write_text(out, text.getvalue())
