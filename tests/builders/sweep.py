"""Small grids on a small herd."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from builders.data import write_moving_herd

from mcukd.parallel.executor import InProcess

#: 3 folds × 4 seeds of two baselines: 24 runs, half of which take long enough to be killed.
FORESTS = """
data = "{card}"
[grid]
seeds = {seeds}
beside = ["random_forest", "majority"]
bits = []
"""


def train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a sweep's jobs in this process, where TensorFlow has started and models stay compiled."""
    monkeypatch.setattr("mcukd.sweep.schedule.LocalProcesses", lambda *_: InProcess())
    for module in ("jobs", "runs"):
        # The number of threads cannot be set any more. It affects last bits only.
        monkeypatch.setattr(f"mcukd.sweep.{module}.use_one_thread", lambda: None)


def herd_card(folder: Path) -> Path:
    """Write a small noisy herd and return its card's path."""
    path = write_moving_herd(folder, 120, 0.2).path
    assert path is not None
    return path


def write_grid(folder: Path, card: Path, content: str = FORESTS, **values: object) -> Path:
    path = folder / "grid.toml"
    path.write_text(content.format(card=card.as_posix(), **{"seeds": 4, **values}), encoding="utf-8")
    return path


def command(grid: Path, out: Path, card: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "mcukd", "sweep", str(grid), "--out", str(out)),
        *("--data-root", str(card.parent), "--json", *more),
    ]


def results(out: Path) -> dict[str, int]:
    """The finished runs and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("[!.]*.json")}


def finished(out: Path) -> dict[str, int]:
    """All that is finished, trainings included, and when each was written."""
    files = (path for path in out.glob("*/[!.]*.*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in files}


def wait_for_results(out: Path, number: int, seconds: float = 120) -> dict[str, int]:
    deadline = time.monotonic() + seconds
    while len(results(out)) < number:
        assert time.monotonic() < deadline, f"{len(results(out))} of {number} results after {seconds} s"
        time.sleep(0.02)
    return results(out)
