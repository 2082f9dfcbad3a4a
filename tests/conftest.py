"""What holds for every test: the environment of whoever runs them does not reach into them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Callable

import pytest

#: Set by the user for their own runs; MCUKD_CACHE only says where compiled libraries are kept.
KEPT = {"MCUKD_CACHE"}


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_user() -> None:
    for name in list(os.environ):
        if name.startswith("MCUKD_") and name not in KEPT:
            del os.environ[name]


@pytest.fixture
def fake_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Put a program of this name on the PATH that says `says`, then runs `script`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("mcukd.boards.debug_probes._ports", list)

    def write(name: str, says: str = "", script: str = "") -> None:
        path = tmp_path / name
        (tmp_path / f"{name}.txt").write_text(says)
        path.write_text(f"#!/bin/sh\ncat {tmp_path}/{name}.txt\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write
