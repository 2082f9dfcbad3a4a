"""What a port needs of a board file: data beside its templates, checked when a board is read.

Example: the CC26x0's port sets up 48 MHz and no other clock, so a board file of 24 MHz would build an image
with a wrong baud divisor and wrong times, and say nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pydantic import BaseModel, ConfigDict, Field

from mcukd.config_files import load_toml
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.text import did_you_mean, listed

if TYPE_CHECKING:
    from mcukd.boards.model import Board

#: The data's file in the folder of a port; the underscore keeps it out of the generated sources.
FILE = "_port.toml"


class FlashNeeds(BaseModel):
    """What has to be so about the flash: its origin and length in bytes, and the bytes reserved at its end.

    why: the reason, completing "…, because".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    origin: int
    length: int
    reserved: int
    why: str


class Port(BaseModel):
    """What a port needs of a board.

    cores: those it starts. clocks_hz: the clocks that it sets up; empty where it sets up none.
    configuration: whether it fills the reserved end of the flash with configuration words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cores: tuple[str, ...] = Field(min_length=1, strict=False)
    clocks_hz: tuple[int, ...] = Field(default=(), strict=False)
    configuration: bool = False
    flash: Optional[FlashNeeds] = None


def read_port(name: str) -> Port:
    """Return what a port needs, from the data beside its templates."""
    return Port.model_validate(load_toml(_folder() / name / FILE))


def check_port(path: Path, board: Board) -> None:
    """Raise UserError, naming the board file and the field, where a board is not what its port needs."""
    ports = sorted(file.parent.name for file in _folder().glob(f"*/{FILE}"))
    if board.port not in ports:
        raise UserError(
            f"{path}: port is {board.port!r}{did_you_mean(board.port, ports)}, "
            f"but one of {listed(ports)} is expected."
        )
    port = read_port(board.port)
    if board.core not in port.cores:
        raise UserError(
            f"{path}: core is {board.core!r}, but {listed(port.cores)} is expected, because port "
            f"{board.port!r} starts no other."
        )
    if port.clocks_hz and board.clock_hz not in port.clocks_hz:
        raise UserError(
            f"{path}: clock_hz is {board.clock_hz}, but {listed(port.clocks_hz)} is expected, because port "
            f"{board.port!r} sets up no other clock, and baud rate and times would be wrong."
        )
    if port.flash is None or board.memory is None:
        return
    for name in ("reserved", "origin", "length"):
        found, wanted = getattr(board.memory.flash, name), getattr(port.flash, name)
        if found != wanted:
            raise UserError(
                f"{path}: memory.flash.{name} is {found}, but {wanted} is expected, because {port.flash.why}."
            )


def _folder() -> Path:
    return resource_dir("firmware_templates") / "port"
