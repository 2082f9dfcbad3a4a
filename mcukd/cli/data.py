"""Commands `mcukd data list`, `describe` and `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table
from mcukd.cli.data_check import check_data
from mcukd.cli.data_import import import_data
from mcukd.text import plural

CardArgument = Annotated[
    str, typer.Argument(metavar="CARD", help="Name of a bundled card, or path of a .toml.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of a simulated herd.")]


def register(app: typer.Typer) -> None:
    """Add the group `data`."""
    group = typer.Typer(
        help="Data sets: list, describe, import and check them, or simulate a herd.",
        no_args_is_help=True,
    )
    group.command("list")(list_data)
    group.command("describe")(describe_data)
    group.command("import")(import_data)
    group.command("check")(check_data)
    group.command("simulate")(simulate_data)
    app.add_typer(group, name="data")


def list_data(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """List the bundled cards and whether their data is found.

    Example: [bold]mcukd data list --data-root ~/data[/bold]
    """
    from mcukd.data.card import list_cards
    from mcukd.data.describe import find_data
    from mcukd.data.features import list_feature_cards

    facts: list[dict[str, Any]] = []
    for card in list_cards():
        folder = find_data(card, data_root)
        facts.append(
            {
                "name": card.name,
                "title": card.title,
                "simulated": card.simulated,
                "licence": card.licence,
                "rate_hz": card.rate_hz,
                "window": card.window,
                "classes": list(card.classes),
                "found": card.simulated or folder is not None,
                "folder": str(folder) if folder else None,
            }
        )
    tables = [
        {"name": table.name, "title": table.title, "kind": table.kind, "classes": list(table.classes)}
        for table in list_feature_cards()
    ]
    if as_json:
        print_json([*facts, *tables])
        return
    rows = [
        [
            fact["name"],
            "yes" if fact["simulated"] else "no",
            "found" if fact["folder"] else "in memory" if fact["simulated"] else "not found",
            f"{fact['rate_hz']:g}",
            str(fact["window"]),
            str(len(fact["classes"])),
        ]
        for fact in facts
    ]
    print_table("Data sets", ["card", "simulated", "data", "Hz", "window", "classes"], rows, left=3)
    for table in tables:
        print(f"{table['name']}: {table['title']}; a table for a classifier head, no signal")


def describe_data(
    card: CardArgument, data_root: DataRootOption = None, seed: SeedOption = 0, as_json: JsonOption = False
) -> None:
    """Check a data set against its card and show what is in it.

    Example: [bold]mcukd data describe cow-collar --data-root ~/data[/bold]
    """
    from mcukd.data.card import load_card
    from mcukd.data.describe import describe

    facts = describe(load_card(card), data_root, seed)
    if as_json:
        print_json(facts)
    else:
        _print_description(facts)


def simulate_data(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; new or empty.", show_default=False)],
    card: Annotated[str, typer.Option("--card", help="herd-sim, herd-sim-eartag or your own.")] = "herd-sim",
    seed: SeedOption = 0,
    animals: Annotated[
        int | None, typer.Option("--animals", min=2, max=500, help="Animals. Default: the card's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=5, max=600, help="Minutes each. Default: the card's.")
    ] = None,
) -> None:
    """Write a simulated herd as CSV files in g, with a card beside them.

    Example: [bold]mcukd data simulate --out herd --animals 6 --seed 1[/bold]
    """
    from mcukd.data.card import load_card
    from mcukd.data.simulation.export import export_simulation
    from mcukd.data.simulation.simulator import resized

    written = export_simulation(resized(load_card(card), animals, minutes), out, seed)
    print(f"Simulated herd written to {out}; look at it with 'mcukd data describe {written}'.")


def _print_description(facts: dict[str, Any]) -> None:
    simulated = "SIMULATED, no animal wore a sensor" if facts["simulated"] else "recorded"
    print(f"{facts['name']}: {facts['title']} ({simulated})")
    print(f"  licence       {facts['licence']}")
    print(f"  source        {facts['citation']}")
    print(f"  samples       {facts['units']} at {facts['rate_hz']:g} Hz, identity {facts['sha256'][:12]}")
    print(f"  sensor        ±{facts['range_g']:g} g, {facts['counts_per_g']:g} counts per g")
    print(f"  axes          {'; '.join(f'{name}: {meaning}' for name, meaning in facts['axes'].items())}")
    print(
        f"  window        {facts['window']} samples = {facts['window_seconds']:g} s; hop {facts['hop']}, "
        f"in training {facts['train_hop']}, in operation {facts['operation_hop']}"
    )
    for split, found in facts["splits"].items():
        said = plural(found["folds"], "fold") if found["folds"] else f"none: {found['reason']}"
        print(f"  {split:<13} {said}")
    clipped = {animal: share for animal, share in facts["clipped"].items() if share > 0}
    worst = max(clipped, key=lambda animal: clipped[animal]) if clipped else None
    print(
        "  clipped       "
        + (f"at most {clipped[worst]:.2%} of an animal's values ({worst})" if worst else "nothing")
    )
    print()
    per_class = facts["windows"]
    rows = [[animal, *(str(per_class[name][animal]) for name in per_class)] for animal in facts["animals"]]
    rows.append(["all", *(str(sum(counts.values())) for counts in per_class.values())])
    print_table("Windows", ["animal", *per_class], rows)
    print(
        f"Windows at the evaluation hop of {facts['hop']} samples: {facts['total']}, from "
        f"{facts['segments']} segments.\n"
        f"In training, at a hop of {facts['train_hop']} samples: {facts['training_total']}."
    )
