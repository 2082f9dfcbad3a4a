"""Payloads as text: hexadecimal or base64, as network servers show and export them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection

from mcukd.errors import UserError

_SEPARATORS = re.compile(r"[\s:,-]|(?<![0-9a-f])0x", re.I)


def payload_bytes(text: str, lengths: Collection[int], where: str) -> bytes:
    """Return the bytes of a payload given in hexadecimal (with or without separators) or base64.

    A text that can be read as both is taken as the one that gives a payload's length, and as hexadecimal
    where neither does: it is then refused by its version or length.
    lengths: bytes that it may have. where: what the text was read from, for messages.
    Raises UserError for any other text, and where both give a payload's length.
    """
    found = {kind: value for kind, value in (("hex", _hex(text)), ("base64", _base64(text))) if value}
    fitting = {kind: value for kind, value in found.items() if len(value) in lengths}
    if len(fitting) > 1:
        read = " and ".join(f"{len(value)} bytes in {kind}" for kind, value in fitting.items())
        raise UserError(
            f"{where}: {text!r} reads as {read}, and both are lengths of a payload; name its schema, or "
            "separate the bytes of hexadecimal digits by blanks."
        )
    for value in (*fitting.values(), *found.values()):
        return value
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    raise UserError(f"{where}: {shown!r} is no payload; hexadecimal digits or base64 are expected.")


def _hex(text: str) -> bytes | None:
    digits = _SEPARATORS.sub("", text)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def texts_of_file(content: str, name: str) -> list[tuple[str, str]]:
    """Return the payloads' texts of a file, one a line, each with where it stands.

    Empty lines and lines that begin with # are left out. Raises UserError where no line is left.
    """
    lines = ((f"{name}, line {number}", line.strip()) for number, line in enumerate(content.splitlines(), 1))
    found = [(line, where) for where, line in lines if line and not line.startswith("#")]
    if not found:
        raise UserError(f"{name}: no payload there; one a line is expected, in hexadecimal or base64.")
    return found
