"""Bundled board files, changed for a test."""

from __future__ import annotations

import re
from pathlib import Path

from mcukd.boards.model import Board, read_board
from mcukd.resources import resource_dir


def untagged(name: str) -> str:
    """Return a bundled board file without its sections [tag] and [radio]: nothing that samples by itself."""
    text = (resource_dir("boards") / f"{name}.toml").read_text()
    changed = re.sub(r"(?ms)^(?:# [^\n]*\n)*\[(?:tag|radio)\]\n.*?(?=^(?:# [^\n]*\n)*\[)", "", text)
    assert "[tag]" not in changed and "[radio]" not in changed
    return changed


def radio_of(name: str) -> str:
    """Return the section [radio] of a bundled board file."""
    text = (resource_dir("boards") / f"{name}.toml").read_text()
    found = re.search(r"(?ms)^\[radio\]\n.*?(?=^\[)", text)
    assert found is not None
    return found[0]


def board_of(text: str, folder: Path, name: str = "tag") -> Board:
    """Return the board of a file of this text."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return read_board(path)
