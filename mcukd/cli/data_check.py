"""Command `mcukd data check`: checks of data against its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from mcukd.data.card import Card
    from mcukd.data.quality.check import Checked
    from mcukd.evaluation.mounting import MountingComparison


def check_data(
    card: Annotated[
        str,
        typer.Argument(metavar="CARD|PATH", help="Bundled card, path of a .toml, or file or folder of data."),
    ],
    data_root: DataRootOption = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="Write an HTML page with figures.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of a simulated herd.")] = 0,
    mounting: Annotated[
        bool,
        typer.Option(
            "--mounting", help="Compare aligned, turned and any on held-out animals; a minute or so."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare recordings with their card, and say what each difference does to training.

    Rate, gaps, clipping, gravity, axes, copies, classes, mixed windows, and behaviours that look alike. Data
    without a card is imported into a temporary folder first, with the likeliest answer to every question.
    --mounting also says what each of the card's three mountings costs, by a forest on hand features.

    Example: [bold]mcukd data check cow-collar --data-root ~/data --page check.html[/bold]

    Example: [bold]mcukd data check my-herd/card.toml --mounting[/bold]
    """
    from mcukd.data.importer.auto_card import card_of
    from mcukd.data.quality.check import check

    with card_of(card, data_root) as found:
        checked = check(found, data_root, seed)
        compared = _compared(found, data_root, seed) if mounting else None
        if page is not None:
            from mcukd.data.quality.page import write_page

            write_page(checked, page)
    if as_json:
        print_json({**checked.as_dict(), **({"mounting": _facts(compared)} if compared else {})})
        return
    _print(checked)
    if compared:
        _print_mounting(compared)
    if page is not None:
        print(f"\nPage written to {page}.")


def _compared(card: Card, data_root: Path | None, seed: int) -> MountingComparison:
    from mcukd.data.load import load_windows
    from mcukd.evaluation.mounting import compare_mountings, work
    from mcukd.progress import progress

    windows = load_windows(card, data_root, seed=seed)
    with progress("Comparing mountings", work(windows)) as advance:
        return compare_mountings(windows, card.signal.mounting, seed, advance)


def _facts(compared: MountingComparison) -> dict[str, Any]:
    from dataclasses import asdict

    from mcukd.evaluation.mounting import sentence

    return {
        **asdict(compared),
        "best": compared.best.mounting,
        "told_apart": compared.is_shown,
        "sentence": sentence(compared),
    }


def _print_mounting(compared: MountingComparison) -> None:
    from mcukd.evaluation.mounting import sentence

    def with_range(value: float, found: tuple[float, float] | None) -> str:
        return f"{value:.3f}" + ("" if found is None else f" [{found[0]:.3f}, {found[1]:.3f}]")

    print()
    rows = [
        [
            one.mounting + (" (the card's)" if one.mounting == compared.stated else ""),
            with_range(one.mcc, one.mcc_interval),
            with_range(one.cost, one.cost_interval) if one.mounting != compared.best.mounting else "best",
        ]
        for one in compared.costs
    ]
    print_table("Mounting", ["mounting", "MCC [95 %]", "costs, MCC [95 %]"], rows)
    print(
        f"A random forest on hand features, on {compared.animals} animals in {compared.groups} groups, each "
        f"left out once, {compared.windows:,} windows; intervals are over animals.\n"
        f"{sentence(compared)[0].upper()}{sentence(compared)[1:]}."
    )


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
