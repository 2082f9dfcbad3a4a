"""Requirements of ports: data beside their templates, checked when a board file is read.

Example: the CC26x0's port sets up 48 MHz and no other clock, so a board file of 24 MHz would build an image
with a wrong baud divisor and wrong times, and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mcukd.boards.sections import Region
from mcukd.config_files import load_toml
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.text import did_you_mean, listed

#: The data's file in the folder of a port; the underscore keeps it out of the generated sources.
FILE = "_port.toml"
#: What a port that cannot use an optional part of a board does not do.
OPTIONAL_PARTS = {
    "dcdc": "switches no DC/DC converter on",
    "low_frequency_crystal": "starts no low-frequency crystal",
}


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
    buses: those on which it reads sensors. radios: drivers of those that it sends with.
    pins: how many the chip has; None where any number that a board file may have is one.
    configuration: whether it fills the reserved end of the flash with configuration words.
    log_page_bytes: the flash that one erase clears, for a log in it; None where it keeps no log.
    dcdc: whether it can switch a DC/DC converter on. low_frequency_crystal: whether it can start a crystal of
    32.768 kHz.
    chip: the chip it is for, where that one is modelled (`mcukd/chips`), so that its real images run there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cores: tuple[str, ...] = Field(min_length=1, strict=False)
    clocks_hz: tuple[int, ...] = Field(default=(), strict=False)
    buses: tuple[str, ...] = Field(default=(), strict=False)
    radios: tuple[str, ...] = Field(default=(), strict=False)
    pins: int | None = None
    configuration: bool = False
    dcdc: bool = False
    low_frequency_crystal: bool = False
    log_page_bytes: int | None = None
    chip: str | None = None
    flash: FlashNeeds | None = None


def read_port(name: str) -> Port:
    """Return what a port needs, from the data beside its templates."""
    return Port.model_validate(load_toml(_folder() / name / FILE))


def check_port(
    path: Path,
    name: str,
    core: str,
    clock_hz: int | None,
    flash: Region | None,
    bus: str | None = None,
    fitted: Sequence[str] = (),
    radio: str | None = None,
    pins: Sequence[tuple[str, int]] = (),
) -> None:
    """Raise UserError, naming the board file and the field, where a board is not what its port needs.

    path: of the board file. name: of the port. flash: None on the host. bus: of the sensor's driver.
    fitted: optional parts that the board has, by their field (`OPTIONAL_PARTS`).
    radio: the radio's driver. pins: those that are named, by their keys.
    """
    ports = sorted(file.parent.name for file in _folder().glob(f"*/{FILE}"))
    if name not in ports:
        raise UserError(
            f"{path}: port is {name!r}{did_you_mean(name, ports)}, but one of {listed(ports)} is expected."
        )
    port = read_port(name)
    if core not in port.cores:
        raise UserError(
            f"{path}: core is {core!r}, but {listed(port.cores)} is expected, because port {name!r} "
            "starts no other."
        )
    if port.clocks_hz and clock_hz not in port.clocks_hz:
        raise UserError(
            f"{path}: clock_hz is {clock_hz}, but {listed(port.clocks_hz)} is expected, because port "
            f"{name!r} sets up no other clock, and baud rate and times would be wrong."
        )
    for part in fitted:
        if not getattr(port, part):
            raise UserError(
                f"{path}: {part} is true, but port {name!r} {OPTIONAL_PARTS[part]}; leave it out."
            )
    if bus is not None and bus not in port.buses:
        raise UserError(
            f"{path}: sensor.driver.bus is {bus!r}, but port {name!r} reads sensors on "
            f"{listed(port.buses) if port.buses else 'no bus'}; remove [sensor.driver] or take another port."
        )
    if radio is not None and radio not in port.radios:
        raise UserError(
            f"{path}: radio.driver is {radio!r}, but port {name!r} sends with "
            f"{listed(port.radios) if port.radios else 'no radio'}; remove [radio] or take another port."
        )
    for key, pin in pins:
        if port.pins is not None and pin >= port.pins:
            raise UserError(
                f"{path}: {key} is {pin}, but 0 to {port.pins - 1} is expected, the pins of port {name!r}."
            )
    if port.flash is None or flash is None:
        return
    for field in ("reserved", "origin", "length"):
        found, wanted = getattr(flash, field), getattr(port.flash, field)
        if found != wanted:
            raise UserError(
                f"{path}: memory.flash.{field} is {found}, but {wanted} is expected, because "
                f"{port.flash.why}."
            )


def _folder() -> Path:
    return resource_dir("firmware_templates") / "port"
