"""Command `mcukd classify`: unlabelled recordings classified by a study's integer model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import JsonOption, RunOption, SchedulerOption, names_in, print_json, print_table
from mcukd.cli.recording_options import RateOption, StartOption, TimeColumnOption
from mcukd.errors import UserError

if TYPE_CHECKING:
    from mcukd.fixedpoint.model import IntegerModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(classify)


def classify(
    files: Annotated[
        list[Path],
        typer.Argument(help="Parquet or .npy, one animal each; or what an import without labels made."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    run: RunOption = None,
    hop: Annotated[
        int | None,
        typer.Option(help="Samples between windows. Default: the model's.", show_default=False),
    ] = None,
    columns: Annotated[str, typer.Option(metavar="X,Y,Z", help="Columns, in the model's order.")] = "x,y,z",
    time_column: TimeColumnOption = None,
    start: StartOption = None,
    rate: RateOption = None,
    timezone: Annotated[
        str, typer.Option(help="Zone of the days of budget and ethogram, and of --start.")
    ] = "UTC",
    jobs: Annotated[
        int, typer.Option(min=1, max=1024, help="Files at a time, in processes of this computer.")
    ] = 1,
    scheduler: SchedulerOption = None,
    sample_windows: Annotated[
        int, typer.Option(min=0, help="Keep so many windows, evenly spread, with counts, classes and logits.")
    ] = 0,
    out_sample: Annotated[
        Path | None,
        typer.Option(help="Where they go. Default: sample.npz in --out.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Classify unlabelled recordings of any length with the integer model.

    Writes windows, daily time budgets, an ethogram and annotations of each; finished files are kept.

    Example: [bold]mcukd classify collars/*.parquet --time-column time --out results[/bold]
    """
    from mcukd.classify.outputs import merge_samples
    from mcukd.pipeline.classify import RecordingOptions, classifiable_model, classify_files, classify_jobs
    from mcukd.study import Study

    if out_sample is not None and not sample_windows:
        raise UserError("--out-sample goes with --sample-windows; say how many windows to keep.")
    study = Study.open(run)
    model = classifiable_model(study)
    recordings = classify_jobs(
        study,
        model,
        files,
        out,
        RecordingOptions(
            columns=names_in(columns),
            time_column=time_column,
            start=start,
            rate_hz=rate,
            timezone=timezone,
            hop=hop,
            sample_windows=sample_windows,
        ),
    )
    summaries = classify_files(recordings, jobs, scheduler)
    facts: dict[str, Any] = {"run": str(study.path), "out": str(out), "files": summaries}
    if sample_windows:
        path = out_sample or out / "sample.npz"
        sampled = merge_samples([one for one in recordings if one.sample], path)
        facts["sample"] = {"file": str(path), "windows": sampled}
    if json:
        print_json(facts)
    else:
        _print(facts, model)


def _and_others(names: list[str]) -> str:
    more = len(names) - 1
    return f" and {more} other{'s' if more > 1 else ''}" if more else ""


def _by_note(files: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Group files by what is said of their orientation."""
    found: dict[str, list[str]] = {}
    for one in files:
        found.setdefault(one.get("orientation", ""), []).append(one["file"])
    return {note: names for note, names in found.items() if note}


def _print(facts: dict[str, Any], model: IntegerModel) -> None:
    rows = [
        [
            one["file"],
            "classified" if one["ran"] else "was done",
            str(one["days"]),
            str(one["windows"]),
            f"{one['classified_minutes'] / one['recorded_minutes']:.1%}",
            *(f"{one['share'][name]:.1%}" for name in model.outcomes),
        ]
        for one in facts["files"]
    ]
    print_table(
        f"{facts['out']}: windows of {model.window} samples at {model.rate_hz:g} Hz",
        ["file", "", "days", "windows", "covered", *model.outcomes],
        rows,
        left=2,
    )
    for one in facts["files"]:
        if one["units"] == "g":
            typer.echo(
                f"{one['file']}: read as g and turned into counts, {one['counts_per_g']:g} per g; "
                f"{one['saturated_samples']} values beyond the sensor's range saturated"
            )
    for note, names in _by_note(facts["files"]).items():
        typer.echo(f"{names[0]}{_and_others(names)}: {note}")
    if any(one.get("simulated_recording") for one in facts["files"]):
        typer.echo("Recordings are SIMULATED: they say nothing of real animals.")
    if model.simulated:
        typer.echo("The model was made from SIMULATED data: it says nothing of real animals.")
    if "sample" in facts:
        typer.echo(f"{facts['sample']['file']}: {facts['sample']['windows']} windows for a board to answer")
