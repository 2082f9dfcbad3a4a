"""Command `mcukd package`: a study's model as a zip for a toolchain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import JsonOption, RunOption, print_json

if TYPE_CHECKING:
    from mcukd.pipeline.package import Packed

ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(package)


def package(
    target: Annotated[
        list[str],
        typer.Option(
            "--target",
            help="arduino, zephyr, platformio, esp-idf or cmake; may be repeated. 'all' for each of them.",
        ),
    ],
    run: RunOption = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Names in C start with it, and the package is NAME_model; two models in one program need "
            "two prefixes that differ by more than capitals.",
        ),
    ] = "mcukd",
    author: Annotated[
        list[str] | None,
        typer.Option(help="'Ada Lovelace <ada@example.org>'; may be repeated.", show_default=False),
    ] = None,
    package_version: Annotated[
        str | None,
        typer.Option(
            metavar="X.Y.Z",
            help="Version; the model's hash follows it. Default: mcukd's own.",
            show_default=False,
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="SPDX",
            help="Licence of the package, with its text in --licence-file. Default: Apache-2.0.",
            show_default=False,
        ),
    ] = None,
    licence_file: Annotated[
        Path | None, typer.Option(help="Text of another licence.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A page about the package. Default: the method's paper.", show_default=False),
    ] = None,
    optimize: Annotated[str, typer.Option(help="Assembly steps for speed or size.")] = "speed",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Default: packages of the study.", show_default=False),
    ] = None,
    unpacked: Annotated[
        bool, typer.Option("--unpacked", help="Also write each package as a folder beside its zip.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a zip or folder that is there and differs.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Pack the model for a toolchain: a zip that installs as it is, with an example that prints PASS.

    C and assembly for any core, known answers, README with classes, units and scores, licence. The same model
    gives the same bytes.

    Example: [bold]mcukd package --target arduino --prefix cow[/bold]

    Example: [bold]mcukd package --target zephyr --target cmake --prefix cow --unpacked[/bold]
    """
    from mcukd.packaging.manifest import LICENCE, Choices
    from mcukd.packaging.targets.registry import TARGETS
    from mcukd.pipeline.package import package_study
    from mcukd.study import Study

    choices = Choices(
        prefix,
        package_version,
        LICENCE if licence is None else licence,
        _licence_text(licence_file),
        tuple(author or ()),
        url,
    )
    names = list(TARGETS) if ALL in target else target
    done = package_study(
        Study.open(run), names, choices, out, unpacked=unpacked, replace=replace, optimize=optimize
    )
    if json:
        print_json([_facts(one) for one in done])
        return
    for one in done:
        state = ("replaced" if one.replaced else "packed") if one.ran else "already packed; nothing to do"
        manifest = one.package.manifest
        typer.echo(
            f"{one.zip}: {state} ({manifest.name} {manifest.version}, {one.zip.stat().st_size:,} bytes)."
        )
        if one.folder is not None:
            typer.echo(f"{one.folder}: the same, unpacked.")


def _licence_text(file: Path | None) -> str | None:
    from mcukd.errors import UserError

    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--licence-file is {file}: cannot be read as text ({error}).") from error


def _facts(done: Packed) -> dict[str, Any]:
    manifest = done.package.manifest
    return {
        "target": manifest.target,
        "name": manifest.name,
        "version": manifest.version,
        "model_sha256": manifest.model_sha256,
        "licence": manifest.licence,
        "ran": done.ran,
        "replaced": done.replaced,
        "zip": done.zip,
        "sha256": done.sha256,
        "folder": done.folder,
        "files": list(done.package.files),
        "assembly": done.package.assembly,
    }
