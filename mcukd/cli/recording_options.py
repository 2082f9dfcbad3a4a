"""Options shared by `mcukd classify` and `mcukd compare-models`: how files of recordings are read."""

from __future__ import annotations

from typing import Annotated

import typer

TimeColumnOption = Annotated[
    str | None,
    typer.Option("--time-column", help="Column of stamps; without a zone they are UTC.", show_default=False),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        metavar="ISO", help="Time of the first sample, where no column says it.", show_default=False
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(metavar="HZ", help="Samples per second; goes with --start.", show_default=False),
]
