"""Ports of emulated boards under QEMU: UART, counter, faults and stack."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders.tiny_firmware import write_sources

from mcukd.boards.emulator import qemu_argv
from mcukd.boards.launch import running
from mcukd.boards.model import load_board
from mcukd.boards.toolchain import build
from mcukd.errors import UserError

TWINS = ("collar-emulated", "eartag-emulated")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


@pytest.fixture(scope="module")
def elves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Test firmwares by board, built on demand."""

    class OnDemand(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            board = load_board(name)
            folder = write_sources(board, tmp_path_factory.mktemp("tiny") / name)
            self[name] = build(folder, board).elf
            return self[name]

    return OnDemand()


@contextmanager
def console(name: str, elves: dict[str, Path]) -> Iterator[Any]:
    import serial

    with running(load_board(name), elves[name]) as url:
        port = serial.serial_for_url(url, baudrate=115_200, timeout=20)
        try:
            # The firmware greets at its start; a connection that is faster, on a busy computer, reads that.
            port.write(b"~")
            assert port.read_until(b"~").endswith(b"~")
            yield port
        finally:
            port.close()


def words(port: Any, command: int, count: int = 1) -> list[int]:
    port.write(bytes([command]))
    reply = port.read(4 * count)
    assert len(reply) == 4 * count
    return [int.from_bytes(reply[i : i + 4], "little") for i in range(0, len(reply), 4)]


def test_qemu_argv_is_exact() -> None:
    assert qemu_argv(load_board("collar-emulated"), Path("f.elf"), 7) == [
        "qemu-system-arm", "-M", "mps2-an385", "-icount", "shift=0", "-display", "none", "-monitor", "none",
        "-nodefaults", "-chardev", "socket,id=console,fd=7,server=on,wait=off", "-serial", "chardev:console",
        "-kernel", "f.elf",
    ]  # fmt: skip
    assert "mps2-an386" in qemu_argv(load_board("eartag-emulated"), Path("f.elf"), 7)


def test_real_board_is_not_emulated_under_its_own_name() -> None:
    with pytest.raises(UserError, match="collar-emulated"):
        qemu_argv(load_board("collar"), Path("f.elf"), 7)


def test_missing_elf_and_missing_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board, elf = load_board("collar-emulated"), tmp_path / "firmware.elf"
    with pytest.raises(UserError, match="mcukd build"), running(board, elf):
        pass
    elf.write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"qemu-system-arm is not on the PATH.*install"), running(board, elf):
        pass


@needs_cc
def test_native_firmware_echoes_on_a_pseudo_terminal(elves: dict[str, Path]) -> None:
    data = bytes(range(0x80)) * 80
    with console("native", elves) as port:
        port.write(data)
        assert port.read(len(data)) == data
        assert words(port, 0x82, 2) == [0, 0]


@needs_cc
def test_native_firmware_ends_with_its_terminal(elves: dict[str, Path]) -> None:
    board = load_board("native")
    with running(board, elves["native"]) as url:
        assert url.startswith("/dev/")
    with pytest.raises(OSError):
        os.close(os.open(url, os.O_RDWR | os.O_NOCTTY))


def test_ctrl_c_is_left_to_the_command(tmp_path: Path) -> None:
    """A terminal sends it to the stand-in as well, whose end would be told instead of the user's wish."""
    elf, mark = tmp_path / "firmware.elf", tmp_path / "mark"
    elf.write_text(
        f"#!{sys.executable}\nimport pathlib, signal, time\n"
        f"held = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        f"pathlib.Path({str(mark)!r}).write_text(str(held))\ntime.sleep(60)\n"
    )
    elf.chmod(0o755)
    with running(load_board("native"), elf):
        deadline = time.monotonic() + 20
        while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert mark.read_text() == "True"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@needs_cc
def test_program_that_is_no_firmware_is_one_sentence(tmp_path: Path) -> None:
    elf = tmp_path / "firmware.elf"
    elf.write_text("no program")
    elf.chmod(0o755)
    with pytest.raises(UserError, match="cannot be run here"), running(load_board("native"), elf):
        pass


@pytest.mark.emulator
@pytest.mark.parametrize("name", TWINS)
def test_uart_echoes_ten_thousand_bytes(name: str, elves: dict[str, Path]) -> None:
    data = bytes(range(0x80)) * 79
    with console(name, elves) as port:
        port.write(data)
        assert port.read(len(data)) == data


@pytest.mark.emulator
@pytest.mark.parametrize("name", TWINS)
def test_counter_counts_the_instructions_of_a_known_loop(name: str, elves: dict[str, Path]) -> None:
    """A million rounds of two instructions, 40 to a tick: exact, and the same in every run."""
    for _ in range(2):
        with console(name, elves) as port:
            for _ in range(3):
                assert abs(words(port, 0x81)[0] - 2_000_000 // 40) <= 1


@pytest.mark.emulator
@pytest.mark.parametrize("name", TWINS)
def test_stack_high_water_mark_follows_the_stack(name: str, elves: dict[str, Path]) -> None:
    with console(name, elves) as port:
        before, after = words(port, 0x82, 2)
        assert 0 < before < 200
        assert 600 <= after - before < 700
        again, deeper = words(port, 0x82, 2)
        assert abs(again - before) <= 8  # painting starts anew; a frame may hold words it never writes
        assert abs(deeper - after) <= 8


@pytest.mark.emulator
@pytest.mark.parametrize("name", TWINS)
def test_variables_are_initialised_and_cleared(name: str, elves: dict[str, Path]) -> None:
    with console(name, elves) as port:
        assert words(port, 0x85) == [1 + 2 * 256 + 3 * 65536]
        assert words(port, 0x85) == [2 + 2 * 256 + 3 * 65536 + 1]
        assert words(port, 0x86) == [6]  # floating point, which the M4F does in hardware


@pytest.mark.emulator
@pytest.mark.parametrize("name", TWINS)
def test_fault_reports_itself_and_starts_anew(name: str, elves: dict[str, Path]) -> None:
    """A bad address and a stack overflow: neither hangs silently, and the device answers afterwards."""
    with console(name, elves) as port:
        for command, stack in ((0x83, False), (0x84, True), (0x83, False)):
            assert words(port, 0x85)[0] & 0xFF == 1
            port.write(bytes([command]))
            report = port.read_until(b"boot")
            assert report.startswith(b"\0mcukd fault 00000003 pc ")
            assert report.endswith(b"\r\n\0boot")
            assert (b"stack overflow" in report) == stack


@pytest.mark.emulator
def test_device_wakes_after_a_long_silence(elves: dict[str, Path]) -> None:
    with console("collar-emulated", elves) as port:
        for pause in (0.0, 0.7):
            time.sleep(pause)
            port.write(b"hello")
            assert port.read(5) == b"hello"


@pytest.mark.emulator
def test_second_client_is_served_after_the_first(elves: dict[str, Path]) -> None:
    import serial

    with running(load_board("collar-emulated"), elves["collar-emulated"]) as url:
        for _ in range(2):
            with serial.serial_for_url(url, timeout=20) as port:
                port.write(b"x")
                assert port.read(1) == b"x"


def processes_with(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.emulator
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_no_emulator_is_left_behind(elves: dict[str, Path]) -> None:
    board, elf = load_board("collar-emulated"), elves["collar-emulated"]
    with pytest.raises(ZeroDivisionError), running(board, elf):
        assert processes_with(str(elf))
        _ = 1 / 0
    assert not processes_with(str(elf))
    script = (
        "import sys, time; from pathlib import Path; from mcukd.boards.launch import running; "
        "from mcukd.boards.model import load_board\n"
        "with running(load_board('collar-emulated'), Path(sys.argv[1])):\n"
        "    print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(elf)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 128 + signal.SIGTERM
    child.stdout.close()
    assert not processes_with(str(elf))


@pytest.mark.emulator
def test_what_qemu_says_is_in_the_sentence(tmp_path: Path) -> None:
    elf = tmp_path / "firmware.elf"
    elf.write_bytes(b"\x7fELF no firmware")
    machine = load_board("collar-emulated").emulator
    assert machine is not None
    unknown = load_board("collar-emulated").model_copy(
        update={"emulator": machine.model_copy(update={"machine": "no-such-machine"})}
    )
    refusal = pytest.raises(UserError, match=r"qemu-system-arm ended by itself.*unsupported machine type")
    with refusal, running(unknown, elf):
        time.sleep(5)
        raise ConnectionError


@pytest.mark.emulator
def test_emulator_that_dies_while_in_use_is_named(elves: dict[str, Path]) -> None:
    board, elf = load_board("collar-emulated"), elves["collar-emulated"]
    with pytest.raises(UserError, match="qemu-system-arm ended by itself"), running(board, elf):
        for number in processes_with(str(elf)):
            if "qemu" in Path(f"/proc/{number}/cmdline").read_text():
                os.kill(number, signal.SIGKILL)
        time.sleep(0.5)
        raise ConnectionError("gone")
