"""Programs and packages that mcukd uses: their versions here, what each is for and how to get it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

from mcukd.boards.runners.registry import RUNNERS
from mcukd.boards.tools import install_line as program_line
from mcukd.extras import EXTRAS, install_line
from mcukd.tensorflow_setup import BACKEND, DATA_FORMAT, DROPPED, EPSILON, FLOATX, overridden


@dataclass(frozen=True)
class Requirement:
    """One tool or package: its version here (None where it is missing), its use, and its installation."""

    name: str
    version: str | None
    purpose: str
    remedy: str
    required: bool

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done about it."""
        return self.version is not None or not self.required


#: Program → (purpose, whether the pipeline from samples to emulated boards needs it).
_PROGRAMS = {
    "arm-none-eabi-gcc": ("compiles firmware for the collar and the ear tag", True),
    "qemu-system-arm": ("runs the emulated boards", True),
    "cc": ("compiles firmware for the native board", True),
}
#: Package → (purpose, whether every installation has it).
_PACKAGES = {
    "pandas": ("reads recordings and writes tables", False),
    "tensorflow": ("trains teachers and students", False),
    "ai-edge-litert": ("runs TFLite files from Python 3.12 on", False),
    "numpy": ("computes the integer reference", True),
    "pyserial": ("talks to boards", True),
    "unicorn": ("runs the images that would be flashed, on modelled chips", False),
    "textual": ("shows a field session in a terminal", False),
    "pyocd": ("flashes the ear tag, as an alternative to OpenOCD", False),
}


def not_followed() -> list[str]:
    """Return a sentence for each setting in the environment or in keras.json that mcukd computes without."""
    # TensorFlow sets TF2_BEHAVIOR=1 itself when it is imported.
    set_by_import = {"TF2_BEHAVIOR": "1"}
    settings = {
        name: os.environ[name]
        for name in DROPPED
        if os.environ.get(name) and os.environ[name] != set_by_import.get(name)
    }
    settings.update(overridden)
    if os.environ.get("KERAS_BACKEND", BACKEND) != BACKEND:
        settings["KERAS_BACKEND"] = os.environ["KERAS_BACKEND"]
    said = [f"{name}={value}" for name, value in sorted(settings.items())]
    said += _keras_json()
    return [
        f"{setting}: ignored; mcukd trains with Keras on {BACKEND}, {FLOATX}, {DATA_FORMAT}, without "
        "oneDNN, so that the same data give the same weights everywhere."
        for setting in said
    ]


def _keras_json() -> list[str]:
    """Return the settings of the user's keras.json that differ; Keras itself writes one with its defaults."""
    file = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # Keras ignores it as well
    ours = {"backend": BACKEND, "floatx": FLOATX, "image_data_format": DATA_FORMAT, "epsilon": EPSILON}
    found = content if isinstance(content, dict) else {}
    others = [f"{name} {found[name]}" for name in ours if name in found and found[name] != ours[name]]
    return [f"{file} ({', '.join(others)})"] if others else []


def examine() -> list[Requirement]:
    """Return Python, the programs and the packages, found without importing any of them."""
    python = Requirement("python", platform.python_version(), "runs mcukd (3.11 to 3.13)", "", True)
    return [
        python,
        *(_package(name, *facts) for name, facts in _PACKAGES.items()),
        *(_program(name, *facts) for name, facts in _PROGRAMS.items()),
        *(
            _program(name, "flashes a board through a debug probe", False)
            for name in RUNNERS
            if name not in _PACKAGES
        ),
    ]


def _package(name: str, purpose: str, required: bool) -> Requirement:
    try:
        found: str | None = version(name)
    except PackageNotFoundError:
        found = None
    remedy = install_line(name) if name in chain.from_iterable(EXTRAS.values()) else f"pip install {name}"
    return Requirement(name, found, purpose, remedy, required)


def _program(name: str, purpose: str, required: bool) -> Requirement:
    path = shutil.which(name)
    return Requirement(name, _version_of(path) if path else None, purpose, program_line(name), required)


def _version_of(path: str) -> str:
    """Return the first version number a program prints, or "unknown" where it prints none."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    # Debian writes its own package version first, in brackets.
    number = re.search(r"\d+\.\d+(\.\d+)*", re.sub(r"\([^)]*\)", "", result.stdout + result.stderr))
    return number.group() if number else "unknown"
