"""Typer application with all commands, in the order in which a study uses them."""

from __future__ import annotations

import importlib

import typer

from mcukd.cli.help import AllCommands, finish

app = typer.Typer(
    name="mcukd",
    cls=AllCommands,
    help="Behaviour classifiers for animal-borne tags: distilled, in fixed point, proven on the device.\n\n"
    "Begin with [bold]mcukd demo[/bold], where everything is simulated, or with "
    "[bold]mcukd data import PATH[/bold] and recordings of your own. Each command has "
    "[bold]--help[/bold] with an example.",
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


finish(app)
