"""Programs that boards need: which are missing, and how to install them."""

from __future__ import annotations

import shutil
import subprocess

from mcukd.boards.model import Board
from mcukd.boards.runners.registry import RUNNERS
from mcukd.errors import UserError
from mcukd.platforms import is_mac, is_windows

#: Program → (Debian packages, Homebrew arguments).
INSTALL = {
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi libnewlib-arm-none-eabi", "--cask gcc-arm-embedded"),
    "arm-none-eabi-objcopy": ("binutils-arm-none-eabi", "--cask gcc-arm-embedded"),
    "qemu-system-arm": ("qemu-system-arm", "qemu"),
    "cc": ("gcc libc6-dev", "gcc"),
}


def compiler(board: Board) -> str:
    """Return the name of the board's compiler."""
    return "cc" if board.host else "arm-none-eabi-gcc"


def tools_needed(board: Board) -> list[str]:
    """Return the programs needed to build for the board and, where it is emulated, to run it."""
    if board.host:
        return ["cc"]
    build = ["arm-none-eabi-gcc", "arm-none-eabi-objcopy"]
    return [*build, "qemu-system-arm"] if board.emulated else build


def tools_missing(board: Board) -> list[str]:
    """Return those of the needed programs that are not on the PATH."""
    return [name for name in tools_needed(board) if shutil.which(name) is None]


def install_line(name: str) -> str:
    """Return the command that installs a program here."""
    if is_windows():
        return f"{name}'s own installer"
    mac = is_mac()
    if name in RUNNERS:
        return RUNNERS[name].install[mac]
    debian, brew = INSTALL[name]
    return f"brew install {brew}" if mac else f"sudo apt-get install {debian}"


def require_tool(name: str, purpose: str) -> str:
    """Return a program's path; UserError with the line that installs it where it is missing."""
    path = shutil.which(name)
    if path is None:
        raise UserError(
            f"{name} is not on the PATH, but is needed to {purpose}; install it with '{install_line(name)}'."
        )
    return path


def version_line(name: str) -> str | None:
    """Return the first line a program says when asked for its version; None where it does not run."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        result = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next((line.strip() for line in (result.stdout + result.stderr).splitlines()), None)
