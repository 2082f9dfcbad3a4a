"""Help of the command line: headings above the commands, options, and paragraphs that the terminal wraps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

#: Commands in the order in which a study uses them, under the headings of `mcukd --help`.
PANELS = {
    "First look": ("demo", "doctor"),
    "Recordings and training": ("data", "distill", "evaluate", "robustness", "sweep"),
    "The model as integers, C and firmware": (
        "quantize",
        "ranges",
        "bench",
        "generate",
        "build",
        "flash",
        "package",
        "boards",
    ),
    "Proof and reports": ("validate", "energy", "report", "archive", "verify"),
    "Unlabelled recordings": ("classify", "compare-models"),
    "Observers in the field": ("observe", "agree", "export"),
    "Tags and what they send": ("tag", "provision", "fetch", "log", "payload", "decode"),
}
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


class Command(TyperCommand):
    """A command whose flags are shown without a type, as they take no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments."""
        return _without_type(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, with flags as those of a `Command`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments."""
        return _without_type(super().get_params(ctx))


class AllCommands(Group):
    """All commands, in the order of the headings."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names; Typer would put groups last."""
        order = list(_PANEL_OF)
        return sorted(self.commands, key=lambda name: order.index(name) if name in order else len(order))


def finish(app: typer.Typer) -> None:
    """Put the commands under their headings, and let the terminal wrap the help of all.

    The lines of a docstring are longer than many terminals.
    """
    _finish(app, _PANEL_OF)
    for below in app.registered_groups:
        below.rich_help_panel = _PANEL_OF[str(below.name)]
        below.cls = Group
        if below.typer_instance is not None:
            if below.typer_instance.registered_callback is not None:
                _fill(below.typer_instance.registered_callback)
            _finish(below.typer_instance, {})


def _finish(group: typer.Typer, panels: Mapping[str, str]) -> None:
    for command in group.registered_commands:
        if panels:
            command.rich_help_panel = panels[command.name or str(getattr(command.callback, "__name__", ""))]
        if command.cls is TyperCommand:
            command.cls = Command
        _fill(command)


def _fill(told: Any) -> None:
    paragraphs = (inspect.getdoc(told.callback) or "").split("\n\n")
    told.help = "\n\n".join(text.replace("\n", " ") for text in paragraphs)


def _without_type(options: list[Any]) -> list[Any]:
    """Return options, flags among them without the type that Typer shows, as if they took a value."""
    for one in options:
        if getattr(one, "is_flag", False) and one.metavar is None:
            one.metavar = ""
    return options
