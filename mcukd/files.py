"""Atomic writing of files: a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from mcukd.errors import UserError
from mcukd.platforms import lives

#: Temporary files and folders: `.stem-host-process-random.suffix`.
_OURS = re.compile(r"\..*-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-[a-z0-9_]{8}(\..*)?$")
_LONGEST = 150
_tidied: set[Path] = set()
#: Path and state of a file → digest of its bytes. Some file systems do not number files, so that two may have
#: one state.
_digests: dict[tuple[str, tuple[int, ...] | None], str] = {}
_TOO_NEW_NS = 100_000_000


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it over `path` when the block ends without an error.

    The temporary name keeps the suffix, because Keras and NumPy choose a format by it. What killed processes
    left in the folder is removed. Raises OSError with the name of `path` where it cannot be written.
    """
    made = _made_for(path.parent)
    _remove_abandoned(path.parent)
    temporary = _temporary_beside(path)
    try:
        with naming(path, instead_of=temporary):
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
            for folder in made if not path.exists() else ():
                folder.rmdir()


def _made_for(folder: Path) -> list[Path]:
    """Make a folder and those above it that are missing; return what was made, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    make_folder(folder)
    return missing


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing; OSError with its name where it cannot be."""
    with _creating(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _creating(path: Path) -> Iterator[None]:
    """Have an OSError of making a file or folder name `path`, whatever temporary name the system was given.

    Linux says ENOENT of a folder that takes nothing new, such as /proc; here that is EPERM.
    """
    try:
        yield
    except OSError as error:
        code = errno.EPERM if error.errno == errno.ENOENT else error.errno
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error


@contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Have an OSError of the block that names no file, as that of a full disk, name `path`.

    instead_of: a temporary file or folder that the user knows nothing of.
    """
    try:
        yield
    except OSError as error:
        told = None if error.filename is None else os.fsdecode(error.filename)
        hidden = None if instead_of is None else str(instead_of)
        if told is not None and (hidden is None or not (told + os.sep).startswith(hidden + os.sep)):
            raise
        if error.errno is None:  # a library's own text
            error.filename = str(path)
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _temporary_beside(path: Path) -> Path:
    """Make an empty file beside `path` whose hidden name holds this process's number, and return its path."""
    with _creating(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_hidden(path.stem), suffix=path.suffix)
    os.close(handle)
    return Path(name)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path` that is removed at the end, whatever happens.

    What killed processes left there is removed as well. Raises OSError with the name of `path` where the
    folder or what is in it cannot be written.
    """
    make_folder(path.parent)
    _remove_abandoned(path.parent)
    with ExitStack() as stack:
        with _creating(path):
            made = tempfile.TemporaryDirectory(dir=path.parent, prefix=_hidden(path.name))
        folder = Path(stack.enter_context(made))
        stack.enter_context(naming(path, instead_of=folder))
        yield folder


@contextmanager
def mark_in(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden file in a folder, by which others tell that they see the same one.

    It is removed at the end. What killed processes left there is removed as well. Raises OSError with the
    folder's name where it cannot be written.
    """
    _remove_abandoned(folder)
    with naming(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=_hidden("mark"))
    os.close(handle)
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()


def require_writable(folder: Path) -> None:
    """Raise OSError with its name where a folder, there already or not, cannot be written; leave no trace."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    with _creating(folder), tempfile.TemporaryFile(dir=there):
        pass


def _hidden(name: str) -> str:
    """Return the prefix of a temporary name, which identifies its owner."""
    return f".{name[:_LONGEST]}-{_host()}-{os.getpid()}-"


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed left of theirs in a folder; a process looks once per folder."""
    if folder in _tidied:
        return
    _tidied.add(folder)
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return
    for name in names:
        found = _OURS.match(name)
        if found and found["host"] == _host() and not lives(int(found["process"])):
            left = folder / name
            with suppress(OSError):
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _host() -> str:
    """Return a short name of this computer: of another one's processes nothing is known here."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def require_other(out: Path, sources: Iterable[Path]) -> None:
    """Raise UserError where writing `out` would replace one of the files that are read."""
    for source in sources:
        if out == source or (out.exists() and source.exists() and out.samefile(source)):
            raise UserError(f"--out is {out}, which is read here and would be lost; name another file.")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8 with `\\n` line ends, in one step."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as indented JSON, keys in the order given."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def file_state(path: Path) -> tuple[int, ...] | None:
    """Return the identity of a file's content: its device, number, size and times.

    None where it cannot be looked at, or was written within the last tenth of a second, so that it may change
    again without another time.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _TOO_NEW_NS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    A process reads a file once, and again only where its size or times have changed.
    """
    state = file_state(path)
    key = str(path.absolute()), state
    if state is not None and key in _digests:
        return _digests[key]
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    if state is not None:
        _digests[key] = digest.hexdigest()
    return digest.hexdigest()


def sha256_text(content: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in hexadecimal."""
    return hashlib.sha256(content.encode()).hexdigest()
