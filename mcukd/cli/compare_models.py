"""Command `mcukd compare-models`: two studies' integer models on the same recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, names_in, print_json, print_table
from mcukd.cli.recording_options import RateOption, StartOption, TimeColumnOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare-models")(compare_models)


def compare_models(
    first: Annotated[Path, typer.Argument(metavar="A", help="Study of the old model.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Study of the new model.")],
    recordings: Annotated[
        list[Path],
        typer.Argument(help="Recordings as 'mcukd classify' takes them, or a card of labelled data."),
    ],
    recordings_b: Annotated[
        list[Path] | None,
        typer.Option(
            "--recordings-b",
            help="The same recordings as B takes them, where it has another rate or scale; one each.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[str, typer.Option(metavar="X,Y,Z", help="Columns, in the models' order.")] = "x,y,z",
    time_column: TimeColumnOption = None,
    start: StartOption = None,
    rate: RateOption = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="What observers saw: BORIS, mHealth, a table of labels; may be repeated.", show_default=False
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of local times in --labels, and of --start (UTC).", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Longest differing stretches to list.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.csv", help="Write every differing stretch.", show_default=False),
    ] = None,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Compare the answers of two integer models on the same recordings, before the new one goes on animals.

    Prints how much of the time they agree, which behaviour became which, minutes per day by both, and the
    stretches that differ longest; where there are labels, which model is right where they differ.

    Example: [bold]mcukd compare-models runs/old runs/new collars/*.parquet --time-column time[/bold]
    """
    from mcukd.annotations.reading import Reading
    from mcukd.pipeline.classify import RecordingOptions
    from mcukd.pipeline.compare_models import compare_models as compare
    from mcukd.study import Study

    facts = compare(
        Study.open(first),
        Study.open(second),
        recordings,
        RecordingOptions(
            columns=names_in(columns),
            time_column=time_column,
            start=start,
            rate_hz=rate,
            timezone=timezone or "UTC",
        ),
        second_paths=recordings_b or (),
        labels=labels or (),
        reading=Reading(timezone=timezone),
        top=top,
        out=out,
        data_root=data_root,
    )
    if json:
        print_json(facts)
    else:
        _print(facts)


def _print(facts: dict[str, Any]) -> None:
    for key in ("a", "b"):
        one = facts[key]
        typer.echo(
            f"{key.upper()}: {one['run']}, model {one['model_sha256'][:12]}, windows of {one['window']} "
            f"samples every {one['hop']} at {one['rate_hz']:g} Hz"
        )
    if facts["same_model"]:
        typer.echo("Both studies hold the same integer model.")
    for key in ("a", "b"):
        if facts[f"only_{key}"]:
            typer.echo(f"Only {key.upper()} has: {', '.join(facts[f'only_{key}'])}")
    _print_shares(facts)
    _print_tables(facts)
    if facts["labels"]:
        _print_labels(facts)
    for where, note in facts["notes"].items():
        if note:
            typer.echo(f"{where}: {note}")
    if facts["simulated_data"]:
        typer.echo("The recordings are SIMULATED: they say nothing of real animals.")
    if facts["a"]["model_of_simulated_data"] or facts["b"]["model_of_simulated_data"]:
        typer.echo("At least one model was made from SIMULATED data: it says nothing of real animals.")
    if facts["out"]:
        typer.echo(f"{facts['out']}: {facts['differing_stretches']:,} differing stretches")


def _print_shares(facts: dict[str, Any]) -> None:
    from mcukd.text import between, plural, share

    animals = facts["same_share_by_animal"]
    count = len(facts["animals"])
    text = f"Same answer in {share(facts['same_share'])} of {facts['shared_minutes']:,.1f} shared minutes"
    if count > 1:
        text += f"; mean of {plural(count, 'animal')} {animals['mean']:.3f}, {between(animals['interval'])}"
    typer.echo(text)
    left = facts["not_shared_minutes"]
    if left["a"] or left["b"]:
        typer.echo(f"Classified by A alone {left['a']:.1f} minutes, by B alone {left['b']:.1f}")
    if facts["without_shared_time"]:
        typer.echo(f"No shared time: {', '.join(facts['without_shared_time'])}")


def _print_tables(facts: dict[str, Any]) -> None:
    from mcukd.text import between, share, signed

    others = list(next(iter(facts["table_minutes"].values())))
    print_table(
        "Minutes by A's answer (rows) and B's (columns)",
        ["", *others],
        [[name, *(f"{row[one]:.1f}" for one in others)] for name, row in facts["table_minutes"].items()],
    )
    over = " (interval over animals)" if len(facts["animals"]) > 1 else ""
    print_table(
        f"Minutes per day{over}",
        ["", "A", "B", "change", "interval"],
        [
            [name, f"{day['a']:.1f}", f"{day['b']:.1f}", signed(day["change"]), between(day["interval"], 1)]
            for name, day in facts["minutes_per_day"].items()
        ],
    )
    print_table(
        "By animal",
        ["animal", "minutes", "same answer", *facts["classes"]],
        [
            [
                one["animal"],
                f"{one['shared_minutes']:.1f}",
                share(one["same_share"]),
                *(signed(one["minutes_per_day"][name]["change"]) for name in facts["classes"]),
            ]
            for one in facts["animals"]
        ],
    )
    if facts["longest"]:
        shown = ["animal", "start", "end", "a", "b", *(["label"] if facts["labels"] else []), "seconds"]
        print_table(
            f"Longest of {facts['differing_stretches']:,} differing stretches",
            shown,
            [[one[name] for name in shown] for one in facts["longest"]],
            left=len(shown) - 1,
        )


def _print_labels(facts: dict[str, Any]) -> None:
    labels = facts["labels"]
    typer.echo(
        f"Of {labels['minutes']:,.1f} labelled minutes A is right in {labels['a_right_minutes']:,.1f}, B in "
        f"{labels['b_right_minutes']:,.1f}."
    )
    typer.echo(
        f"Of the {labels['differing_minutes']:,.1f} in which they differ A is right in "
        f"{labels['differing_a_right_minutes']:,.1f}, B in {labels['differing_b_right_minutes']:,.1f}, "
        f"neither in {labels['differing_neither_right_minutes']:,.1f}."
    )
    if labels["unknown"]:
        typer.echo(f"Neither model has the labels {', '.join(labels['unknown'])}.")
