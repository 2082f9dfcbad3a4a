"""Line to a tag, as commands name it: a serial port, or the model of a board's chip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcukd.cli.common import port_given

if TYPE_CHECKING:
    from mcukd.harness.protocol import Device

PortOption = Annotated[
    str | None,
    typer.Option(
        "--port",
        envvar="MCUKD_PORT",
        help="Serial port of the tag: /dev/tty…, COM…, socket://host:port.",
        show_default=False,
    ),
]
BaudOption = Annotated[int, typer.Option("--baud", min=1, help="Baud rate, as in the board file.")]
EmulateOption = Annotated[
    str | None,
    typer.Option(
        "--emulate",
        metavar="BOARD",
        help="Instead of a port: run the image that would be flashed to this board, on a model of its chip.",
        show_default=False,
    ),
]
ImageOption = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Study whose image --emulate runs. Default: runs/latest.",
        show_default=False,
    ),
]
#: On a busy computer the model takes seconds to start.
_MODEL_TIMEOUT_S = 20.0


@contextmanager
def tag_line(
    context: typer.Context, port: str | None, emulate: str | None, baud: int, run: Path | None = None
) -> Iterator[Device]:
    """Give a client of the tag at a port, or of a study's image on the model of a board's chip.

    The model keeps its flash in the study from run to run, as a board that is flashed again does. context: of
    the command. run: the study, runs/latest for None. Raises UserError where no tag is named, or two are.
    """
    from mcukd.errors import UserError
    from mcukd.harness.protocol import open_device

    port = port_given(context, port, emulate is not None)
    if emulate is not None and port:
        raise UserError("--emulate and --port name two tags; give one of them.")
    if emulate is None:
        if not port:
            raise UserError("no tag is named; give --port with its serial port (or MCUKD_PORT).")
        with open_device(port, baud) as device:
            yield device
        return
    from mcukd.boards.model import load_board
    from mcukd.harness.stand_in import open_stand_in
    from mcukd.pipeline.firmware import ensure_built
    from mcukd.study import Study

    board = load_board(emulate)
    if board.modelled_chip is None:
        raise UserError(
            f"--emulate {emulate}: the chip of that board is not modelled; give collar or eartag."
        )
    study = Study.open(run)
    built = ensure_built(study, board)
    flash = study.file("firmware", board.name, "modelled-flash.bin")
    with open_stand_in(board, built.elf, flash) as device:
        device.timeout = _MODEL_TIMEOUT_S
        yield device
