"""Command `mcukd doctor`: which programs and packages are installed, and how to get the others."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mcukd.cli.common import JsonOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(json: JsonOption = False) -> None:
    """Show each tool mcukd uses: its version, what it is for, and how to get it.

    A tool that is "missing" is needed, and the exit status is then 1; one "not installed" is optional. Below
    the table are the settings of Keras and TensorFlow in your environment that mcukd ignores.

    Example: [bold]mcukd doctor[/bold]
    """
    from mcukd.doctor import examine, not_followed

    findings = examine()
    if json:
        print_json([{**asdict(finding), "ok": finding.ok} for finding in findings])
    else:
        rows = [
            [
                f.name,
                f.version or ("missing" if f.required else "not installed"),
                f.purpose,
                "" if f.version else f.remedy,
            ]
            for f in findings
        ]
        print_table("What mcukd uses", ["tool", "version", "what it is for", "how to get it"], rows, left=4)
        for sentence in not_followed():
            typer.echo(sentence)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
