"""Puts the command groups together."""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    name="mcukd",
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


# In the order of the road: `mcukd --help` lists them so.
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
    "validate",
    "report",
    "classify",
    "doctor",
):
    importlib.import_module(f"mcukd.cli.{_name}").register(app)
