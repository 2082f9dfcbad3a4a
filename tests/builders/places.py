"""Folders that tests read: the repository, golden files, and real data beside the checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
GOLDEN = TESTS / "golden"
DATA = ROOT.parent / "shared" / "data"
REPRO = ROOT.parent / "shared" / "repro"

#: The fixtures `real_data` and `repro`: from the name of a data set to its folder.
Folders = Callable[[str], Path]
