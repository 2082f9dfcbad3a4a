"""A herd of two animals as CSV files, and its import with and without labels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data

RATE, G = 25.0, 9.80665
START = 1_714_500_000.0


@cache
def table(number: int, columns: str, unit: float, flip: float) -> str:
    """A CSV of 10 minutes in bouts of 30 s, gravity on az; a gap of an hour at half time."""
    row = np.arange(15_000)
    label = np.where(row // 750 % 2, "rest", "walk")
    swing = 0.4 * np.sin(2 * np.pi * 2 * row / RATE) * (label == "walk")
    means = np.stack([0.1 + swing, np.full(row.size, 0.15), np.full(row.size, 0.97)], axis=1)
    x, y, z = (np.random.default_rng(number).normal(means, 0.02) * unit).T
    stamp = START + row / RATE + 3600 * (row >= 7500)
    cells = {"time": [f"{one:.2f}" for one in stamp], "behaviour": label}
    cells |= {name: [f"{one:.4f}" for one in axis] for name, axis in (("ax", x), ("ay", y), ("az", z * flip))}
    cells |= {"swapped_x": cells["az"], "swapped_z": cells["ax"]}
    lines = map(",".join, zip(*(cells[name] for name in columns.split(","))))
    return "\n".join([columns, *lines]) + "\n"


def herd(folder: Path, columns: str = "time,ax,ay,az,behaviour", unit: float = G, flip: float = 1.0) -> None:
    """Two animals."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, animal in enumerate(("bella", "max")):
        (folder / f"{animal}.csv").write_text(table(number, columns, unit, flip), encoding="utf-8")


def bring_in(path: Path, out: Path, **options: Any) -> Imported:
    return import_data(path, Options(out=out, **options), Dialog())
