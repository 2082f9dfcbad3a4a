"""Helpers for processes that a test started."""

from __future__ import annotations

import os
from pathlib import Path


def is_running(number: int) -> bool:
    """Whether a process runs that is not a zombie."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
