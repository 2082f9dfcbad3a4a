"""Extras: packages that only some commands need, and what to say where one is missing.

`pip install mcukd` brings what flashes, validates and reads tags. Everything else is in an extra of
`pyproject.toml`, is imported where it is used, and is missing in an installation without that extra.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mcukd.errors import UserError

#: Extra → the modules that its packages are imported as.
EXTRAS: dict[str, tuple[str, ...]] = {
    "data": ("matplotlib", "openpyxl", "pandas", "pyarrow", "scipy", "sklearn"),
    "train": ("ai_edge_litert", "keras", "tensorflow"),
    "devices": ("actfast",),
    "cluster": ("dask", "distributed"),
    "chips": ("unicorn",),
    "observe": ("segno", "starlette", "textual", "uvicorn", "websockets"),
    "search": ("optuna",),
}
#: Module → package, where its name is another one.
_PACKAGES = {"ai_edge_litert": "ai-edge-litert", "sklearn": "scikit-learn"}
#: Command → the extra that brings all it needs, where that of the first package it lacks brings too little or
#: far too much.
_OF_COMMANDS = {
    **dict.fromkeys(("agree", "archive", "package", "verify"), "field"),
    **dict.fromkeys(("demo", "distill", "evaluate", "quantize", "ranges", "sweep"), "train"),
}


def install_line(module: str, extra: str | None = None) -> str:
    """Return the command that installs the package of a module with its extra, or with another one."""
    return f"pip install 'mcukd[{extra or _extra_of(module)}]'"


def missing(module: str, what: str, otherwise: str = "", extra: str | None = None) -> UserError:
    """Return the error that says which package `what` needs and how to install it.

    module: as it is imported, one of `EXTRAS`. otherwise: what to do instead, such as "or give --csv". extra:
    another extra that brings it.
    """
    package = _PACKAGES.get(module, module)
    return UserError(
        f"{what} needs the package {package}, which is not installed; install it with: "
        f"{install_line(module, extra)}{f', {otherwise}' if otherwise else ''}."
    )


def load(module: str, what: str, otherwise: str = "") -> Any:
    """Import a module of an extra and return it. Raises UserError (`missing`) where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A package that is there and lacks one of its own is damaged, and that one is to be told.
        if _extra_of(str(error.name)) is None:
            raise
        raise missing(_top(str(error.name)), what, otherwise) from None


def require(module: str, what: str, otherwise: str = "", extra: str | None = None) -> None:
    """Raise UserError (`missing`) where a module of an extra is not installed; import nothing."""
    if not is_installed(module):
        raise missing(module, what, otherwise, extra)


def is_installed(module: str) -> bool:
    """Tell whether a module can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # ValueError: its name is taken, by None or without a spec
        return False


def sentence_about(error: BaseException, command: str | None = None) -> str | None:
    """Return what to say of an import that failed without an extra, None of another error.

    command: of mcukd, as it is typed; the extra that is named brings all that it needs.
    """
    if not isinstance(error, ModuleNotFoundError) or _extra_of(str(error.name)) is None:
        return None
    module = _top(str(error.name))
    extra = _OF_COMMANDS.get(command or "")
    # What "field" and "train" do not bring, such as a cluster's package, is in an extra of its own.
    return str(missing(module, "this command", extra=extra if _brings(extra, module) else None))


def _brings(extra: str | None, module: str) -> bool:
    """Tell whether an extra of `_OF_COMMANDS` brings a module's package."""
    if extra == "field":
        return module in ("matplotlib", "scipy")
    return extra == "train" and _extra_of(module) in ("data", "train")


def _top(module: str) -> str:
    return module.partition(".")[0]


def _extra_of(module: str) -> str | None:
    return next((extra for extra, modules in EXTRAS.items() if _top(module) in modules), None)
