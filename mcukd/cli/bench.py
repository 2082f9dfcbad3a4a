"""Command `mcukd bench`: instructions, estimated cycles, flash and RAM of models on an emulated core."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mcukd.boards.cores import BUNDLED
from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table

_CORES = " or ".join(
    f"{core.option} ({core.title}{' with FPU' if core.fpu else ''})" for core in BUNDLED if core.machine
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)


def bench(
    core: Annotated[str, typer.Option(help=_CORES)] = "m4f",
    optimize: Annotated[str, typer.Option(help="speed or size.")] = "speed",
    windows: Annotated[int, typer.Option(help="Windows to run on the emulated core and compare.")] = 64,
    portable: Annotated[bool, typer.Option("--portable", help="Measure the portable C step.")] = False,
    run: RunOption = None,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the study's integer model on an emulated core: instructions, cycles, flash, RAM, error.

    Instructions are counted by QEMU; cycles are estimated from those executed and Arm's manuals, at zero
    wait states. No hardware is involved.

    Example: [bold]mcukd bench --core m4f --optimize speed[/bold]
    """
    from mcukd.fixedpoint.model import load_model
    from mcukd.profiling.study import measure_study
    from mcukd.study import Study

    study = Study.open(run)
    row = measure_study(study, core, optimize, windows, portable, data_root)
    if json:
        print_json(row)
        return
    title = (
        f"{study.path}: {load_model(study.path).title}, {row['weight_bits']}-bit weights, "
        f"{row['gates'] or 'no'} gate table, "
        f"{row['kernel']} for {core} by QEMU"
    )
    print_table(title, ["measured", "value"], facts(row))


def facts(row: dict[str, Any]) -> list[list[str]]:
    """Return a row as pairs of text for a table."""
    return [
        ["instructions per window", f"{row['instructions']:,}"],
        ["instructions per multiply-accumulate", f"{row['instructions_per_mac']:.2f}"],
        ["cycles per window, estimated", f"{row['cycles_estimated']:,}"],
        ["cycles per window, least possible", f"{row['cycles_least']:,}"],
        ["flash: code", f"{row['flash_code_bytes']:,} B"],
        ["flash: weights", f"{row['flash_weight_bytes']:,} B"],
        ["flash: gate table", f"{row['flash_table_bytes']:,} B"],
        ["flash in all", f"{row['flash_bytes']:,} B"],
        ["RAM: one state", f"{row['state_bytes']:,} B"],
        ["RAM: static scratch", f"{row['scratch_bytes']:,} B"],
        ["RAM: stack of the calls", f"{row['stack_bytes']:,} B"],
        ["RAM in all", f"{row['ram_bytes']:,} B"],
        ["largest probability error", f"{row['max_prob_error']:.2g}"],
        ["same class as float", f"{row['agreement']:.2%} of {row['accuracy_windows']} windows"],
        ["windows not equal to the reference", f"{row['mismatches']} of {row['windows']}"],
    ]
