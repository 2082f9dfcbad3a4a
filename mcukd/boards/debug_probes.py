"""The debug probes connected to this computer, asked only where a runner could not tell them apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from mcukd.boards.processes import run_closed
from mcukd.boards.runner_output import probes_in

_SECONDS = 20
#: Makers of probes whose serial ports are on USB too, by vendor number.
_VENDORS = {0x1366: "SEGGER J-Link", 0x0451: "TI XDS110", 0x0D28: "DAPLink", 0x0483: "ST-LINK"}
#: OpenOCD's interface scripts whose driver takes the first probe of several without a word.
_TAKES_THE_FIRST = {"xds110": 0x0451}


def probes_of(output: str) -> dict[str, str]:
    """Return serial number → name of the connected probes: those a runner's output lists, else those found.

    pyOCD lists probes of every make, where it is installed; the USB serial ports of probes come last.
    """
    return probes_in(output) or _listed_by_pyocd() or on_usb(_VENDORS)


def first_of_several(interface: str) -> dict[str, str]:
    """Return the connected probes where OpenOCD would silently take the first of several, else nothing."""
    name = interface.rsplit("/", 1)[-1].split(".")[0]
    if name not in _TAKES_THE_FIRST:
        return {}
    found = on_usb([_TAKES_THE_FIRST[name]])
    return found if len(found) > 1 else {}


def on_usb(vendors: Iterable[int]) -> dict[str, str]:
    """Return serial number → name of the probes of these vendors among the USB serial ports."""
    wanted = set(vendors)
    return {
        str(port.serial_number): _VENDORS[port.vid]
        for port in _ports()
        if port.vid in wanted and port.serial_number
    }


def _listed_by_pyocd() -> dict[str, str]:
    program = shutil.which("pyocd")
    return probes_in(run_closed([program, "list", "--probes"], _SECONDS).output) if program else {}


def _ports() -> list[Any]:
    from serial.tools import list_ports

    return list(list_ports.comports())
