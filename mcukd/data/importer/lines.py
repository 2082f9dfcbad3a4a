"""Text files as blocks of whole lines in UTF-8, whatever their encoding, compression and line ends."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mcukd.errors import UserError

HEAD_BYTES = 1 << 18
_UTF8 = ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class Coding:
    """How a file's bytes become lines. newline: the byte that ends one."""

    encoding: str
    gzip: bool
    newline: bytes = b"\n"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file as UTF-8. start, stop: offsets in the decoded stream; line: of the first row.

    cut: whether a header that stands again in the middle of the file stands above them.
    """

    content: bytes
    start: int
    stop: int
    line: int
    cut: bool = False


def head_of(path: Path) -> tuple[str, Coding, bool]:
    """Return the first text of a file, how it is coded, and whether it goes on behind that.

    Raises UserError for what cannot be read, or is no text.
    """
    try:
        with path.open("rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as stream:  # type: IO[bytes]
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}); check its permissions, or copy it again") from None
    encoding = _encoding(path, head)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16"):
            raise _no_text(path) from None
        raise UserError(f"{path} is neither UTF-8 nor Windows text ({error}); save it as UTF-8") from None
    newline = b"\n" if "\n" in text else b"\r"
    return text, Coding(encoding, compressed, newline), len(head) >= HEAD_BYTES


def read_blocks(
    path: Path,
    coding: Coding,
    skipped: int,
    odd: Sequence[str] = (),
    marks: str = "",
    start: int = 0,
    line: int = 0,
    size: int = 1 << 24,
) -> Iterator[Block]:
    """Yield the rows of a table in blocks of about `size` bytes that end where a line ends.

    skipped: lines before the first row. odd: lines, as the header, that are no rows where they stand again;
    marks: characters of lines that hold nothing but them. start, line: `stop` of the last block that
    was dealt with and the number of the line after it, to go on from there. Raises UserError where the file
    cannot be read or decoded.
    """
    pattern = _odd_lines(odd, marks, coding.newline)
    try:
        with _decoded(path, coding) as stream:
            if start:
                _skip(stream, start)
                line_number, offset = line, start
            else:
                above = b"".join(_read_line(stream, coding.newline) for _ in range(skipped))
                line_number, offset = skipped + 1, len(above)
            held = b""
            while chunk := stream.read(size):
                held += chunk
                cut = held.rfind(coding.newline) + 1
                if cut:
                    yield from _rows_only(held[:cut], pattern, offset, line_number, coding.newline)
                    line_number += held.count(coding.newline, 0, cut)
                    offset += cut
                    held = held[cut:]
            if held.strip():
                yield from _rows_only(held + coding.newline, pattern, offset, line_number, coding.newline)
    except (OSError, EOFError, UnicodeError) as error:
        raise UserError(f"{path} cannot be read to its end ({error}); copy or export it again") from None


def _odd_lines(odd: Sequence[str], marks: str, newline: bytes) -> re.Pattern[bytes]:
    """Match lines that are no rows: empty ones, ones of separators only, and those of `odd`."""
    end = re.escape(newline)
    listed = b"|".join(re.escape(one.strip().encode()) for one in odd if one.strip())
    known = b"|(?P<known>(?:\xef\xbb\xbf)?[ \t]*(?:" + listed + b")[ \t]*)" if listed else b""
    blank = b"[ \t" + re.escape(marks.encode()) + b"]*"
    return re.compile(b"(?:(?<=" + end + b")|\\A)(?:" + blank + known + b")\r?" + end)


def _rows_only(
    content: bytes, pattern: re.Pattern[bytes], offset: int, line: int, newline: bytes
) -> Iterator[Block]:
    """Yield the stretches of rows between lines that are none."""
    place, number, cut = 0, line, False
    # A few odd lines only: each block costs a call of the reader.
    for found in pattern.finditer(content):
        known = bool(found.groupdict().get("known"))
        if found.start() > place:
            stretch = content[place : found.start()]
            yield Block(_unix(stretch), offset + place, offset + found.start(), number, cut)
            number += stretch.count(newline)
            cut = False
        cut = cut or known
        place, number = found.end(), number + 1
    if place < len(content):
        yield Block(_unix(content[place:]), offset + place, offset + len(content), number, cut)


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head[:4096]:
        zeros = Counter(place % 2 for place, byte in enumerate(head[:4096]) if byte == 0)
        if min(zeros[0], zeros[1]) == 0:
            return "utf-16-be" if zeros[0] else "utf-16-le"
        raise _no_text(path)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _no_text(path: Path) -> UserError:
    return UserError(
        f"{path} is not text; expected CSV, TSV, Parquet, CWA or GT3X: export it as one of those"
    )


@contextmanager
def _decoded(path: Path, coding: Coding) -> Iterator[Any]:
    with gzip.open(path) if coding.gzip else path.open("rb") as opened:
        raw: Any = opened
        yield raw if coding.encoding in _UTF8 else _Utf8(raw, coding.encoding)


class _Utf8:
    """A stream of bytes that turns another encoding into UTF-8."""

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            chunk = self._raw.read(1 << 16)
            self._held += self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        result, self._held = self._held[:size], self._held[size:]
        return result

    def readline(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line


def _skip(stream: Any, offset: int) -> None:
    if isinstance(stream, io.BufferedReader):
        stream.seek(offset)
        return
    while offset > 0:
        chunk = stream.read(min(offset, 1 << 20))
        if not chunk:
            return
        offset -= len(chunk)


def _read_line(stream: Any, newline: bytes) -> bytes:
    if newline == b"\n":
        line: bytes = stream.readline()
        return line
    line = b""
    while not line.endswith(newline):
        byte = stream.read(1)
        if not byte:
            break
        line += byte
    return line


def _unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content
