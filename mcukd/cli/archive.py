"""Commands `mcukd archive` and `mcukd verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(archive)
    app.command()(verify)


def archive(
    study: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY", help="Study directory. Default: runs/latest.", show_default=False),
    ] = None,
    session: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a session of 'mcukd observe'; may be repeated.", show_default=False),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(help="Log fetched from a tag; may be repeated.", show_default=False),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="Any other file, such as labels or figures; may be repeated.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Default: the study's name with .zip.", show_default=False),
    ] = None,
    with_data: Annotated[bool, typer.Option("--with-data", help="Pack the recordings too.")] = False,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY", help="Date of the archive. Default: of the newest file.", show_default=False
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the archive. Default: the data's.", show_default=False)
    ] = None,
    allow_paths: Annotated[
        bool, typer.Option("--allow-paths", help="Pack files that name folders of this computer.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over an archive that is there.")] = False,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Pack a study and its evidence into one zip that others can check: 'mcukd verify FILE.zip'.

    Model, sources, images, the windows they were proven on with the reference's answers, figures, field
    sessions, logs and versions, with an RO-Crate description and the SHA-256 of every file.

    Example: [bold]mcukd archive runs/herd --session sessions/2026-05-01 --log tag7.log[/bold]
    """
    from mcukd.pipeline.archive import ArchiveOptions, archive_study
    from mcukd.study import Study

    opened = Study.open(study)
    packed, facts = archive_study(
        opened,
        out or Path(f"{opened.path.resolve().name}.zip"),
        ArchiveOptions(
            sessions=tuple(session or ()),
            logs=tuple(log or ()),
            files=tuple(file or ()),
            with_data=with_data,
            data_root=data_root,
            date=date,
            licence=licence,
            allow_paths=allow_paths,
            replace=replace,
        ),
    )
    told = {"file": str(packed.path), "sha256": packed.sha256, "bytes": packed.size,
            "files": len(packed.members), **facts}  # fmt: skip
    if json:
        print_json(told)
        return
    typer.echo(f"{packed.path}: {len(packed.members):,} files, {packed.size:,} bytes")
    for name, one in facts["proofs"].items():
        if one["windows"]:
            typer.echo(f"Windows that {name} was proven on are in it, with the reference's answers.")
    for sentence in (*facts["changed"], *facts["left_out"]):
        typer.echo(sentence)
    typer.echo(f"SHA-256: {packed.sha256}")
    typer.echo("Publish this SHA-256 apart from the file: whoever has it can tell that the file is this one.")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Archive of 'mcukd archive'.")],
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="SHA-256 of the file, as published.", show_default=False),
    ] = None,
    no_chip: Annotated[
        bool, typer.Option("--no-chip", help="Do not run images on the models of their chips.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check an archive anew, without the study: does its evidence hold, and if not, where does it break?

    Checks every byte, runs the integer reference and the images on the packed windows, and makes figures
    again. Ends with 0 where the evidence holds, 1 where it does not, 2 for a file that is no archive.

    Example: [bold]mcukd verify herd.zip --sha256 3f1a…[/bold]
    """
    from mcukd.pipeline.verify import verify_archive

    facts = verify_archive(file, sha256, not no_chip)
    if json:
        print_json(facts)
    else:
        _print(facts)
    if not facts["holds"]:
        raise typer.Exit(1)


def _print(facts: dict[str, Any]) -> None:
    rows = [[one["what"], one["state"], one["detail"]] for one in facts["checks"]]
    print_table(f"{facts['file']}: {facts['name'] or 'an archive'}", ["", "", ""], rows, left=3)
    for sentence in (facts["description"], *facts["left_out"]):
        if sentence:
            typer.echo(sentence)
    if facts["sha256"]:
        typer.echo(f"SHA-256: {facts['sha256']}")
    typer.echo(facts["sentence"])
