"""Lines of a journal: how entries are written, checked and read.

A line is one entry as a JSON object; its last field, `crc32`, is the CRC-32 (zlib's) of the object without
that field, as eight hexadecimal digits. The first line, number 0, says what the journal is of; the others are
numbered from 1. Only the last line can be incomplete, where the program or the computer stopped while it was
written. Such a line never counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from mcukd.errors import UserError

FORMAT = "mcukd journal 1"
_CRC = ',"crc32":"'


@dataclass(frozen=True)
class Content:
    """What a journal holds. head: its first line's fields, empty of a file without a whole line.

    entries: fields of the others, each with its number. size: bytes of the whole lines. torn: what follows
    them, an entry that never counted.
    """

    head: dict[str, Any]
    entries: list[dict[str, Any]]
    size: int
    torn: bytes


def line_of(fields: Mapping[str, Any]) -> bytes:
    """Return the line of an entry, with its checksum and its line end."""
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f'{text[:-1]}{_CRC}{crc32(text.encode()):08x}"}}\n'.encode()


def read_journal(path: Path) -> Content:
    """Read a journal, also one that another process writes.

    Raises UserError, with the line, where something else than its end is damaged; OSError where it cannot be
    read.
    """
    return content_of(path.read_bytes(), path)


def content_of(content: bytes, path: Path) -> Content:
    """Return what the bytes of a journal hold. path: for messages. Raises UserError as `read_journal`."""
    entries: list[dict[str, Any]] = []
    place = 0
    while place < len(content):
        end = content.find(b"\n", place)
        line = content[place:] if end < 0 else content[place:end]
        fields = _checked(line)
        if fields is None:
            _require_torn(content, place, f"{path}, line {len(entries) + 1}")
            break
        if fields.get("number") != len(entries):
            raise UserError(
                f"{path}, line {len(entries) + 1}: entry {fields.get('number')} is there, expected entry "
                f"{len(entries)}: lines were removed or added; restore the file from a copy."
            )
        entries.append(fields)
        # An entry whose line end alone is missing is whole.
        place = len(content) if end < 0 else end + 1
    if entries and entries[0].get("format") != FORMAT:
        raise UserError(
            f"{path}: its format is {entries[0].get('format')!r}, expected {FORMAT!r}; "
            "a newer mcukd may read it."
        )
    head = entries[0] if entries else {}
    return Content(head, entries[1:], place, content[place:])


def _checked(line: bytes) -> dict[str, Any] | None:
    """Return the fields of a line without its checksum; None where that does not match."""
    body, found, check = line.rpartition(_CRC.encode())
    if not found or check != b'%08x"}' % crc32(body + b"}"):
        return None
    try:
        fields = json.loads(body + b"}")
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _require_torn(content: bytes, place: int, where: str) -> None:
    """Raise UserError unless what begins at `place` is the rest of one write that was interrupted.

    A line that was written whole has a line end and no zero bytes; if it does not check, it was changed.
    """
    rest = content[place:]
    whole = rest.split(b"\n")[:-1]
    if any(b"\0" not in line for line in whole):
        raise UserError(
            f"{where}: damaged, its checksum does not match; restore the file from a copy, or remove that "
            "line and all below it if what they say may be lost."
        )


class JournalTail:
    """A journal that another process writes, read bit by bit. head: its first line, empty before it is read.

    size: bytes read so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: dict[str, Any] = {}
        self.size, self._lines = 0, 0

    def more(self) -> list[dict[str, Any]]:
        """Return the entries that were added since the last call.

        Raises UserError where a line is damaged, or the file became shorter; OSError where it cannot be read.
        """
        if self.path.stat().st_size < self.size:
            raise UserError(f"{self.path}: it became shorter; restore the file from a copy.")
        with self.path.open("rb") as stream:
            stream.seek(self.size)
            content = stream.read()
        found = []
        for line in content.split(b"\n")[:-1]:
            fields = _checked(line)
            if fields is None or fields.get("number") != self._lines:
                raise UserError(
                    f"{self.path}, line {self._lines + 1}: damaged; restore the file from a copy."
                )
            self._lines += 1
            self.size += len(line) + 1
            if self._lines == 1:
                self.head = fields
            else:
                found.append(fields)
        return found
