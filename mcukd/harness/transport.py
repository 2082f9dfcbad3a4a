"""Serial line to a device: any URL that pyserial opens, with its errors as sentences."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mcukd.errors import UserError
from mcukd.harness.reached import Reached, reached_through

BAUD_RATE = 115_200
#: Longest sleep inside one read; short, so that a reply is seen soon after its last byte.
_POLL_S = 0.02
_READ_MAX = 4096


class Link:
    """An open serial port (or socket), counting what passes.

    bytes_sent, bytes_received: since it was opened.
    """

    def __init__(self, port: Any, url: str) -> None:
        self._port = port
        self.url = url
        self.bytes_sent = 0
        self.bytes_received = 0

    @property
    def reached(self) -> Reached:
        """How the other end is reached, as far as this computer sees it."""
        return reached_through(self._port, self.url)

    def send(self, data: bytes) -> None:
        """Write all bytes. Raises UserError when the line is gone."""
        with _lost(self.url):
            self._port.write(data)
        self.bytes_sent += len(data)

    def receive(self, deadline: float) -> bytes:
        """Return bytes that have arrived, waiting for the first until `deadline` (`time.monotonic()`).

        Empty when none came. Raises UserError when the line is gone.
        """
        while True:
            with _lost(self.url):
                data = self._read()
            if data or time.monotonic() >= deadline:
                self.bytes_received += len(data)
                return bytes(data)

    def _read(self) -> bytes:
        if not self.url.startswith("socket://"):
            return bytes(self._port.read(max(1, min(self._port.in_waiting, _READ_MAX))))
        # pyserial knows of a socket only that something waits, so the rest is taken without waiting.
        first = self._port.read(1)
        if first:
            self._port.timeout = 0
            first += self._port.read(_READ_MAX)
            self._port.timeout = _POLL_S
        return bytes(first)


@contextmanager
def open_link(url: str, baud_rate: int = BAUD_RATE) -> Iterator[Link]:
    """Open `/dev/tty…`, `COM…`, `socket://host:port`, `rfc2217://host:port` or `loop://`.

    Raises UserError where the URL is malformed or the port cannot be opened.
    """
    import serial

    try:
        port = serial.serial_for_url(url, baudrate=baud_rate, timeout=_POLL_S, write_timeout=5)
    except (serial.SerialException, OSError) as error:
        raise UserError(
            f"{url}: the port does not open ({_reason(error)}); {_advice(url, error)}."
        ) from error
    except (ValueError, re.error) as error:  # re: of hwgrep://
        raise UserError(
            f"{url}: not a port name or URL ({error}); expected /dev/tty…, COM…, socket://host:port or "
            "rfc2217://host:port."
        ) from error
    try:
        yield Link(port, url)
    finally:
        port.close()


@contextmanager
def _lost(url: str) -> Iterator[None]:
    import serial

    try:
        yield
    except (serial.SerialException, OSError) as error:
        raise UserError(
            f"{url}: the line was lost ({_reason(error)}); check the cable or the device and run again."
        ) from error


def _reason(error: BaseException) -> str:
    """Return the bare reason out of pyserial's wrapping."""
    text = str(error)
    if "Inappropriate ioctl" in text:
        return "it is no serial port"
    return text.rsplit("] ", 1)[-1].split(": '")[0].rstrip(".'") or type(error).__name__


def _advice(url: str, error: BaseException) -> str:
    text = str(error).lower()
    if "permission" in text or "access is denied" in text:
        return "close the program that uses it, or join its group (on Linux often 'dialout') and log in again"
    if url.lower().startswith(("socket://", "rfc2217://")) and _port_number(url) is None:
        return "a host and a port number are expected: socket://host:port, with a port from 1 to 65535"
    if "://" in url:
        return "check that the other end is running and listens on that port"
    return "check the name, and that the device is plugged in (python -m serial.tools.list_ports shows ports)"


def _port_number(url: str) -> int | None:
    """Return the port of a URL, None where there is none from 1 to 65535."""
    try:
        return urlsplit(url).port or None
    except ValueError:
        return None
