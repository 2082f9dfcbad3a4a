"""The command that checks data against its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from mcukd.data.check import Checked


def check_data(
    card: Annotated[
        str,
        typer.Argument(metavar="CARD|PATH", help="Bundled card, path of a .toml, or file or folder of data."),
    ],
    data_root: DataRootOption = None,
    page: Annotated[
        Optional[Path], typer.Option("--page", help="Write an HTML page with figures.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of a simulated herd.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare recordings with their card, and say what each difference does to training.

    Rate, gaps, clipping, gravity, axes, copies, classes, mixed windows, and behaviours that look alike. Data
    without a card is imported into a temporary folder first, with the likeliest answer to every question.

    Example: [bold]mcukd data check cow-collar --data-root ~/data --page check.html[/bold]
    """
    from mcukd.data.check import check
    from mcukd.data.importing.look import card_of

    with card_of(card, data_root) as found:
        checked = check(found, data_root, seed)
        if page is not None:
            from mcukd.data.check_page import write_page

            write_page(checked, page)
    if as_json:
        print_json(checked.as_dict())
        return
    _print(checked)
    if page is not None:
        print(f"\nPage written to {page}.")


def _print(checked: Checked) -> None:
    card = checked.card
    simulated = " (SIMULATED, no animal wore a sensor)" if card.simulated else ""
    print(f"{card.name}: {card.title}{simulated}")
    print(
        f"  {card.signal.units} at {card.signal.rate_hz:g} Hz, gravity on "
        f"{checked.gravity_axis or 'no axis'}, "
        f"{len(checked.animals)} animals"
    )
    rows = [
        [
            name,
            f"{facts['minutes']:.1f}",
            f"{facts['rate_hz']:g}" if facts["rate_hz"] else "–",
            f"{facts['jitter']:.0%}" if facts["jitter"] is not None else "–",
            str(facts["gaps"]),
            f"{facts['rest_g']:.3f}" if facts["rest_g"] else "–",
            " ".join(f"{value:+.2f}" for value in facts["gravity"]),
            f"{facts['greatest_g']:.2f}",
        ]
        for name, facts in checked.animals.items()
    ]
    print_table(
        "Animals", ["animal", "min", "Hz", "jitter", "gaps", "rest g", "gravity x y z", "max g"], rows
    )
    for weight, title in (("problem", "Problems"), ("warning", "Warnings"), ("note", "Notes")):
        found = [one for one in checked.grouped() if one.weight == weight]
        if found:
            print(f"\n{title}")
        for one in found:
            print(f"- {one.sentence}.\n  In training: {one.effect}.")
