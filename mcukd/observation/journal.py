"""Journal: an append-only file of entries, each of which is on disk before it counts.

Its lines are those of `mcukd.observation.journal_lines`. An incomplete last line, which the program or the
computer was stopped in, is moved to a file beside the journal when that is opened again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from mcukd.disk import sentence_about
from mcukd.errors import UserError
from mcukd.files import naming
from mcukd.observation.journal_lines import FORMAT, content_of, line_of
from mcukd.platforms import lock_file, sync_file, sync_folder


class Journal:
    """A journal that this process writes; no other process can at the same time.

    path: its file, made where it is missing. head: fields of its first line; those of a journal that is there
    must be the same. content: what it held when it was opened. problem: why the last entry could not be
    written, None where it could. torn: the file that an incomplete last line was moved to, if there was one.

    Raises UserError where another process writes it, where it is damaged or of something else, and where it
    cannot be written.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self.problem: str | None = None
        self.torn: Path | None = None
        self._mutex = Lock()
        self._handle, self._size, self._synced, self._closed = -1, 0, True, False
        self._lines: list[bytes] = []
        self._waiting: list[bytes] = []
        self._attempted = b""
        try:
            with naming(path):
                self._open(create=True)
                self.content = content_of(_all_of(self._handle), path)
                if self.content.torn:
                    self._set_aside(self.content.torn)
                self._repair({"number": 0, "format": FORMAT, **head})
        except BaseException as error:
            self._let_go()
            if isinstance(error, OSError):
                raise UserError(_sentence(error, path)) from error
            raise

    @property
    def next_number(self) -> int:
        """Number of the next entry."""
        return len(self._lines) + len(self._waiting)

    def append(self, fields: Mapping[str, Any]) -> int:
        """Write an entry; return its number once it is on disk.

        Raises UserError, in a sentence, where it could not be written: then it is not in the journal, and the
        next call tries again.
        """
        with self._mutex:
            number = self.next_number
            self._waiting.append(_numbered(number, fields))
            try:
                self._write(sync=True)
            except BaseException:
                del self._waiting[-1:]
                raise
            return number

    def append_later(self, fields: Mapping[str, Any]) -> int:
        """Write an entry that may take until the next `sync` to be on disk; return its number.

        Where it cannot be written it is kept in memory, and `problem` says why.
        """
        with self._mutex:
            number = self.next_number
            self._waiting.append(_numbered(number, fields))
            self._synced = False
            with suppress(UserError):
                self._write(sync=False)
            return number

    def sync(self) -> None:
        """Have everything that was appended on disk, or say in `problem` why it is not."""
        with self._mutex:
            if not self._closed and (self._waiting or not self._synced):
                with suppress(UserError):
                    self._write(sync=True)

    def close(self) -> None:
        """Give the file free, with all that could be written. Nothing can be appended afterwards."""
        self.sync()
        with self._mutex:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self._handle >= 0:
            with suppress(OSError):
                os.close(self._handle)
        self._handle = -1

    def _write(self, sync: bool) -> None:
        """Write what waits. Raises UserError with nothing of it in the file."""
        try:
            with naming(self.path):
                if self._closed:
                    raise UserError(f"{self.path}: the session is closed; open it again with --resume.")
                if self._handle < 0:
                    self._reopen()
                content = self._attempted = b"".join(self._waiting)
                os.ftruncate(self._handle, self._size)  # what an earlier attempt left
                os.lseek(self._handle, self._size, os.SEEK_SET)
                _write_all(self._handle, content)
                if sync:
                    sync_file(self._handle)
                self._require_there()
        except (OSError, UserError) as error:
            raise self._failed(error) from error
        self._lines += self._waiting
        self._size += len(content)
        self._waiting, self.problem, self._synced = [], None, sync

    def _failed(self, error: OSError | UserError) -> UserError:
        """Take back what was written in part; return what happened, in a sentence."""
        if self._handle >= 0:
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)
        # The file is opened anew the next time: it or its drive may be another then.
        self._let_go()
        self.problem = _sentence(error, self.path)
        return UserError(self.problem)

    def _open(self, create: bool) -> None:
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._handle = os.open(self.path, flags | (os.O_CREAT if create else 0), 0o644)
        _lock(self._handle, self.path)

    def _repair(self, first: Mapping[str, Any]) -> None:
        """Cut the incomplete end of a journal that was just opened, and write the first line of a new one."""
        found, whole = self.content.head, _all_of(self._handle)[: self.content.size]
        if found and found != dict(first):
            other = next(name for name in (*first, *found) if found.get(name) != first.get(name))
            raise UserError(
                f"{self.path}: a journal with {other} {found.get(other)!r} is there, expected "
                f"{first.get(other)!r}; choose another folder with --session."
            )
        end = line_of(first) if not found else b"" if whole.endswith(b"\n") else b"\n"
        os.ftruncate(self._handle, len(whole))
        os.lseek(self._handle, len(whole), os.SEEK_SET)
        _write_all(self._handle, end)
        sync_file(self._handle)
        sync_folder(self.path.parent)
        # All lines are kept, so that a journal whose file was removed can be written again.
        self._lines = (whole + end).splitlines(keepends=True)
        self._size = len(whole + end)

    def _reopen(self) -> None:
        """Open the file again after a failure, and require that it holds what it held, or less of it."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(2, "No such file or directory", str(self.path))
        known = b"".join(self._lines)
        try:
            self._open(create=True)
            found = _all_of(self._handle)
            # It may end with a part of what could not be written, and with nothing else.
            ours = found.startswith(known) and self._attempted.startswith(found[len(known) :])
            if not ours and not known.startswith(found):
                raise UserError(
                    f"{self.path}: it is no longer as this session left it; "
                    "put the session's own folder back."
                )
            os.lseek(self._handle, 0, os.SEEK_END)
            _write_all(self._handle, known[len(found) :])
            sync_folder(self.path.parent)
        except BaseException:
            self._let_go()
            raise

    def _require_there(self) -> None:
        """Raise FileNotFoundError where the path is another file or none, as of a folder that was removed."""
        there, ours = self.path.stat(), os.fstat(self._handle)
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            raise FileNotFoundError(2, "No such file or directory", str(self.path))

    def _set_aside(self, torn: bytes) -> None:
        """Keep the incomplete last line in a file of its own."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.torn-{number}")).exists():
            number += 1
        with aside.open("xb") as stream:
            stream.write(torn)
            stream.flush()
            os.fsync(stream.fileno())
        self.torn = aside


def _numbered(number: int, fields: Mapping[str, Any]) -> bytes:
    if "number" in fields:
        raise ValueError("an entry's number is given by the journal")
    return line_of({"number": number, **fields})


def _sentence(error: OSError | UserError, path: Path) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{path.parent}: the folder is gone; put it back, or connect its drive again."
    return sentence_about(error) or f"{path}: it cannot be written ({error.strerror}); choose another folder."


def _lock(handle: int, path: Path) -> None:
    """Keep other processes from writing the file. Raises UserError where one does."""
    if not lock_file(handle):
        raise UserError(
            f"{path}: another mcukd writes it; end that one first, or give this one another --observer."
        )


def _all_of(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
