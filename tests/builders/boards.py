"""Bundled board files, changed for a test."""

from __future__ import annotations

import re
from pathlib import Path

from mcukd.boards.model import Board, read_board
from mcukd.resources import resource_dir


def untagged(name: str) -> str:
    """Return a bundled board file without its section [tag]: no log, and nothing that samples by itself."""
    text = (resource_dir("boards") / f"{name}.toml").read_text()
    changed = re.sub(r"(?ms)^(?:# [^\n]*\n)*\[tag\]\n.*?(?=^\[)", "", text)
    assert "[tag]" not in changed
    return changed


def board_of(text: str, folder: Path, name: str = "tag") -> Board:
    """Return the board of a file of this text."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return read_board(path)
