"""The examples in docs/guides work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from builders.places import ROOT
from typer.testing import CliRunner

from mcukd.boards.model import load_board
from mcukd.cli.app import app

GUIDES = ROOT / "docs" / "guides"


def blocks(guide: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def test_board(tmp_path: Path) -> None:
    for text in blocks("add-a-board.md", "toml"):
        name = re.findall(r'^name = "([\w-]+)"', text, re.M)[0]
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    vest = load_board(str(tmp_path / "vest.toml"))
    assert vest.name == "vest" and not vest.emulated
    assert vest.twin().name == "vest-emulated" and vest.twin().emulated
    shown = CliRunner().invoke(app, ["boards", str(tmp_path / "vest.toml")])
    assert shown.exit_code == 0 and "LIS2DW12" in shown.output and "guess" in shown.output
