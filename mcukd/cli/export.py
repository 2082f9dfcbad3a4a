"""Command `mcukd export`: behaviour over time for BORIS, Movebank or mHealth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcukd.cli.behaviour_options import (
    AnimalOption,
    BaseOption,
    BeginsOption,
    DayFirstOption,
    DriftOption,
    HoldOption,
    MapOption,
    ObservationOption,
    OffsetOption,
    SmoothingOption,
    SubjectOption,
    TimezoneOption,
    UnitOption,
    WindowOption,
    pairs_of,
    reading_of,
)
from mcukd.cli.common import ClassesOption, JsonOption, StudyOption, names_in, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE…",
            help="A tag's log, windows of 'mcukd classify', a session's folder, or labels.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write.")],
    boris: Annotated[
        bool,
        typer.Option("--boris", help="A project of BORIS (.boris), or a sheet of events for one (.xlsx)."),
    ] = False,
    movebank: Annotated[
        bool, typer.Option("--movebank", help="CSV of Movebank's accessory measurements, in UTC.")
    ] = False,
    mhealth: Annotated[bool, typer.Option("--mhealth", help="mHealth's CSV, in --timezone.")] = False,
    run: StudyOption = None,
    classes: ClassesOption = None,
    tag_id: Annotated[
        list[str] | None,
        typer.Option(
            "--tag-id",
            metavar="ANIMAL=TAG",
            help="Identifier of an animal's tag, for Movebank; may be repeated. Default: the animal's.",
            show_default=False,
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", help="Which account of an animal to write, where it has several.", show_default=False
        ),
    ] = None,
    timezone: TimezoneOption = None,
    observation: ObservationOption = None,
    subject: SubjectOption = None,
    mapping: MapOption = None,
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
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write behaviour over time for BORIS, Movebank or mHealth, with wall-clock times.

    docs/reference/annotations.md says what each file holds.

    Example: [bold]mcukd export cow-17.log --run runs/latest --animal Bella --movebank --out bella.csv[/bold]

    Example: [bold]mcukd export cow-17.log --run runs/latest --animal Bella --boris --out bella.boris[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.pipeline.behaviour import tag_model
    from mcukd.pipeline.export import BORIS, MHEALTH, MOVEBANK
    from mcukd.pipeline.export import export as stage
    from mcukd.study import Study
    from mcukd.text import listed, plural

    forms = [name for name, given in ((BORIS, boris), (MOVEBANK, movebank), (MHEALTH, mhealth)) if given]
    if len(forms) != 1:
        raise UserError("one of --boris, --movebank and --mhealth is expected.")
    model = tag_model(
        None if run is None else Study.open(run), names_in(classes) if classes else (), window, smoothing
    )
    reading = reading_of(
        mapping=mapping,
        subject=subject,
        observation=observation,
        begins=begins,
        animal=animal,
        timezone=timezone,
        unit=unit,
        base=base,
        hold=hold,
        day_first=day_first,
        offset_s=offset,
        drift_ppm=drift,
        model=model,
    )
    facts = stage(
        sources,
        forms[0],
        out,
        reading,
        zone=timezone or "UTC",
        tags=pairs_of("--tag-id", tag_id),
        who=account,
        replace_file=replace,
    )
    if json:
        print_json(facts)
        return
    for note in facts["notes"]:
        typer.echo(note)
    typer.echo(
        f"{out}: {plural(facts['bouts'], 'bout')} of "
        f"{listed(name or 'an animal without a name' for name in facts['animals'])}."
    )
