"""Command `mcukd validate`: proof of a firmware on a board, an emulated one or a modelled chip."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mcukd.cli.common import (
    JsonOption,
    OptimizeOption,
    RunOption,
    port_given,
    print_json,
    print_table,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(validate)


def validate(
    context: typer.Context,
    board: Annotated[
        str, typer.Option(envvar="MCUKD_BOARD", help="Board: collar, eartag, native, or a .toml file.")
    ],
    emulate: Annotated[
        bool,
        typer.Option("--emulate", help="Run the image that would be flashed on a model of the board's chip."),
    ] = False,
    port: Annotated[
        str | None,
        typer.Option(
            envvar="MCUKD_PORT",
            help="Serial port of a flashed board: /dev/tty…, COM…, socket://host:port, rfc2217://host:port.",
            show_default=False,
        ),
    ] = None,
    windows: Annotated[
        int, typer.Option(help="Windows to compare: recorded, at most 2,000, and extreme ones.")
    ] = 200,
    run: RunOption = None,
    optimize: OptimizeOption = None,
    json: JsonOption = False,
) -> None:
    """Prove that a device computes what the integer reference does, value by value.

    The exit status is 1 where any value differs.

    Example: [bold]mcukd validate --board collar --emulate[/bold]
    """
    from mcukd.boards.model import load_board
    from mcukd.harness.record import windows_wrong
    from mcukd.pipeline.validate import validate_study
    from mcukd.study import Study

    study = Study.open(run)
    facts = validate_study(
        study,
        load_board(board).with_optimize(optimize),
        emulate=emulate,
        port=port_given(context, port, emulate),
        windows=windows,
    )
    if json:
        print_json(facts)
    else:
        _print(facts)
    if windows_wrong(facts):
        raise typer.Exit(1)


def _print(facts: dict[str, Any]) -> None:
    from mcukd.harness.comparison import mismatch_sentence
    from mcukd.harness.reached import where_briefly, where_it_ran

    where = {"hardware": "", "not known": " (not shown to be the tag)"}
    place = where_briefly(facts)
    title = f"{facts['board']}{where.get(place, f' ({place})')} against the integer reference"
    print_table(title, ["", ""], _rows(facts))
    typer.echo(f"Where it ran: {where_it_ran(facts)}.")
    if facts["first_mismatch"]:
        typer.echo(mismatch_sentence(facts["first_mismatch"]))
    else:
        windows = f"{facts['windows']} window{'s' if facts['windows'] > 1 else ''}"
        typer.echo(f"Every class, logit and state checksum of {windows} is equal.")
    if facts["sampling"]:
        typer.echo(facts["sampling"])
    if facts["scale"]:
        scale = facts["scale"]
        typer.echo(scale["sentence"])
        typer.echo(
            f"At the sensor's counts {scale['classes_changed']:,} of {scale['windows']:,} recorded windows "
            "are given another class than at the card's."
        )
    if facts["counter_problem"]:
        typer.echo(facts["counter_problem"])
    if not facts["selftest"]["passed"]:
        typer.echo("The device's own known-answer test failed.")
    if not facts["streaming"]["passed"]:
        typer.echo("Samples streamed as in operation gave another class or other logits than their window.")


def _rows(facts: dict[str, Any]) -> list[list[str]]:
    from mcukd.harness.reached import where_briefly

    answers = facts["selftest"]["answers"]
    rows = [
        ["windows (extremes among them)", f"{facts['windows']:,} ({facts['extreme_windows']:,})"],
        ["mismatches", str(facts["mismatches"])],
        [f"known-answer test of {answers} windows", "passed" if facts["selftest"]["passed"] else "FAILED"],
    ]
    for kind in ("instructions", "cycles"):
        if facts[f"{kind}_per_window"] is not None:
            least, most = facts["count_range"]
            shown = f"{facts[f'{kind}_per_window']:,} ({least:,} … {most:,})"
            where = {"hardware": "", "not known": ", not shown to be the tag's"}
            place = where_briefly(facts)
            rows.append([f"{kind} per window{where.get(place, f', {place}')}", shown])
    for key, name in (
        ("stack_high_water_bytes", "stack high-water mark over all requests, bytes"),
        ("flash_bytes", "flash, bytes"),
        ("ram_bytes", "RAM, bytes"),
    ):
        if facts[key] is not None:
            rows.append([name, f"{facts[key]:,}"])
    rows += [
        ["sent, received, bytes", f"{facts['bytes_sent']:,}, {facts['bytes_received']:,}"],
        ["retries", str(facts["retries"])],
        ["seconds", f"{facts['seconds']:.1f}"],
    ]
    return rows
