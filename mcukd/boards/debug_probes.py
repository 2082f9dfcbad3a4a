"""Debug probes connected to this computer, listed where a runner could not tell them apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mcukd.boards.processes import run_closed
from mcukd.boards.runner_output import probes_in

_SECONDS = 20
_XDS110, _DAPLINK, _STLINK = "TI XDS110", "DAPLink", "ST-LINK"
#: Probes that have a serial port on USB too: name → vendor and products (empty: all of them).
_PROBES: dict[str, tuple[int, frozenset[int]]] = {
    "SEGGER J-Link": (0x1366, frozenset()),
    _XDS110: (0x0451, frozenset({0xBEF3, 0xBEF4})),
    _DAPLINK: (0x0D28, frozenset()),
    _STLINK: (0x0483, frozenset({0x374B, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754, 0x3757})),
}
#: OpenOCD's interface scripts whose driver silently takes the first probe of several. That of J-Link
#: ends with an error.
_TAKES_THE_FIRST = {"xds110": _XDS110, "cmsis-dap": _DAPLINK, "stlink": _STLINK, "stlink-dap": _STLINK}


def probes_of(output: str) -> dict[str, str]:
    """Return serial number → name of the connected probes.

    Those that a runner's output lists; where it lists no two, also those found here. pyOCD, where it is
    installed, lists probes of every make; the USB serial ports of probes come last.
    """
    said = probes_in(output)
    # A runner that names one probe may have met others.
    return said if len(said) > 1 else {**said, **(_listed_by_pyocd() or on_usb(_PROBES))}


def first_of_several(interface: str) -> dict[str, str]:
    """Return the connected probes where OpenOCD would silently take the first of several, else nothing."""
    name = interface.rsplit("/", 1)[-1].split(".")[0]
    if name not in _TAKES_THE_FIRST:
        return {}
    found = on_usb([_TAKES_THE_FIRST[name]])
    return found if len(found) > 1 else {}


def on_usb(names: Iterable[str]) -> dict[str, str]:
    """Return serial number → name of the probes of these makes among the USB serial ports."""
    found = {}
    for port in serial_ports():
        for name in names:
            vendor, products = _PROBES[name]
            if port.vid == vendor and (not products or port.pid in products) and port.serial_number:
                found[str(port.serial_number)] = name
    return found


def _listed_by_pyocd() -> dict[str, str]:
    program = shutil.which("pyocd")
    with suppress(OSError):  # installed for a Python that is there no more
        return probes_in(run_closed([program, "list", "--probes"], _SECONDS).output) if program else {}
    return {}


def serial_ports() -> list[Any]:
    """Return this computer's serial ports, as pyserial lists them."""
    from serial.tools import list_ports

    return list(list_ports.comports())
