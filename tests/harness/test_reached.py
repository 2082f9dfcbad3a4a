"""Evidence of where a proof ran: what this computer observed, never what the image claims."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcukd.harness import reached as reached_module
from mcukd.harness.comparison import measured
from mcukd.harness.messages import Identity, WindowResult
from mcukd.harness.reached import (
    EMULATED,
    MODEL,
    PROCESS,
    QEMU,
    SERIAL,
    SOCKET,
    TERMINAL,
    UNKNOWN,
    UNLISTED,
    Reached,
    on_hardware,
    reached_through,
    where_briefly,
    where_it_ran,
)
from mcukd.harness.transport import open_link

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")


@pytest.fixture
def terminal() -> Iterator[str]:
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def listed(monkeypatch: pytest.MonkeyPatch, *ports: Any) -> None:
    monkeypatch.setattr(reached_module, "serial_ports", lambda: list(ports))


def entry(device: str, hwid: str = "n/a", vid: int | None = None, **more: Any) -> SimpleNamespace:
    facts = {
        "device": device,
        "hwid": hwid,
        "vid": vid,
        "pid": 0xBEF3,
        "serial_number": None,
        "product": None,
        "manufacturer": None,
        "description": None,
    }
    return SimpleNamespace(**{**facts, **more})


def validation(reached: Any, emulated: bool, ran_on: str = "collar") -> dict[str, Any]:
    return {"board": "collar", "ran_on": ran_on, "emulated": emulated, "reached": reached}


def test_a_pseudo_terminal_is_one_under_every_name(terminal: str, tmp_path: Path) -> None:
    link = tmp_path / "ttyACM0"
    link.symlink_to(terminal)
    second = tmp_path / "tag"
    second.symlink_to(link)
    for name in (
        terminal,
        str(link),
        str(second),
        f"spy://{terminal}?file={os.devnull}",
        f"alt://{terminal}",
    ):
        with open_link(name) as line:
            assert (line.reached.kind, line.reached.through) == (TERMINAL, terminal)
            assert not line.reached.hardware


def test_a_pseudo_terminal_in_the_list_of_ports_stays_one(
    terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, entry(terminal, "USB VID:PID=0451:BEF3", 0x0451))
    with open_link(terminal) as line:
        assert line.reached.kind == TERMINAL


def test_a_socket_says_nothing_of_its_other_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with open_link(url) as line:
            assert line.reached == Reached(SOCKET, url)
    assert reached_through(SimpleNamespace(), "rfc2217://tag:2217").kind == SOCKET
    assert reached_through(SimpleNamespace(), "SOCKET://tag:2217").kind == SOCKET
    with open_link("loop://") as line:
        assert line.reached.kind == UNKNOWN


@pytest.mark.parametrize(
    ("port", "kind", "usb"),
    [
        (entry("/dev/no-port", "USB VID:PID=0451:BEF3", 0x0451, serial_number="L41"), SERIAL, "0451:bef3"),
        (entry("/dev/no-port", "PNP0501"), SERIAL, None),
        (entry("/dev/no-port", "n/a"), UNLISTED, None),
        (entry("/dev/another", "USB VID:PID=0451:BEF3", 0x0451), UNLISTED, None),
        (None, UNLISTED, None),
    ],
)
def test_a_serial_device_is_known_by_the_list_of_ports(
    monkeypatch: pytest.MonkeyPatch, port: Any, kind: str, usb: str | None
) -> None:
    listed(monkeypatch, *([port] if port else []))
    found = reached_through(SimpleNamespace(port="/dev/no-port"), "/dev/no-port")
    assert (found.kind, found.through, found.usb) == (kind, "/dev/no-port", usb)
    assert found.hardware == (kind == SERIAL)


@pytest.mark.parametrize(
    ("hwid", "kind"),
    [
        ("COM0COM\\PORT\\CNCA0", UNLISTED),
        ("ROOT\\PORTS\\0000", UNLISTED),
        ("ACPI\\PNP0501\\1", SERIAL),
        ("FTDIBUS\\VID_0403+PID_6001", SERIAL),
    ],
)
def test_emulated_ports_of_windows_are_no_hardware(
    monkeypatch: pytest.MonkeyPatch, hwid: str, kind: str
) -> None:
    listed(monkeypatch, entry("COM7", hwid))
    monkeypatch.setattr(os.path, "realpath", str)
    assert reached_through(SimpleNamespace(port="com7"), "com7").kind == kind


@pytest.mark.parametrize(
    ("reached", "emulated", "words"),
    [
        (Reached(QEMU, "mps2-an385"), True, "emulated: collar in QEMU (mps2-an385)"),
        (Reached(PROCESS, "firmware.elf"), True, "a program of this computer"),
        (
            Reached(MODEL, "nRF52840"),
            True,
            "real image, modelled chip: the image that would be flashed to collar",
        ),
        (Reached(TERMINAL, "/dev/pts/3"), False, "pseudo-terminal /dev/pts/3"),
        (
            Reached(SOCKET, "socket://a:1"),
            False,
            "through socket://a:1; what is at its other end is not known",
        ),
        (Reached(UNLISTED, "/dev/tnt0"), False, "(unverified)"),
        (Reached(UNKNOWN, "loop://"), False, "not known: through loop://"),
        (Reached(SERIAL, "/dev/ttyACM0", "0451:bef3"), True, "an image that calls itself emulated"),
        (None, False, "before mcukd noted how the device is reached"),
        (None, True, "before mcukd noted how the device is reached"),
    ],
)
def test_only_a_known_serial_device_is_called_hardware(
    reached: Reached | None, emulated: bool, words: str
) -> None:
    """Whatever the image says: its flag alone makes nothing hardware."""
    content = validation(reached.facts() if reached else None, emulated)
    if reached is None:
        del content["reached"]
    assert words in where_it_ran(content)
    assert "hardware" not in where_it_ran(content) + where_briefly(content)
    assert not on_hardware(content)


def test_a_known_serial_device_is_named_with_its_port() -> None:
    found = Reached(SERIAL, "/dev/ttyACM0", "0451:bef3", "L4100009", "XDS110")
    content = validation(found.facts(), False)
    said = "on the hardware at serial device /dev/ttyACM0 (USB 0451:bef3, serial number L4100009, XDS110)"
    assert where_it_ran(content) == said
    assert where_briefly(content) == "hardware"


WHO = Identity("collar", "ab" * 32, "cd" * 32, 256, 128, 8, 3, 5, False, "cycles", 1)


def results(*counts: int | None) -> list[WindowResult]:
    import numpy as np

    return [WindowResult(0, np.zeros(5, np.int64), 0, count, None) for count in counts]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 0, 0), "The cycle counter stood still, so the cycles of a window are not known."),
        ((0, 5000, 5000), "stood still during 1 of 3 windows"),
        ((255, 255, 255), "ran too slowly: it counted 255 in a window of 256 steps"),
    ],
)
def test_a_counter_that_stands_still_is_no_measurement(counts: tuple[int, ...], words: str) -> None:
    found, problem = measured(results(*counts), WHO)
    assert found == [] and problem is not None and words in problem


def test_equal_counts_and_no_counter_are_no_problem() -> None:
    """The same steps may well take the same instructions."""
    assert measured(results(5000, 5000), replace(WHO, counter_kind="instructions")) == ([5000, 5000], None)
    assert measured(results(None, None), replace(WHO, counter_kind="none")) == ([], None)


@pytest.mark.parametrize(
    "names",
    [
        {"product": "QEMU USB SERIAL"},
        {"manufacturer": "QEMU", "product": "USB Serial"},
        {"description": "VMware Virtual USB serial"},
    ],
)
def test_a_device_that_an_emulator_makes_is_no_hardware(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    """A virtual machine has such ports on USB, and its list of ports knows them."""
    listed(monkeypatch, entry("/dev/no-port", "USB VID:PID=0403:6001", 0x0403, **names))
    found = reached_through(SimpleNamespace(port="/dev/no-port"), "/dev/no-port")
    assert found.kind == EMULATED and not found.hardware
    content = validation(found.facts(), False)
    assert not on_hardware(content) and where_briefly(content) == "emulated"
    said = "emulated: at /dev/no-port, a serial device that calls itself "
    assert where_it_ran(content) in [f"{said}{name}" for name in names.values()]
    assert found.product and found.product != "USB Serial"


@pytest.mark.parametrize(
    "product", ["STM32 Virtual ComPort", "ST-Link VCP", "XDS100 Emulator", "J-Link", "XDS110 Class Auxiliary"]
)
def test_probes_and_tags_that_call_themselves_virtual_are_hardware(
    monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    listed(monkeypatch, entry("/dev/no-port", "USB VID:PID=0483:5740", 0x0483, product=product))
    assert reached_through(SimpleNamespace(port="/dev/no-port"), "/dev/no-port").kind == SERIAL


def test_what_a_device_says_of_itself_is_shown_without_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    port = entry("/dev/no-port", "USB", 1, product="a\x1b[2J\nb", serial_number="\0\0")
    listed(monkeypatch, entry(None), port)  # type: ignore[arg-type]
    found = reached_through(SimpleNamespace(port="/dev/no-port"), "/dev/no-port")
    assert (found.kind, found.product, found.serial) == (SERIAL, "a[2Jb", None)


def test_a_port_of_windows_is_found_by_its_long_name(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, entry("COM10", "USB VID:PID=0451:BEF3", 0x0451))
    monkeypatch.setattr(os.path, "realpath", str)
    assert reached_through(SimpleNamespace(port="\\\\.\\COM10"), "\\\\.\\COM10").kind == SERIAL
