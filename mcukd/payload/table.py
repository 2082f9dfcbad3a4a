"""Received payloads as rows of a table, with what is lost, repeated, refused and doubtful."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mcukd.errors import UserError
from mcukd.payload.coding import Payload, check_names, decode, model_remark
from mcukd.payload.reception import Reception, reception_text
from mcukd.payload.schema import CLASSES_BITS, Schema
from mcukd.payload.text import payload_bytes
from mcukd.radio.frames import Frames


@dataclass
class Received:
    """Payloads of one tag. rows: of those that could be read, numbered as they were given, from 1.

    refused: a sentence for each of the others. remarks: what is doubtful, each sentence once.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_payloads(
    texts: Sequence[tuple[str, str]],
    schemas: Sequence[Schema],
    classes: Sequence[str] | None = None,
    model_sha256: str | None = None,
    frames: Frames | None = None,
) -> Received:
    """Decode payloads in the order in which they were received.

    texts: hexadecimal or base64, each with where it stands. schemas: of which the payload's version chooses
    one. classes: names in the model's order; without, those of the schema, or numbers. model_sha256: of the
    model with these classes. frames: what the payloads came in, which says of which tag each is.
    Raises UserError where none can be read.
    """
    names = check_names(classes) if classes is not None else None
    received = Received()
    receptions: defaultdict[str, Reception] = defaultdict(Reception)
    for number, (text, where) in enumerate(texts, 1):
        try:
            tag, raw = _payload(text, schemas, where, frames)
            schema = schema_of(raw, schemas)
            named = names or schema.classes
            payload = _decode(raw, schema, named, where)
        except UserError as error:
            received.refused.append(str(error))
            continue
        remark = model_remark(payload, model_sha256)
        if remark is not None and remark not in received.remarks:
            received.remarks.append(remark)
        kind, lost = receptions[tag].next(raw, payload)
        received.rows.append(
            {
                "number": number,
                **({"tag": tag} if frames is not None else {}),
                "payload": raw.hex(),
                **payload.data(named),
                "reception": kind,
                "lost_before": lost,
            }
        )
    if not received.rows:
        raise UserError(received.refused[0])
    return received


def _payload(text: str, schemas: Sequence[Schema], where: str, frames: Frames | None) -> tuple[str, bytes]:
    """Return the tag, empty where no frame names it, and the payload."""
    extra = frames.extra if frames is not None else 0
    raw = payload_bytes(text, {schema.bytes + extra for schema in schemas}, where)
    if frames is None:
        return "", raw
    try:
        return frames.split(raw)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def schema_of(payload: bytes, schemas: Sequence[Schema]) -> Schema:
    """Return the schema of a payload's version; the last one where none has it, which then refuses it."""
    version = payload[0] >> CLASSES_BITS
    return next((each for each in schemas if each.version == version), schemas[-1])


def _decode(raw: bytes, schema: Schema, names: Sequence[str] | None, where: str) -> Payload:
    try:
        return decode(raw, schema, names)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `Received` with a column `results_<class>` for each count."""
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if name == "results":
            columns.update({f"results_{each}": count for each, count in value.items()})
        else:
            columns[name] = value
    return columns


def shown(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of rows for the terminal."""
    tag = ["tag"] if "tag" in rows[0] else []
    flags = [name for name, value in rows[0].items() if isinstance(value, bool)]
    told = {
        "number",
        "tag",
        "payload",
        "schema",
        "version",
        "results",
        "results_step",
        "reception",
        "lost_before",
    }
    left_out = {*told, *flags}
    values = [name for name in rows[0] if name not in left_out]
    names = list(dict.fromkeys(name for row in rows for name in row["results"]))
    cells = [
        [
            str(row["number"]),
            *(row[name] for name in tag),
            ", ".join(name.replace("_", " ") for name in flags if row.get(name)),
            reception_text(row["reception"], row["lost_before"]),
            *(_cell(row.get(name)) for name in values),
            *(_cell(row["results"].get(name)) for name in names),
            _cell(row["results_step"]),
        ]
        for row in rows
    ]
    headings = [
        "no.",
        *tag,
        "flags",
        "reception",
        *(name.replace("_", " ") for name in values),
        *names,
        "step",
    ]
    return headings, cells


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
