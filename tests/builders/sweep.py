"""Small grids on a small herd."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from builders.data import write_card

#: 3 folds × 7 seeds of two baselines: 42 runs, half of which take long enough to be killed.
FORESTS = """
data = "{card}"
[grid]
seeds = {seeds}
beside = ["random_forest", "majority"]
bits = []
"""


def write_herd(folder: Path) -> Path:
    """Write three animals that graze and rest, and return the card's path."""
    rng = np.random.default_rng(0)
    for animal in "ABC":
        for label, swing in (("graze", 0.5), ("rest", 0.0)):
            samples = [0.1, -0.2, -0.95] + swing * np.sin(np.arange(120)[:, None] * [0.9, 1.1, 0.7])
            samples = samples + 0.2 * rng.normal(size=(120, 3))
            path = folder / label / f"{animal}1.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    path = write_card(folder).path
    assert path is not None
    return path


def write_grid(folder: Path, card: Path, content: str = FORESTS, **values: object) -> Path:
    path = folder / "grid.toml"
    path.write_text(content.format(card=card.as_posix(), **{"seeds": 7, **values}), encoding="utf-8")
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
