"""C packer and JavaScript decoder of a payload, rendered from its schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.codegen.templates import render_folders, render_template
from mcukd.errors import UserError
from mcukd.files import make_folder, write_text
from mcukd.fixedpoint.model import IntegerModel
from mcukd.payload.coding import check_names
from mcukd.payload.layout import Layout, layout_of, most_classes
from mcukd.payload.schema import CLASSES_BITS, VERSION_BITS, Schema
from mcukd.payload.schemas import load_schema
from mcukd.payload.sentences import SENTENCES
from mcukd.payload.sources import SOURCES

if TYPE_CHECKING:
    from mcukd.boards.model import Board

FOLDER = "payload"
#: The most that The Things Stack takes.
JAVASCRIPT_BYTES_MAX = 40_960


def payload_schema(board: Board) -> Schema | None:
    """Return the schema that a board file names in [tag]; None where it names none.

    Raises UserError as `load_schema`.
    """
    named = board.tag.payload if board.tag else None
    if named is None:
        return None
    beside = board.path.parent if board.path else Path()
    return load_schema(str(beside / named) if named.endswith(".toml") else named)


def payload_layout(board: Board, model: IntegerModel) -> Layout | None:
    """Return the payload of a board's firmware; None where its board file names none.

    Raises UserError where its schema names other classes than the model has, or has no room for them.
    """
    schema = payload_schema(board)
    if schema is None:
        return None
    if schema.classes is not None and schema.classes != tuple(model.classes):
        raise UserError(
            f"board {board.name}: the payload {schema.name!r} names the classes {', '.join(schema.classes)}, "
            f"but those of the model are {', '.join(model.classes)}; correct the schema, or leave its "
            "classes out."
        )
    return layout_of(schema, len(model.classes))


def packer_context(layout: Layout | None) -> dict[str, Any]:
    """Return what the templates of the packer print."""
    return {
        "payload": layout,
        "sources": tuple(SOURCES.values()),
        "version_bits": VERSION_BITS,
        "classes_bits": CLASSES_BITS,
    }


def write_packer(layout: Layout, out: Path) -> list[Path]:
    """Write the packer alone, `payload.h` and `payload.c`, into a folder; return both files."""
    texts = render_folders([FOLDER], packer_context(layout))
    make_folder(out)
    files = [out / "payload.h", out / "payload.c"]
    for file in files:
        write_text(file, texts[file.name])
    return files


def javascript(schema: Schema, classes: Sequence[str] | None = None, model_sha256: str | None = None) -> str:
    """Return a decoder in ECMAScript 5.1 with the function `decodeUplink(input)`.

    classes: names in the model's order; without, those of the schema, or numbers. model_sha256: of the model
    with these classes; payloads of another get a warning.
    Raises UserError for names that a decoder cannot use, and for a text that The Things Stack does not take.
    """
    names = check_names(classes) if classes is not None else schema.classes
    layout = layout_of(schema, 1 if names is None else len(names))
    context = {
        "facts": layout,
        "classes": names,
        "model": model_sha256,
        "most_classes": most_classes(schema),
        "sentences": SENTENCES,
        "version_bits": VERSION_BITS,
        "classes_bits": CLASSES_BITS,
        "json": json.dumps,
    }
    text = render_template("javascript/payload_decoder.js.j2", context)
    if len(text.encode()) > JAVASCRIPT_BYTES_MAX:
        raise UserError(
            f"the decoder of payload {schema.name!r} has {len(text.encode()):,} bytes, but The Things Stack "
            f"takes {JAVASCRIPT_BYTES_MAX:,}; give the classes shorter names."
        )
    return text
