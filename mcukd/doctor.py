"""What mcukd leans on, which of it is here, what it is for and how to get it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Optional

from mcukd.boards.tools import install_line


@dataclass(frozen=True)
class Finding:
    """One tool or package: its version here (None where it is missing), its use, and its installation."""

    name: str
    version: Optional[str]
    purpose: str
    remedy: str
    required: bool

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done about it."""
        return self.version is not None or not self.required


#: Program → (purpose, whether the road from samples to emulated boards needs it).
_PROGRAMS = {
    "arm-none-eabi-gcc": ("compiles firmware for the collar and the ear tag", True),
    "qemu-system-arm": ("runs the emulated boards", True),
    "cc": ("compiles firmware for the native board", True),
    "openocd": ("flashes a board through a debug probe", False),
}
#: Package → purpose. Those with a False are extras.
_PACKAGES = {
    "tensorflow": ("trains teachers and students", True),
    "tflite-support": ("writes the TFLite file's metadata; wheels exist up to Python 3.11", False),
    "numpy": ("computes the integer reference", True),
    "pyserial": ("talks to boards", True),
    "pyocd": ("flashes the ear tag, as an alternative to OpenOCD", False),
}


def examine() -> list[Finding]:
    """Look at Python, the programs and the packages, without importing any of them."""
    python = Finding("python", platform.python_version(), "runs mcukd (3.9 to 3.12)", "", True)
    return [
        python,
        *(_package(name, *facts) for name, facts in _PACKAGES.items()),
        *(_program(name, *facts) for name, facts in _PROGRAMS.items()),
    ]


def _package(name: str, purpose: str, required: bool) -> Finding:
    try:
        found: Optional[str] = version(name)
    except PackageNotFoundError:
        found = None
    return Finding(name, found, purpose, f"pip install {name}", required)


def _program(name: str, purpose: str, required: bool) -> Finding:
    path = shutil.which(name)
    return Finding(name, _version_of(path) if path else None, purpose, install_line(name), required)


def _version_of(path: str) -> str:
    """Return the first version number a program prints; one that prints none is no less there."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    # Debian writes its own package version first, in brackets.
    number = re.search(r"\d+\.\d+(\.\d+)*", re.sub(r"\([^)]*\)", "", result.stdout + result.stderr))
    return number.group() if number else "unknown"
