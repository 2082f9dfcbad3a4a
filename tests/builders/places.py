"""Folders that tests read: the repository, golden files, and real data beside the checkout."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
GOLDEN = TESTS / "golden"
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data"
REPRO = SHARED / "repro"
