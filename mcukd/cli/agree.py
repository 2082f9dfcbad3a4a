"""Command `mcukd agree`: an observer's labels against what a tag said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.behaviour_options import (
    AnimalOption,
    BaseOption,
    BeginsOption,
    DayFirstOption,
    DriftOption,
    HoldOption,
    LeaveOutOption,
    MapOption,
    ObservationOption,
    OffsetOption,
    SmoothingOption,
    SubjectOption,
    TimezoneOption,
    UnitOption,
    WindowOption,
    reading_of,
)
from mcukd.cli.common import ClassesOption, JsonOption, StudyOption, names_in, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(agree)


def agree(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="BORIS, mHealth, a table of labels, or the folder of a session."
        ),
    ],
    tags: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANIMAL=]TAGLOG",
            help="What a tag said: its log, decoded payloads, windows of 'mcukd classify'. With a "
            "session's folder its own tag is the default.",
            show_default=False,
        ),
    ] = None,
    run: StudyOption = None,
    classes: ClassesOption = None,
    tolerance: Annotated[float, typer.Option(metavar="S", help="Agreement within ± S seconds.")] = 2.0,
    bins: Annotated[
        float, typer.Option("--bin", metavar="MIN", help="Minutes of a bin of the time budgets.")
    ] = 5.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.html|json", help="Write a page, or the figures.", show_default=False
        ),
    ] = None,
    timezone: TimezoneOption = None,
    observation: ObservationOption = None,
    subject: SubjectOption = None,
    mapping: MapOption = None,
    leave_out: LeaveOutOption = False,
    animal: AnimalOption = "",
    unit: UnitOption = None,
    base: BaseOption = None,
    hold: HoldOption = None,
    day_first: DayFirstOption = None,
    begins: BeginsOption = None,
    window: WindowOption = None,
    smoothing: SmoothingOption = 1,
    offset: OffsetOption = None,
    drift: DriftOption = 0.0,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Find the offset of the tag's clock, up to an hour, where both agree best; or say what is "
            "missing for that.",
            rich_help_panel="Tag",
        ),
    ] = False,
    period: Annotated[
        float | None,
        typer.Option(
            "--period",
            metavar="S",
            min=1,
            help="Seconds of a payload's period, the first of which began at --begins.",
            rich_help_panel="Tag",
            show_default=False,
        ),
    ] = None,
    clock: Annotated[
        float,
        typer.Option(
            "--clock-uncertainty",
            metavar="S",
            min=0,
            help="By how much the clocks may differ.",
            rich_help_panel="Tag",
        ),
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """Compare an observer's labels with what tags said: kappas, bouts, time budgets, per animal and together.

    docs/reference/annotations.md says which files are read and how; docs/reference/agreement.md what is
    computed.

    Example: [bold]mcukd agree observed.tsv cow-17.log --run runs/latest --timezone Europe/London[/bold]

    Example: [bold]mcukd agree observed.boris A=a.log B=b.log --run runs/latest --out agreement.html[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.metrics.agreement.settings import AgreementSettings
    from mcukd.pipeline.agree import agree as stage
    from mcukd.pipeline.behaviour import tag_model
    from mcukd.study import Study

    model = tag_model(
        None if run is None else Study.open(run), names_in(classes) if classes else (), window, smoothing
    )
    times = {"timezone": timezone, "unit": unit, "base": base, "hold": hold, "day_first": day_first}
    # The observer's labels have names of their own; a tag says the model's classes.
    reading = reading_of(
        mapping=mapping,
        subject=subject,
        observation=observation,
        begins=None if period is not None else begins,
        leave_out=leave_out,
        animal=animal,
        **times,
    )
    tag_reading = reading_of(
        begins=begins if period is not None else None,
        offset_s=offset,
        drift_ppm=drift,
        model=model,
        period_s=period,
        **times,
    )
    if align and offset is not None:
        raise UserError("--align finds what --offset states; give one.")
    settings = AgreementSettings(tolerance_s=tolerance, bin_minutes=bins, clock_uncertainty_s=clock)
    facts = stage(labels, [_tag(text) for text in tags or []], reading, tag_reading, settings, out, align)
    if json:
        print_json(facts)
    else:
        _print(facts, out)


def _tag(text: str) -> Any:
    """Return a tag's file, with its animal where the text names one before a mark."""
    from mcukd.pipeline.agree import TagFile

    animal, mark, path = text.partition("=")
    return TagFile(Path(text)) if not mark or Path(text).exists() else TagFile(Path(path), animal.strip())


def _print(facts: dict[str, Any], out: Path | None) -> None:
    from mcukd.metrics.agreement.sentences import agreement_columns, agreement_rows
    from mcukd.text import figure

    for note in facts["notes"]:
        typer.echo(note)
    if "agreement" in facts:
        found = facts["agreement"]
        tables = {"all animals": found["together"], **(found["animals"] if len(found["animals"]) > 1 else {})}
        for title, figures in tables.items():
            print_table(title, agreement_columns(found["names"]), agreement_rows(figures))
    else:
        found = facts["budget_agreement"]
        rows = [
            [name, *(figure(one["min_per_hour"][side], 1) for side in ("first", "second"))]
            for name, one in found["together"]["behaviours"].items()
        ]
        print_table("minutes per hour", ["behaviour", *found["names"]], rows)
    for sentence in found["sentences"]:
        typer.echo(sentence)
    if out is not None:
        typer.echo(f"{out}: written.")
