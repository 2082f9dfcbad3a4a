"""Zip files whose bytes follow from their members' names and contents alone, and a strict reader of them.

Members are sorted by name, stored without compression, and bear the same date; nothing else is in the file.
So the same members give the same bytes on every computer, a member takes as much room as it has bytes, and
a reader can tell the one right form of every header: each byte of the file is checked against it.
Fields are those of PKWARE's APPNOTE 6.3.10, with zip64 where 32 bits do not hold a size or a place.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcukd.archive.names import name_problem, names_problem
from mcukd.errors import UserError
from mcukd.files import make_folder, naming, replacing

#: Content of a member: a file, or bytes.
Content = Path | bytes
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_HEAD, _END_SIZE = 30, 22
_MOST_32, _MOST_16 = 0xFFFFFFFF, 0xFFFF
_UTF8_NAMES, _STORED, _MIDNIGHT, _FIRST_OF_1980 = 0x0800, 0, 0, 0x0021
_UNIX, _REGULAR_FILE = 3, 0o100644 << 16
_CHUNK = 1 << 20


class Broken(Exception):
    """An archive is not what was packed; its text says where it breaks."""


@dataclass(frozen=True)
class Member:
    """A member of an archive: its name, bytes, CRC-32 and SHA-256, and where its header begins."""

    name: str
    size: int
    crc: int
    sha256: str
    place: int = 0

    @property
    def content_place(self) -> int:
        """Where its bytes begin."""
        return self.place + len(local_header(self))


def measured(name: str, content: Content, look: Callable[[bytes], None] = lambda chunk: None) -> Member:
    """Return a member as it would be packed, from one pass over its content; `look` is shown each part."""
    size, crc, digest = 0, 0, hashlib.sha256()
    for chunk in _chunks(content):
        look(chunk)
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        digest.update(chunk)
    return Member(name, size, crc, digest.hexdigest())


def write_archive(
    path: Path,
    contents: Mapping[str, Content],
    members: Mapping[str, Member],
    advance: Callable[[int], None] = lambda size: None,
) -> list[Member]:
    """Write an archive in one step and return its members in order.

    members: what `measured` said of each content. advance: called with bytes written. Raises UserError where
    a file has changed since it was measured, and for names that not every computer can unpack.
    """
    if problem := names_problem(contents):
        raise UserError(f"{path}: {problem}; rename it before it is packed.")
    done: list[Member] = []
    with replacing(path) as temporary, naming(path, instead_of=temporary), temporary.open("wb") as stream:
        for name in sorted(contents):
            known = members[name]
            member = Member(name, known.size, known.crc, known.sha256, stream.tell())
            stream.write(local_header(member))
            size, digest = 0, hashlib.sha256()
            for chunk in _chunks(contents[name]):
                stream.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                advance(len(chunk))
            if (size, digest.hexdigest()) != (member.size, member.sha256):
                raise UserError(f"{contents[name]!s}: changed while it was packed; pack it again.")
            done.append(member)
        for part in directory(done, stream.tell()):
            stream.write(part)
    return done


@dataclass(frozen=True)
class Archive:
    """An archive whose every byte outside its members is as it was written. sha256: of the whole file."""

    path: Path
    members: Mapping[str, Member]
    sha256: str

    def read(self, name: str, limit: int = 1 << 28) -> bytes:
        """Return a member's bytes. Raises Broken where it is missing or has more than `limit` bytes."""
        if name not in self.members:
            raise Broken(f"{name} is missing")
        if self.members[name].size > limit:
            raise Broken(f"{name} has {self.members[name].size:,} bytes, expected at most {limit:,}")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes in parts."""
        member = self.members[name]
        with self.path.open("rb") as stream:
            stream.seek(member.content_place)
            left = member.size
            while left:
                chunk = stream.read(min(left, _CHUNK))
                if not chunk:
                    raise Broken(f"{name} ends early: the file changed while it was read")
                left -= len(chunk)
                yield chunk

    def unpack(self, folder: Path, wanted: Iterable[str]) -> None:
        """Write members below a folder; their names were checked when the archive was opened."""
        for name in wanted:
            file = folder / name
            make_folder(file.parent)
            with file.open("wb") as stream:
                for chunk in self.chunks(name):
                    stream.write(chunk)


def read_archive(path: Path, advance: Callable[[int], None] = lambda size: None) -> Archive:
    """Read a whole archive once and return its members; nothing is unpacked.

    advance: called with bytes read. Raises UserError for a file that is missing or no zip; Broken for one
    whose bytes are not those that `write_archive` writes for its members.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            if not path.is_file() or not _looks_like_zip(stream, size):
                raise UserError(f"{path}: no zip file; name one that 'mcukd archive' wrote.")
            stream.seek(0)
            return _Reader(path, stream, size, advance).read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name an archive.") from error


def _looks_like_zip(stream: BinaryIO, size: int) -> bool:
    begin = stream.read(4)
    stream.seek(max(0, size - _END_SIZE))
    return begin == _LOCAL or stream.read(4) == _END


class _Reader:
    """Reads an archive from its first byte to its last, and compares each header with the one right form."""

    def __init__(self, path: Path, stream: BinaryIO, size: int, advance: Callable[[int], None]) -> None:
        self._path, self._stream, self._size, self._advance = path, stream, size, advance
        self._digest = hashlib.sha256()
        self._place = 0

    def read(self) -> Archive:
        members: dict[str, Member] = {}
        last: str | None = None
        begin = self._take(4)
        while begin == _LOCAL:
            member = self._member()
            if last is not None and member.name <= last:
                raise Broken(f"member {member.name!r} comes after {last!r}, which is not their order")
            members[member.name] = member
            last = member.name
            begin = self._take(4)
        if problem := names_problem(members):
            raise Broken(problem)
        expected = b"".join(directory(list(members.values()), self._place - len(begin)))
        rest = begin + self._take(len(expected) - len(begin))
        if rest != expected:
            at = next((n for n, (one, other) in enumerate(zip(rest, expected)) if one != other), len(rest))
            raise Broken(
                f"byte {self._place - len(rest) + at:,} is not that of the directory of its "
                f"{len(members):,} members"
            )
        if self._place != self._size:
            raise Broken(f"{self._size - self._place:,} bytes follow the end of the archive")
        return Archive(self._path, members, self._digest.hexdigest())

    def _member(self) -> Member:
        place = self._place - len(_LOCAL)
        head = self._take(_LOCAL_HEAD - len(_LOCAL))
        if len(head) < _LOCAL_HEAD - len(_LOCAL):
            raise Broken(f"the file ends in a header at byte {place:,}")
        _, _, method, _, _, crc, size, stored, name_length, extra_length = struct.unpack("<5H3I2H", head)
        raw, extra = self._take(name_length), self._take(extra_length)
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            raise Broken(f"the member at byte {place:,} has a name that is not UTF-8") from None
        if problem := name_problem(name):
            raise Broken(problem)
        if method != _STORED:
            raise Broken(f"{name} is compressed, which 'mcukd archive' never does")
        if size == _MOST_32 and len(extra) == 20:
            size, stored = struct.unpack("<2Q", extra[4:])
        if size != stored or size > self._size - self._place:
            raise Broken(f"{name} says that it has {size:,} bytes, which the file does not hold")
        found, digest = 0, hashlib.sha256()
        left = size
        while left:
            chunk = self._take(min(left, _CHUNK))
            found = zlib.crc32(chunk, found)
            digest.update(chunk)
            left -= len(chunk)
        member = Member(name, size, crc, digest.hexdigest(), place)
        if _LOCAL + head + raw + extra != local_header(member):
            raise Broken(f"the header of {name} at byte {place:,} is not the one it was written with")
        if found != crc:
            raise Broken(f"{name} is damaged: its bytes do not have the checksum beside them")
        return member

    def _take(self, count: int) -> bytes:
        chunk = self._stream.read(count)
        self._digest.update(chunk)
        self._place += len(chunk)
        self._advance(len(chunk))
        return chunk


def local_header(member: Member) -> bytes:
    """Return what stands before a member's bytes."""
    name = member.name.encode()
    large = member.size >= _MOST_32
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if large else b""
    size = _MOST_32 if large else member.size
    return (
        _LOCAL
        + struct.pack(
            "<5H3I2H", _version(large), _UTF8_NAMES, _STORED, _MIDNIGHT, _FIRST_OF_1980,
            member.crc, size, size, len(name), len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def directory(members: list[Member], place: int) -> Iterator[bytes]:
    """Yield the directory of members that begins at `place`, and the end of the file."""
    size = 0
    for member in members:
        entry = _central_header(member)
        size += len(entry)
        yield entry
    count, end = len(members), place + size
    large = count >= _MOST_16 or size >= _MOST_32 or place >= _MOST_32
    if large:
        yield struct.pack(
            "<4sQ2H2I4Q", b"PK\x06\x06", 44, _UNIX << 8 | 45, 45, 0, 0, count, count, size, place
        )
        yield struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    count_16 = min(count, _MOST_16)
    yield struct.pack(
        "<4s4H2IH", _END, 0, 0, count_16, count_16, min(size, _MOST_32), min(place, _MOST_32), 0
    )


def _central_header(member: Member) -> bytes:
    name = member.name.encode()
    large, far = member.size >= _MOST_32, member.place >= _MOST_32
    values = [member.size, member.size] * large + [member.place] * far
    extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    size = _MOST_32 if large else member.size
    version = _version(large or far)
    return (
        _CENTRAL
        + struct.pack(
            "<6H3I5H2I", _UNIX << 8 | version, version, _UTF8_NAMES, _STORED, _MIDNIGHT, _FIRST_OF_1980,
            member.crc, size, size, len(name), len(extra), 0, 0, 0, _REGULAR_FILE,
            min(member.place, _MOST_32),
        )
        + name
        + extra
    )  # fmt: skip


def _version(zip64: bool) -> int:
    """Return the version of the format that is needed to read a part of the file."""
    return 45 if zip64 else 20


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with naming(content), content.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
