"""Checkpoints of fits, so that a killed training resumes and ends with the same weights."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.files import replacing

#: Seconds between two saves, which is what a killed fit loses at most.
INTERVAL = float(os.environ.get("MCUKD_CHECKPOINT_SECONDS", "15"))

State = Mapping[str, Any]


class Checkpoint:
    """Stored state of one fit. key: identity of everything that decides its result."""

    def __init__(self, path: Path, key: str, interval: float = INTERVAL) -> None:
        self.path, self._key, self._interval = path, key, interval
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the arrays saved last; None where they are missing, damaged or of another fit."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                if str(stored["key"]) != self._key:
                    return None
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
            return None

    def save(self, state: State) -> None:
        """Store arrays by name in place of the last save."""
        with replacing(self.path) as temporary:
            np.savez(temporary, key=np.array(self._key), **state)
        self._saved = time.monotonic()

    def save_if_due(self, state: Callable[[], State]) -> None:
        """Save, unless the last save was less than the interval ago."""
        if time.monotonic() - self._saved >= self._interval:
            self.save(state())


class Checkpoints:
    """Checkpoints of one job, in a folder that is removed once the job's result is written."""

    def __init__(self, folder: Path, key: str, interval: float = INTERVAL) -> None:
        self._folder, self._key, self._interval = folder, key, interval

    def of(self, fit: str) -> Checkpoint:
        """Return the checkpoint of a fit by its name, unique in the job."""
        return Checkpoint(self._folder / f"{fit}.npz", json.dumps([self._key, fit]), self._interval)

    def clear(self) -> None:
        """Remove them: the job is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)
