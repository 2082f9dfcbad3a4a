"""Runner of mcukd commands as a user types them."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from typer.testing import CliRunner, Result

from mcukd.cli import main
from mcukd.cli.app import app

Completed = subprocess.CompletedProcess[str]
#: The command line as a tree of commands.
COMMAND = typer.main.get_command(app)


def parsed(words: list[str]) -> Any:
    """Return the context of a command with its parameters as the command line reads them; nothing is run.

    words: the command from its program's name on. Raises the parser's own errors.
    """
    context = COMMAND.make_context(words[0], words[1:])
    while hasattr(context.command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest and context.command.invoke_without_command:
            return context
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, context)
    return context


def mcukd_process(*arguments: str, cwd: Path | None = None) -> Completed:
    """Run a command in a process of its own, which takes seconds to import what it needs."""
    return subprocess.run(
        [sys.executable, "-m", "mcukd", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def mcukd(*arguments: str, cwd: Path | None = None) -> Completed:
    """Run a command in this process, down to its exit code and the sentence on standard error."""
    out, error = io.StringIO(), io.StringIO()
    before, interrupt = Path.cwd(), signal.getsignal(signal.SIGINT)
    try:
        os.chdir(cwd or before)
        named = mock.patch.object(sys, "argv", ["mcukd", *arguments])
        with named, redirect_stdout(out), redirect_stderr(error), pytest.raises(SystemExit) as ended:
            main()
    finally:
        os.chdir(before)
        signal.signal(signal.SIGINT, interrupt)
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(
        ["mcukd", *arguments], ended.value.code, out.getvalue(), error.getvalue()
    )


def invoke(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Result:
    """Run a command in this process from this working directory; its errors are the test's."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)
