"""Differences between Linux, macOS and Windows, in one place; docs/reference/platforms.md lists them.

Each function asks for the system when it is called, so that tests can name another (`sys.platform`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def is_windows() -> bool:
    """Tell whether this is Windows."""
    return sys.platform == "win32"


def is_mac() -> bool:
    """Tell whether this is macOS."""
    return sys.platform == "darwin"


def hands_over_sockets() -> bool:
    """Tell whether a program can be started with an open socket, as emulators are."""
    return not is_windows()


def has_pseudo_terminals() -> bool:
    """Tell whether a program can be given a terminal of its own, as the native board is."""
    return not is_windows()


def library_suffix() -> str:
    """Return how the name of a compiled library ends that Python loads."""
    if is_windows():
        return ".dll"
    return ".dylib" if is_mac() else ".so"


def elapsed_ns() -> int:
    """Return ns of a clock that nobody sets and that goes on while the computer sleeps, from any zero."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if is_mac():  # its `time.monotonic` stands still while the computer sleeps
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return time.monotonic_ns()


def lives(process: int) -> bool:
    """Tell whether a process of this computer lives; True where that cannot be asked."""
    if is_windows():
        # Asking there would end the process.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's
    return True


def own_group() -> dict[str, Any]:
    """Return the options of `subprocess.Popen` for a program that is ended with what it started."""
    return {} if is_windows() else {"start_new_session": True}


def end_group(process: subprocess.Popen[Any], *, politely: bool) -> None:
    """End a program started with `own_group`; on Windows itself alone, and at once.

    politely: by SIGTERM, on which it can release what it holds. Raises ProcessLookupError or PermissionError
    where it has ended.
    """
    if is_windows():
        process.kill()
        return
    os.killpg(process.pid, signal.SIGTERM if politely else signal.SIGKILL)


def sync_file(handle: int) -> None:
    """Have a file's content on the disk itself."""
    try:
        import fcntl

        # macOS keeps what `fsync` wrote in the memory of the disk.
        fcntl.fcntl(handle, fcntl.__dict__["F_FULLFSYNC"])
    except (ImportError, KeyError, OSError):
        os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Have the names of new files in a folder on disk; Windows opens no folders."""
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def lock_file(handle: int) -> bool:
    """Keep other processes from locking a file; False where one has. Windows has no such lock."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def reuse_address(made: socket.socket) -> None:
    """Let a port be taken that a program has just left; on Windows that would share it with another one."""
    if not is_windows():
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
