"""Platforms: what other systems do differently, simulated here by their names; none of it has run on them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from builders.places import ROOT
from builders.students import random_model

from mcukd import platforms
from mcukd.boards.launch import can_run, running
from mcukd.boards.model import load_board
from mcukd.boards.processes import run_closed
from mcukd.boards.tools import install_line
from mcukd.errors import UserError
from mcukd.fixedpoint.model import save_model
from mcukd.study import LATEST, Study


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call this Windows, which has neither fcntl nor process groups, with every tool installed."""
    monkeypatch.setattr(sys, "platform", "win32")
    # From Python 3.12 on `which` asks Windows itself.
    monkeypatch.setattr(shutil, "which", lambda name, *_, **__: rf"C:\tools\{name}.exe")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(os, "killpg")


def test_no_other_module_asks_which_system_this_is() -> None:
    asks = re.compile(r"sys\.platform|os\.name\b|import fcntl|import msvcrt")
    found = {path.name for path in (ROOT / "mcukd").rglob("*.py") if asks.search(path.read_text("utf-8"))}
    assert found == {"platforms.py"}


@pytest.mark.parametrize(
    ("system", "suffix", "line"),
    [
        ("linux", ".so", "sudo apt-get install"),
        ("darwin", ".dylib", "brew install"),
        ("win32", ".dll", "qemu-system-arm's own installer"),
    ],
)
def test_names_are_those_of_the_system(
    monkeypatch: pytest.MonkeyPatch, system: str, suffix: str, line: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert platforms.library_suffix() == suffix
    assert install_line("qemu-system-arm").startswith(line)


def test_a_program_without_a_group_of_its_own_is_ended(windows: None) -> None:
    assert platforms.own_group() == {}
    ended = run_closed([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    assert ended.status is None and ended.stopped == "did not end within 0.5 s"


def test_another_process_counts_as_alive_where_asking_would_end_it(
    windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise AssertionError("asked by a signal")

    monkeypatch.setattr(os, "kill", kill)
    assert platforms.lives(1)


def test_files_are_kept_without_locks_and_folders_that_open(
    windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a").open("wb") as one, (tmp_path / "a").open("wb") as two:
        assert platforms.lock_file(one.fileno()) and platforms.lock_file(two.fileno())
        platforms.sync_file(one.fileno())
    opened = os.open

    def refuse_folders(path: Any, *rest: Any, **named: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest, **named)

    monkeypatch.setattr(os, "open", refuse_folders)
    platforms.sync_folder(tmp_path)


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as one, (tmp_path / "a").open("wb") as two:
        assert platforms.lock_file(one.fileno()) and not platforms.lock_file(two.fileno())


def test_a_port_is_not_shared_on_windows(windows: None) -> None:
    with socket.socket() as made:
        platforms.reuse_address(made)
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


def test_a_clock_goes_on_without_the_one_that_counts_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        first = platforms.elapsed_ns()
        assert 0 <= platforms.elapsed_ns() - first < 60_000_000_000


@pytest.mark.parametrize("name", ["collar-emulated", "native"])
def test_boards_without_hardware_are_refused_on_windows_in_a_sentence(
    windows: None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = load_board(name)
    assert not can_run(board)
    monkeypatch.setattr("mcukd.boards.launch.require_tool", lambda *_: "qemu")
    (tmp_path / "firmware.elf").write_bytes(b"")
    with pytest.raises(UserError, match="Linux"), running(board, tmp_path / "firmware.elf"):
        pass


def test_a_study_needs_no_link_to_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    study = Study.create(tmp_path / "run", "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(random_model(0), study.path))
    assert not (tmp_path / LATEST).exists() and not list(tmp_path.glob(".*"))
    assert Study.open(tmp_path / "run").manifest["stages"]["quantize"]
