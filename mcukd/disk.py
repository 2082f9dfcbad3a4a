"""Sentences for errors of the operating system: a full disk, a read-only folder, too many open files."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_FREE = "free some space there, or choose a folder on another disk"
_WRITABLE = "choose a folder that you may write to"
_FILES = "raise the limit with 'ulimit -n 4096', or use fewer workers"

#: errno → (what is wrong, remedy).
_CAUSES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on the disk", _FREE),
    errno.EDQUOT: ("your quota of the disk is used up", _FREE),
    errno.EFBIG: ("the file is larger than its file system or your limits allow", _FREE),
    errno.EROFS: ("the file system is read-only", _WRITABLE),
    errno.EACCES: ("permission denied", "correct the permissions, or " + _WRITABLE),
    errno.EPERM: ("the operation is not permitted", "correct the permissions, or " + _WRITABLE),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "move the file, or choose another path"),
    errno.EISDIR: ("a folder is there, expected a file", "move the folder, or choose another path"),
    errno.EEXIST: ("a file is there, expected a folder or nothing", "move it, or choose another path"),
    errno.ENOTEMPTY: ("a folder that is not empty is there", "move it, or choose another path"),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "choose a shorter one"),
    errno.ELOOP: ("the path goes round in a circle of links", "correct the links, or choose another path"),
    errno.EMFILE: ("this process has too many files open", _FILES),
    errno.ENFILE: ("this computer has too many files open", "close other programs, or use fewer workers"),
    errno.EIO: ("the disk answers with an error", "check the disk or the network drive, or choose another"),
    errno.ESTALE: ("the network drive was lost", "mount it again, or choose another folder"),
    errno.EBUSY: ("the file is in use", "close what uses it, or choose another path"),
    errno.ENOMEM: ("this computer is out of memory", "use fewer workers, or close other programs"),
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Messages of libraries whose errors have no errno, and their errno. NumPy: "8192 requested and 0 written".
_MESSAGES = (
    (re.compile(r"errno = (\d+)"), None),
    (re.compile(r"\[[Ee]rrno (\d+)\]"), None),
    (re.compile(r"No space left on device|\d+ requested and \d+ written"), errno.ENOSPC),
    (re.compile(r"Disk quota exceeded"), errno.EDQUOT),
    (re.compile(r"Read-only file system"), errno.EROFS),
)
_LIBRARIES = ("h5py", "tensorflow", "pyarrow", "numpy", "keras")


def sentence_about(error: BaseException) -> str | None:
    """Return a sentence for an error of the disk or the operating system, or None for any other error.

    The error may be an OSError, a library's error with the message of one, or one that was raised while an
    OSError of a full disk was handled, for instance by closing a half-written archive.
    """
    for number, each in enumerate(_chain(error)):
        code = _code(each)
        if code is None or (number > 0 and not _belongs(error, each, code)):
            continue
        cause, remedy = _CAUSES[code]
        return f"{_place(each, code)}: {cause}; {remedy}."
    return None


def ignore_failed_closes() -> None:
    """Print no message for files that cannot be closed on a full disk; the error itself is printed."""
    show = sys.unraisablehook

    def hook(found: Any) -> None:
        if found.exc_value is None or sentence_about(found.exc_value) is None:
            show(found)

    sys.unraisablehook = hook


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _belongs(error: BaseException, earlier: BaseException, code: int) -> bool:
    """Whether an error stems from an earlier one, and is not a mistake in the code that handled that one."""
    return error.__cause__ is earlier or (earlier is not error and code in _FULL)


def _code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in _CAUSES:
            return error.errno
        # Where no folder for temporary files can be written, Python says ENOENT.
        return errno.ENOSPC if "No usable temporary directory" in str(error) else None
    from_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    if isinstance(error, (OSError, RuntimeError, ValueError)) or from_library:
        for pattern, code in _MESSAGES:
            found = pattern.search(str(error))
            if found:
                code = int(found.group(1)) if code is None else code
                return code if code in _CAUSES else None
    return None


def _place(error: BaseException, code: int) -> str:
    """Return the path that an error is about, or the likeliest one where the system names none."""
    if "No usable temporary directory" in str(error):
        return "the folder of temporary files (TMPDIR)"
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if name is not None and not isinstance(name, int):
        return os.fsdecode(name)
    if code in _FULL:
        full = _full_folders()
        return full[0] if full else "a file could not be written"
    return "a file or folder"


def _full_folders() -> list[str]:
    """Return the full ones among the folders on the command line, the current and the temporary folder."""
    names: Iterable[str] = (part.partition("=")[2] or part for part in sys.argv[1:])
    found = []
    for path in (*map(Path, names), Path(), Path(tempfile.gettempdir()), Path("/dev/shm")):
        try:
            while not path.exists() and path != path.parent:
                path = path.parent
            if shutil.disk_usage(path).free < 1 << 16:
                found.append(str(path.absolute()))
        except (OSError, ValueError):
            continue
    return found
