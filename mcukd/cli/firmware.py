"""Commands `mcukd generate`, `build`, `flash` and `boards`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import JsonOption, OptimizeOption, RunOption, print_json, print_table

if TYPE_CHECKING:
    from mcukd.boards.model import Board
    from mcukd.pipeline.firmware import Generated
    from mcukd.study import Study

BoardOption = Annotated[
    str,
    typer.Option("--board", envvar="MCUKD_BOARD", help="Name of a board, or path of a board file (TOML)."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(generate)
    app.command()(build)
    app.command()(flash)
    app.command()(boards)


def generate(
    board: Annotated[
        str | None,
        typer.Option(
            "--board",
            envvar="MCUKD_BOARD",
            help="Name of a board, or path of a board file (TOML). Default: collar; with --prefix, none: "
            "portable C.",
            show_default=False,
        ),
    ] = None,
    run: RunOption = None,
    optimize: OptimizeOption = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix",
            metavar="NAME",
            help="Write the model alone, for a project of your own: names of files, symbols and macros start "
            "with NAME, so that several models live in one program. With --board, its step is made for that "
            "board's core.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write the firmware's sources: the integer model as C, the application and the board's port.

    Example: [bold]mcukd generate --board collar[/bold]

    Example: [bold]mcukd generate --prefix cow[/bold]
    """
    from mcukd.pipeline.firmware import generate_stage

    if prefix is not None:
        _generate_dropin(run, prefix, board, optimize, json)
        return
    study, target = _study_and_board(run, board or "collar", optimize)
    generated = generate_stage(study, target)
    if json:
        print_json(_generated_facts(generated, target))
        return
    _say_generated(generated)


def build(
    board: BoardOption = "collar",
    run: RunOption = None,
    optimize: OptimizeOption = None,
    json: JsonOption = False,
) -> None:
    """Compile the firmware to ELF, HEX and BIN, generating it first where needed; show what takes how much.

    Example: [bold]mcukd build --board eartag[/bold]
    """
    from mcukd.boards.size import size_rows, stack_sentence
    from mcukd.pipeline.firmware import ensure_built

    study, target = _study_and_board(run, board, optimize)
    done = ensure_built(study, target)
    if json:
        files = {"elf": done.result.elf, "hex": done.result.hex, "bin": done.result.bin}
        facts = _generated_facts(done.generated, target)
        print_json({**facts, "ran": done.ran, **files, "size": done.result.size})
        return
    _say_generated(done.generated)
    typer.echo(f"{done.elf}: {'built' if done.ran else 'already built; nothing to do'}.")
    rows = size_rows(done.result.size)
    if rows:
        print_table(f"{target.name}: bytes", ["part", "flash", "RAM"], rows)
    stack = stack_sentence(done.result.size)
    if stack:
        typer.echo(stack)


def flash(
    board: BoardOption = "collar",
    run: RunOption = None,
    optimize: OptimizeOption = None,
    runner: Annotated[
        str | None, typer.Option(help="openocd or pyocd. Default: what the board file says.")
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            envvar="MCUKD_PROBE",
            help="Serial number of the debug probe, needed where several are connected: --probe 683456789.",
        ),
    ] = None,
    allow_erase: Annotated[
        bool,
        typer.Option(
            "--allow-erase", help="Erase all of the flash first, not only what is written (openocd)."
        ),
    ] = False,
    erase_chip: Annotated[
        bool,
        typer.Option(
            "--erase-chip",
            help="Erase the whole chip, its settings (UICR: reset pin, voltage, protection) too (pyocd).",
        ),
    ] = False,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Unlock a protected chip, which erases everything on it.")
    ] = False,
    erase_provisioning: Annotated[
        bool,
        typer.Option(
            "--erase-provisioning",
            help="Let these options also erase what the tag was told (id, calibration, keys) and its log.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command that would flash, and do nothing.")
    ] = False,
    emulate: Annotated[
        bool, typer.Option("--emulate", help="Run the emulated twin and print its serial URL.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="With --emulate: stop after this time instead of Ctrl-C.")
    ] = None,
) -> None:
    """Put the firmware on a board through a debug probe, building it first where needed.

    Only the sectors that are written get erased, and a protected chip stays locked, unless you say otherwise:
    what the tag was told, and its log, stay. A finished build is flashed as it is, without a compiler.

    Example: [bold]mcukd flash --board collar --dry-run[/bold]
    """
    import shlex

    from mcukd.boards import flashing
    from mcukd.boards.tools import require_tool
    from mcukd.models.student import require_integers
    from mcukd.pipeline.firmware import ensure_built, firmware_dir, model_remarks

    study, target = _study_and_board(run, board, optimize)
    require_integers(study, "a firmware")
    if emulate:
        _emulate(study, target.twin(), seconds)
        return
    options = flashing.FlashOptions(probe, allow_erase, unlock, erase_chip, erase_provisioning)
    if (
        options.erases_all
        and target.provision_region
        and not (erase_provisioning or dry_run)
        and _at_terminal()
    ):
        typer.echo(f"{options.erases_all} {flashing.PROVISIONING_LOST}.", err=True)
        typer.confirm("Erase it?", abort=True, err=True)
        options = replace(options, erase_provisioning=True)
    elf = (firmware_dir(study, target) / "build" / "firmware.elf").resolve()
    argv = flashing.flash_argv(target, elf, options, runner)
    if dry_run:
        for remark in model_remarks(study, target):
            typer.echo(remark, err=True)
        print(shlex.join(argv))
        return
    require_tool(argv[0], f"flash {target.name}")
    done = ensure_built(study, target, any_compiler=True)
    for remark in [*done.generated.remarks, *target.unverified]:
        typer.echo(remark, err=True)
    if erase_chip:
        chosen, facts = flashing.runner_for(target, runner)
        typer.echo(f"The chip erase destroys {chosen.chip_erase_loses(facts)}.", err=True)
    typer.echo(f"Flashing {target.name} with {argv[0]} …", err=True)
    try:
        flashing.flash(target, elf, options, runner)
    except KeyboardInterrupt:
        typer.echo(f"What {target.name} holds now is not known: flash it again.", err=True)
        raise
    typer.echo(
        f"{target.name}: flashed; prove it with 'mcukd validate --board {board} --port <serial port>'."
    )


def _at_terminal() -> bool:
    """Return whether somebody can answer a question."""
    return sys.stdin.isatty()


def boards(
    name: Annotated[str | None, typer.Argument(help="Show this board and what of it is unverified.")] = None,
    json: JsonOption = False,
) -> None:
    """List the boards, or show one: processor, memories, sensor, and what was never run on hardware.

    Example: [bold]mcukd boards collar[/bold]
    """
    from mcukd.boards.model import list_boards, load_board

    found = [load_board(name)] if name else list_boards()
    if json:
        facts = [{**board.model_dump(), "emulated": board.emulated} for board in found]
        print_json(facts[0] if name else facts)
        return
    print_table(
        "Boards",
        ["board", "what", "core", "flash", "RAM", "clock"],
        [_board_row(board) for board in found],
        left=3,
    )
    if not name:
        typer.echo("'mcukd boards NAME' tells what of a board was never run on hardware.")
        return
    for key, value in _board_details(found[0]):
        typer.echo(f"{key}: {value}")
    for remark in found[0].unverified:
        typer.echo(f"Unverified: {remark}")


def _generate_dropin(run: Any, prefix: str, board: str | None, optimize: str | None, json: bool) -> None:
    from mcukd.boards.model import load_board
    from mcukd.errors import UserError
    from mcukd.pipeline.dropin import generate_dropin
    from mcukd.study import Study

    if optimize is not None and board is None:
        raise UserError(f"--optimize {optimize} goes with --board here: portable C has one form only.")
    target = load_board(board).with_optimize(optimize) if board else None
    done = generate_dropin(Study.open(run), prefix, target)
    if json:
        print_json(
            {
                "prefix": done.prefix,
                "ran": done.ran,
                "sources": done.folder,
                "files": [file.name for file in done.files],
                "model_sha256": done.model.sha256,
                "remarks": done.remarks,
            }
        )
        return
    state = "generated" if done.ran else "already generated; nothing to do"
    typer.echo(f"{done.folder}: {state} (model {done.model.sha256[:12]}).")
    for line in (done.usage, *done.remarks):
        typer.echo(line)


def _study_and_board(run: Any, name: str, optimize: str | None) -> tuple[Study, Board]:
    from mcukd.boards.model import load_board
    from mcukd.study import Study

    board = load_board(name).with_optimize(optimize)
    return Study.open(run), board


def _generated_facts(generated: Generated, board: Board) -> dict[str, Any]:
    return {
        "board": board.name,
        "emulated": board.emulated,
        "ran": generated.ran,
        "sources": generated.sources,
        "firmware_sha256": generated.firmware_sha256,
        "remarks": generated.remarks,
        "unverified": board.unverified,
    }


def _say_generated(generated: Generated) -> None:
    done = "generated" if generated.ran else "already generated; nothing to do"
    typer.echo(f"{generated.sources}: {done} (firmware {generated.firmware_sha256[:12]}).")
    for remark in generated.remarks:
        typer.echo(remark)


def _emulate(study: Study, twin: Board, seconds: float | None) -> None:
    import time

    from mcukd.boards.launch import standing_in
    from mcukd.harness.protocol import open_device
    from mcukd.harness.stand_in import await_start
    from mcukd.pipeline.firmware import ensure_built

    done = ensure_built(study, twin)
    for remark in done.generated.remarks:
        typer.echo(remark, err=True)
    with standing_in(twin, done.elf) as program:
        with open_device(program.url, twin.console.baud) as device:
            await_start(device, program)
        print(program.url, flush=True)
        end = "Ctrl-C" if seconds is None else f"{seconds:g} s have passed"
        typer.echo(f"{twin.title} answers there until {end}.", err=True)
        try:
            time.sleep(seconds if seconds is not None else 10**8)
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)


def _board_row(board: Board) -> list[str]:
    memory = board.memory
    return [
        board.name,
        board.title,
        board.core,
        f"{memory.flash.length // 1024} KB" if memory else "",
        f"{memory.ram.length // 1024} KB" if memory else "",
        f"{board.clock_hz / 1e6:g} MHz" if board.clock_hz else "",
    ]


def _board_details(board: Board) -> list[tuple[str, str]]:
    console = board.console
    pins = (
        "" if console.tx_pin is None else f", sends on pin {console.tx_pin}, receives on pin {console.rx_pin}"
    )
    details = [("File", str(board.path)), ("Console", f"{console.uart}, {console.baud} baud{pins}")]
    if board.sensor:
        sensor = board.sensor
        details.append(
            (
                "Sensor",
                f"{sensor.part}, ±{sensor.range_g:g} g, {sensor.counts_per_g:g} counts per g, own rates "
                f"{', '.join(f'{rate:g}' for rate in sensor.rates_hz)} Hz"
                + (f"; the firmware reads it at {sensor.driver.rate_hz:g} Hz" if sensor.driver else ""),
            )
        )
    if board.log_region:
        region = board.log_region
        details.append(("Log", f"{region.length // 1024} KB of flash from {region.origin:#x}"))
    if board.provision_region:
        region = board.provision_region
        details.append(("Provisioning", f"{region.length // 1024} KB of flash from {region.origin:#x}"))
    if board.emulates:
        details.append(("Emulates", board.emulates))
    if board.flash:
        details.append(("Flashed with", board.flash.runner))
    return details
