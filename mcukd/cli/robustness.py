"""Command `mcukd robustness`: scores on perturbed windows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table
from mcukd.errors import UserError
from mcukd.text import plural


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(robustness)


def robustness(
    run: RunOption = None,
    data_root: DataRootOption = None,
    augmented: Annotated[
        Path | None,
        typer.Option(
            "--augmented", help="A study of the same folds, distilled with --augment.", show_default=False
        ),
    ] = None,
    perturbations: Annotated[
        str | None,
        typer.Option(
            "--perturbations",
            "--disturbances",
            help="Names with commas, such as rotation,noise; added to those scored before. Default: all. An "
            "unknown name lists them.",
            show_default=False,
        ),
    ] = None,
    integers: Annotated[bool, typer.Option(help="Score the integer model as well.")] = True,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Write the figure to this SVG file too.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Score a study's students where collar, sensor or driver are not as in training.

    Held-out animals' windows are turned about the neck, scaled, resampled, made noisy and so on; nothing is
    trained. Writes robustness.json and robustness.svg into the study.

    Example: [bold]mcukd robustness --run runs/cow-collar --augmented runs/cow-collar-2[/bold]
    """
    from mcukd.files import write_text
    from mcukd.pipeline.robustness import FIGURE, ROBUSTNESS, robustness_study
    from mcukd.robustness.text import sentences
    from mcukd.study import Study

    if figure is not None and figure.is_dir():
        raise UserError(
            f"--figure {figure}: is a directory, expected the name of an SVG file; add one to it."
        )
    study = Study.open(run)
    content = robustness_study(
        study,
        data_root,
        augmented=None if augmented is None else Study.open(augmented),
        perturbations=[name.strip() for name in (perturbations or "").split(",") if name.strip()],
        integers=integers,
    )
    if figure is not None:
        write_text(figure, study.file(FIGURE).read_text(encoding="utf-8"))
    if json:
        print_json(content)
        return
    _print(content)
    for sentence in [*content.get("dropped", ()), *sentences(content)]:
        typer.echo(sentence)
    if content.get("integers"):
        typer.echo(content["integers"]["sentence"])
    typer.echo(f"{study.file(ROBUSTNESS)} has every level and seed, {FIGURE} draws them.")


def _print(content: dict[str, Any]) -> None:
    from mcukd.evaluation.model_names import in_order
    from mcukd.robustness.text import title_of
    from mcukd.text import figure, with_spread

    models = in_order(content["undisturbed"])
    rows = [["", "none", *(with_spread(*_unperturbed(content, name)) for name in models)]]
    for one in content["disturbances"].values():
        for place, label in enumerate(one["labels"]):
            if one["levels"][place]:
                scores = [
                    figure(one["models"][name]["mcc"][place] if name in one["models"] else None)
                    for name in models
                ]
                rows.append([one["title"], label, *scores])
    origin = "SIMULATED data" if content["simulated"] else "data"
    print_table(
        f"{origin} {content['data']}, {content['split']}, {plural(len(content['seeds']), 'seed')}: pooled "
        f"MCC on held-out animals; neck along {content['neck_axis']}",
        ["perturbation", "level", *(title_of(name) for name in models)],
        rows,
        left=2,
    )


def _unperturbed(content: dict[str, Any], name: str) -> tuple[float | None, float | None]:
    one = content["undisturbed"][name]
    return one["mcc"], one["mcc_sd"]
