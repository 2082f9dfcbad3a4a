"""Commands as a user types them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from typer.testing import CliRunner, Result

from mcukd.cli.app import app


def mcukd(*arguments: str, cwd: Optional[Path] = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mcukd", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def invoke(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Result:
    """Run a command in this process, from this working directory."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)
