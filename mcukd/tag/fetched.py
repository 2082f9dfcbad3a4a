"""File of a fetched log: pages of a tag's log as they were read, in entries that are only appended.

An entry is its kind (4 bytes), the length of its content (4 bytes), the content, and a CRC-32 (zlib's) over
all of these; numbers are little-endian. The first entry says whose log it is, in JSON. Each further one holds
words of a page: the page's number, the first word, and the words. Where entries overlap the later one counts.
What a killed program or computer left of an entry at the end is known by its length or CRC, and cut off.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mcukd.errors import UserError
from mcukd.files import make_folder, naming
from mcukd.tag.records import BLANK

#: How such a file begins: the kind of its first entry.
MAGIC = b"mtag"
_PAGE = b"page"
_HEAD, _CRC, _WORDS = struct.Struct("<4sI"), struct.Struct("<I"), struct.Struct("<IH")
_FORMAT = 1
#: No content is longer: a page, or what a file says of its tag.
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Owner:
    """Whose log a file holds.

    chip: the factory's number of its chip, 16 hexadecimal digits; empty where it has none. classes: that its
    log counts. page_words: 32-bit words of a page of its flash.
    """

    chip: str
    classes: int
    page_words: int


@dataclass
class FetchedLog:
    """A file's content. pages: words of each page by its number, little-endian, blank where none was read.

    written: of each page, the word behind the last that was read. size: of the file's good entries in bytes;
    cut: bytes behind them, of an entry that was not finished.
    """

    path: Path
    owner: Owner
    pages: dict[int, bytearray] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    size: int = 0
    cut: int = 0

    def dump(self) -> bytes:
        """Return the pages in the order in which they were opened, as `read_log` takes them."""
        return b"".join(self.pages[number] for number in sorted(self.pages))

    def append(self, number: int, first: int, words: bytes) -> None:
        """Append words of a page that were read and checked; they are on the disk when this returns.

        Raises UserError where another program has written to the file meanwhile.
        """
        entry = _entry(_PAGE, _WORDS.pack(number, first) + words)
        with naming(self.path), self.path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != self.size + self.cut:
                raise UserError(
                    f"{self.path}: another program writes to it; wait until that has ended, and fetch again."
                )
            file.seek(self.size)
            file.write(entry)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self.size += len(entry)
        self.cut = 0
        self._take(number, first, words)

    def _take(self, number: int, first: int, words: bytes) -> None:
        page = self.pages.setdefault(number, bytearray(BLANK.to_bytes(4, "little") * self.owner.page_words))
        end = first + len(words) // 4
        if end > self.owner.page_words:
            raise UserError(
                f"{self.path}: page {number} has {end} words, but {self.owner.page_words} are expected; "
                "the file is damaged, fetch the log into another one."
            )
        page[4 * first : 4 * end] = words
        self.written[number] = end if first == 0 else max(end, self.written.get(number, 0))


def is_fetched(content: bytes) -> bool:
    """Return whether bytes are the beginning of such a file."""
    return content[:4] == MAGIC


def create(path: Path, owner: Owner) -> FetchedLog:
    """Make a new file. Raises UserError where it cannot be written."""
    entry = _entry(MAGIC, json.dumps({"format": _FORMAT, **asdict(owner)}).encode())
    try:
        make_folder(path.parent)
        with path.open("xb") as file:
            file.write(entry)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give --out another name.") from None
    return FetchedLog(path, owner, size=len(entry))


def read_fetched(path: Path) -> FetchedLog:
    """Read a file. Raises UserError where it is none, is of another format, or is damaged before its end."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the name.") from None
    log = FetchedLog(path, _owner(path, content))
    at = _end_of(content, 0)
    assert at is not None
    while True:
        log.size, log.cut = at, len(content) - at
        end = _end_of(content, at)
        if end is None:
            break
        body = content[at + _HEAD.size : end - _CRC.size]
        number, first = _WORDS.unpack(body[: _WORDS.size])
        log._take(number, first, body[_WORDS.size :])
        at = end
    if log.cut > len(_entry(_PAGE, bytes(_WORDS.size + 4 * log.owner.page_words))):
        raise UserError(
            f"{path}: damaged at byte {log.size:,}, with {log.cut:,} bytes behind it; nothing was appended. "
            f"Copy its first {log.size:,} bytes to a new file to go on from there."
        )
    return log


def _entry(kind: bytes, content: bytes) -> bytes:
    body = _HEAD.pack(kind, len(content)) + content
    return body + _CRC.pack(zlib.crc32(body))


def _end_of(content: bytes, at: int) -> int | None:
    """Return the first byte behind the entry at `at`, None where no whole and right entry is there."""
    if len(content) - at < _HEAD.size:
        return None
    kind, length = _HEAD.unpack_from(content, at)
    end = at + _HEAD.size + length + _CRC.size
    if kind != (_PAGE if at else MAGIC) or not _WORDS.size <= length <= _LONGEST or end > len(content):
        return None
    right = zlib.crc32(memoryview(content)[at : end - _CRC.size])
    return end if _CRC.unpack_from(content, end - _CRC.size)[0] == right else None


def _owner(path: Path, content: bytes) -> Owner:
    end = _end_of(content, 0)
    if end is None:
        raise UserError(
            f"{path}: no file of a fetched log; 'mcukd fetch --out {path.name}' makes one, under a name that "
            "is not taken."
        )
    facts = json.loads(content[_HEAD.size : end - _CRC.size])
    if facts.pop("format") != _FORMAT:
        raise UserError(f"{path}: written by a newer mcukd; update this one.")
    return Owner(**facts)
