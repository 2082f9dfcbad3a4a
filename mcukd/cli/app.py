"""Typer application with all commands, in the order of the pipeline."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import typer
from typer.core import TyperGroup

#: Commands in the order of the pipeline, as `mcukd --help` lists them.
_PIPELINE = (
    "demo",
    "data",
    "distill",
    "evaluate",
    "robustness",
    "sweep",
    "quantize",
    "ranges",
    "bench",
    "generate",
    "build",
    "flash",
    "package",
    "validate",
    "energy",
    "report",
    "archive",
    "verify",
    "classify",
    "compare-models",
    "observe",
    "agree",
    "export",
    "tag",
    "provision",
    "fetch",
    "log",
    "payload",
    "decode",
    "boards",
    "doctor",
)


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the pipeline; Typer would put groups last."""
        known = list(self.commands)
        return sorted(known, key=lambda name: _PIPELINE.index(name) if name in _PIPELINE else len(_PIPELINE))


app = typer.Typer(
    name="mcukd",
    cls=_InOrder,
    help="Behaviour classifiers for animal-borne tags: distilled, in fixed point, proven on the device.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Declare the options before any command."""
    if show:
        from mcukd import __version__

        print(__version__)
        raise typer.Exit


for _name in (
    "demo",
    "data",
    "distill",
    "evaluate",
    "robustness",
    "sweep",
    "quantize",
    "ranges",
    "bench",
    "firmware",
    "package",
    "validate",
    "energy",
    "report",
    "archive",
    "classify",
    "compare_models",
    "observe",
    "agree",
    "export",
    "tag",
    "provision",
    "fetch",
    "log",
    "payload",
    "decode",
    "doctor",
):
    importlib.import_module(f"mcukd.cli.{_name}").register(app)


def _fill(group: typer.Typer) -> None:
    """Let the terminal wrap help: the lines of a docstring are longer than many terminals."""
    for below in [one.typer_instance for one in group.registered_groups if one.typer_instance]:
        if below.registered_callback is not None:
            _fill_one(below.registered_callback)
        _fill(below)
    for command in group.registered_commands:
        _fill_one(command)


def _fill_one(told: Any) -> None:
    paragraphs = (inspect.getdoc(told.callback) or "").split("\n\n")
    told.help = "\n\n".join(text.replace("\n", " ") for text in paragraphs)


_fill(app)
