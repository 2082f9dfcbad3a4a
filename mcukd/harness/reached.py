"""Evidence of where a proof ran: the emulator or model that was started, or the kind of port that was opened.

The image's own flag is no evidence: the very image that is flashed also runs on modelled chips.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mcukd.boards.debug_probes import serial_ports

QEMU, PROCESS, TERMINAL, SOCKET = "qemu", "native process", "pseudo-terminal", "socket"
MODEL = "modelled chip"
SERIAL, UNLISTED, UNKNOWN = "serial device", "unlisted serial device", "unknown"
EMULATED = "emulated serial device"
#: What is said of a proof of the image that would be flashed, on the model of its chip.
REAL_IMAGE = "real image, modelled chip"

#: Device numbers (major) of Linux's pseudo-terminals: old ones, their slaves, and those under /dev/pts.
_TERMINAL_MAJORS = {2, 3, *range(136, 144)}
_MULTIPLEXER = (5, 2)
#: Names of pseudo-terminals: Linux, macOS.
_TERMINAL_NAME = re.compile(r"/dev/(pts/\d+|ptmx|ttys\d+|[pt]ty[p-za-e][0-9a-f])$")
#: What serial devices call themselves that virtual machines make. "Virtual COM port" and "emulator" are no
#: such words: microcontrollers and debug probes call themselves so.
_EMULATED = re.compile(r"\b(qemu|vmware|virtualbox|com0com|tty0tty)\b", re.I)
#: Beginnings of a port's identification on Windows that real ports have; emulators of ports have others.
_REAL_ON_WINDOWS = ("USB", "ACPI\\", "PCI\\", "FTDIBUS\\", "MF\\")


@dataclass(frozen=True)
class Reached:
    """How a device was reached.

    kind: one of the constants above. through: machine of the emulator, modelled chip, path of the program or
    port, or URL.
    usb, serial, product: what the computer's list of ports says of a serial device; None where it does not.
    """

    kind: str
    through: str
    usb: str | None = None
    serial: str | None = None
    product: str | None = None

    @property
    def hardware(self) -> bool:
        """Whether this computer knows the port as one of its own, by USB or as a UART."""
        return self.kind == SERIAL

    def facts(self) -> dict[str, str | None]:
        """Return the value of `reached` in `validation/<board>.json`."""
        return asdict(self)


def reached_through(port: Any, url: str) -> Reached:
    """Tell how an open pyserial port reaches its other end; `url` is what it was opened by.

    What counts is the open file, not its name: a link to a pseudo-terminal is one.
    """
    scheme = url.split("://", 1)[0].lower() if "://" in url else ""
    if scheme in ("socket", "rfc2217"):
        return Reached(SOCKET, url)
    if scheme == "loop":
        return Reached(UNKNOWN, url)
    path, number = _open_file(port)
    if number is not None and stat.S_ISSOCK(number.st_mode):
        return Reached(SOCKET, url)
    path = path or os.path.realpath(str(getattr(port, "port", None) or url))
    if _TERMINAL_NAME.match(path) or (number is not None and _is_terminal(number)):
        return Reached(TERMINAL, path)
    listed = _listed(path, serial_ports())
    if listed is None:
        return Reached(UNLISTED, path)
    usb = f"{listed.vid:04x}:{listed.pid:04x}" if listed.vid is not None and listed.pid is not None else None
    names = (listed.product, listed.manufacturer, listed.description)
    emulated = next((name for name in names if name and _EMULATED.search(str(name))), None)
    serial, product = _shown(listed.serial_number), _shown(emulated or listed.product)
    return Reached(EMULATED if emulated else SERIAL, path, usb, serial, product)


def where_it_ran(validation: Mapping[str, Any]) -> str:
    """Return a phrase for where a proof ran, from the content of its `validation/<board>.json`.

    The word "hardware" is in it only where the host reached a serial device that it knows.
    """
    reached = validation.get("reached")
    if not isinstance(reached, Mapping):
        said = "an emulated board" if validation.get("emulated") else "a real board"
        return (
            f"not recorded: the proof was made before mcukd noted how the device is reached, and only the "
            f"image called itself {said}; run 'mcukd validate --board {validation.get('board')}' again"
        )
    kind, through = reached.get("kind"), reached.get("through")
    image = validation.get("ran_on")
    if kind == QEMU:
        return f"emulated: {image} in QEMU ({through}) on this computer"
    if kind == MODEL:
        return f"{REAL_IMAGE}: the image that would be flashed to {image}, on a model of the {through}"
    if kind == PROCESS:
        return "emulated: as a program of this computer"
    if kind == TERMINAL:
        return f"emulated: through the pseudo-terminal {through}, whose other end is a program"
    if kind == SOCKET:
        return f"not known: through {through}; what is at its other end is not known to mcukd"
    if kind == EMULATED:
        return f"emulated: at {through}, a serial device that calls itself {reached.get('product')}"
    if kind == UNLISTED:
        return f"not known: at {through}, a serial device that this computer does not list (unverified)"
    if kind != SERIAL:
        return f"not known: through {through}"
    facts = [f"USB {reached['usb']}" if reached.get("usb") else "UART"]
    facts += [f"serial number {reached['serial']}"] if reached.get("serial") else []
    facts += [str(reached["product"])] if reached.get("product") else []
    place = f"serial device {through} ({', '.join(facts)})"
    if validation.get("emulated"):
        return f"not known: at {place}, by an image that calls itself emulated ({image})"
    return f"on the hardware at {place}"


def on_hardware(validation: Mapping[str, Any]) -> bool:
    """Return whether the host saw that the proof ran on hardware; an image's own word is not enough."""
    reached = validation.get("reached")
    known = isinstance(reached, Mapping) and reached.get("kind") == SERIAL
    return known and not validation.get("emulated")


def where_briefly(validation: Mapping[str, Any]) -> str:
    """Return `hardware`, `real image, modelled chip`, `emulated` or `not known`, for tables."""
    if on_hardware(validation):
        return "hardware"
    reached = validation.get("reached")
    kind = reached.get("kind") if isinstance(reached, Mapping) else None
    if kind == MODEL:
        return REAL_IMAGE
    return "emulated" if kind in (QEMU, PROCESS, TERMINAL, EMULATED) else "not known"


def _open_file(port: Any) -> tuple[str | None, os.stat_result | None]:
    """Return the true path of a port's open file and its status, where the system has them."""
    try:
        number = port.fileno()
        status = os.fstat(number)
    except (AttributeError, OSError, ValueError):
        return None, None
    try:
        return os.ttyname(number), status
    except (AttributeError, OSError):
        return None, status


def _shown(text: str | None) -> str | None:
    """Return what a device says of itself without what no terminal shows; None where nothing is left."""
    return "".join(c for c in str(text or "") if c.isprintable()).strip() or None


def _is_terminal(status: os.stat_result) -> bool:
    if not stat.S_ISCHR(status.st_mode) or not hasattr(os, "major"):
        return False
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return os.uname().sysname == "Linux" and (major in _TERMINAL_MAJORS or (major, minor) == _MULTIPLEXER)


def _listed(path: str, ports: Iterable[Any]) -> Any | None:
    """Return the entry of a port in the computer's list, None where it is not there or names no real port."""
    wanted, name = _plain(path), path.upper().removeprefix("\\\\.\\")  # Windows' long form of COM10
    for port in ports:
        device = str(port.device)
        if _plain(os.path.realpath(device)) != wanted and device.upper() != name:
            continue
        identified = str(port.hwid or "")
        if port.vid is not None:
            return port
        if "\\" in identified:
            return port if identified.upper().startswith(_REAL_ON_WINDOWS) else None
        return port if identified not in ("", "n/a") else None
    return None


def _plain(path: str) -> str:
    """Return a port's path with macOS's two names for one port made one."""
    return path.replace("/dev/tty.", "/dev/cu.")
