"""Cache of C libraries compiled for this computer.

One library serves every model of a shape, whatever its widths, formats and weights. Its name is a hash of
source, flags and the compiler's own account of itself and of this processor, so another compiler, another
computer with the same home directory, or another mcukd never loads it by mistake.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from mcukd.files import folder_beside, make_folder
from mcukd.platforms import library_suffix
from mcukd.resources import resource_dir

#: The C is vectors already; GCC would make vectors of the table lookups too, at a loss.
FLAGS = ("-std=c99", "-O3", "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-fPIC", "-shared")
#: Where a compiler does not know it, vectors are those of the platform's least processor.
NATIVE = "-march=native"
_SOURCE = "mcukd_batch.c"
_TIMEOUT_S = 120


class CannotBuild(Exception):
    """Says in a phrase why there is no library; callers compute with NumPy then."""


def cache_dir() -> Path:
    """Return where libraries are kept: $MCUKD_CACHE, or `mcukd` in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("MCUKD_CACHE")
    if own:
        return Path(own)
    # The XDG base directory specification has relative paths ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "mcukd"


def render(template: str, facts: dict[str, Any]) -> str:
    """Return C rendered from a template of `firmware_templates`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("firmware_templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(facts)


def load_library(text: str) -> ctypes.CDLL:
    """Return the library of C source, built unless an earlier process did. Raises CannotBuild."""
    command, identity = compiler(os.environ.get("CC") or "cc")
    key = hashlib.sha256("\0".join([text, *command[1:], identity]).encode()).hexdigest()
    try:
        path = cache_dir() / f"batch-{key[:32]}{library_suffix()}"
        if not path.exists():
            build(command, text, path)
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # damaged since it was built
            build(command, text, path)
            return ctypes.CDLL(str(path))
    except (OSError, RuntimeError) as error:  # RuntimeError: no home directory
        raise CannotBuild(f"the cache cannot be used ({error}); set MCUKD_CACHE to another folder") from error


def build(command: tuple[str, ...], text: str, path: Path) -> None:
    """Build in a directory of this process alone and rename: others see no library or a whole one."""
    make_folder(path.parent)
    with folder_beside(path) as scratch:
        file, library = scratch / _SOURCE, scratch / path.name
        file.write_text(text, encoding="utf-8")
        result = _run([*command, file.name, "-o", library.name], str(scratch))
        if result.returncode or not library.exists():
            message = (result.stderr.strip() or "no message").splitlines()[0]
            raise CannotBuild(f"{command[0]} does not compile {_SOURCE}: {message}")
        library.replace(path)


@cache
def compiler(name: str) -> tuple[tuple[str, ...], str]:
    """Return the command that compiles, and the identity of this compiler on this processor.

    Predefined macros name the compiler's version and each extension of the processor that it will use.
    """
    try:
        program = shlex.split(name)
    except ValueError as error:
        raise CannotBuild(f"CC={name} is no command ({error})") from error
    for native in ((NATIVE,), ()):
        command = (*program, *FLAGS, *native)
        result = _run([*command, "-E", "-dM", "-x", "c", os.devnull])
        if result.returncode == 0:
            return command, result.stdout
    raise CannotBuild(f"{name} is no C compiler that takes the options of GCC and Clang")


def _run(argv: list[str], folder: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise CannotBuild(f"there is no C compiler '{argv[0]}' on the PATH") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"'{argv[0]}' does not run ({error})") from error
