"""Pages of the package's modules, one a room: what is public, from docstrings, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from repository import ROOT

#: Rooms that a notebook or a program of one's own calls, in the order of a study's life, and folders of a
#: room that are shown as well. The other rooms are read in their sources.
ROOMS: dict[str, tuple[str, ...]] = {
    "pipeline": (),
    "study": (),
    "data": (),
    "metrics": (),
    "models": (),
    "training": (),
    "distillation": (),
    "fixedpoint": ("gru",),
    "inference": (),
    "evaluation": (),
    "robustness": (),
    "classify": (),
    "annotations": (),
    "observation": (),
    "boards": (),
    "harness": (),
    "tag": (),
    "payload": (),
    "radio": (),
    "energy": (),
    "plugins": (),
    "errors": (),
}
_PACKAGE = ROOT / "mcukd"


def module_pages() -> dict[str, str]:
    """Return the Markdown of the pages by their names; mkdocstrings fills it in."""
    pages = {"api/index.md": "\n".join(_index())}
    for room, folders in ROOMS.items():
        lines = [f"# mcukd.{room}\n"]
        modules = list(_modules(room, folders))
        lines += [f"::: {name}\n" for name, _ in modules]
        pages[f"api/{room}.md"] = "\n".join(lines)
    return pages


def _index() -> Iterator[str]:
    yield "# Modules\n"
    yield (
        "What a notebook or a program of your own can call. Stages are functions of "
        "[mcukd.pipeline](pipeline.md); what they are made of is in the rooms below it "
        "([architecture](../architecture.md)). Errors that a user can mend are a `UserError`. Everything "
        "here is read from the sources, without importing them.\n"
    )
    yield "| module | what it is |\n|---|---|"
    for room in ROOMS:
        yield f"| [mcukd.{room}]({room}.md) | {_first_line(_file(room))} |"
    yield ""


def _modules(room: str, folders: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the modules of a room that have something public in them, as (name, file)."""
    file = _file(room)
    if file.name != "__init__.py":
        yield f"mcukd.{room}", file
        return
    for folder in (file.parent, *(file.parent / name for name in folders)):
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_") and _has_public(path):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def _file(room: str) -> Path:
    folder = _PACKAGE / room
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _has_public(path: Path) -> bool:
    defined = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, defined) and not node.name.startswith("_") for node in _parsed(path).body)


def _first_line(path: Path) -> str:
    text = (ast.get_docstring(_parsed(path)) or "").split("\n\n")[0].replace("\n", " ")
    return text.replace("|", "\\|").replace("<", "&lt;")


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
