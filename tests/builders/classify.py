"""Builders for classify: a study with only an integer model, and recordings for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from builders.students import COUNTS_PER_G, random_model
from pyarrow import parquet

from mcukd.classify.recording import Layout
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.study import Study

STEPS, RATE = 30, 50.0
START_NS = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
#: The same moment for the command line, and the rate.
START = ("--start", "2026-01-01T00:00:00Z", "--rate", "50")


def make_study(folder: Path, **changes: Any) -> tuple[Path, IntegerModel]:
    model = random_model(steps=STEPS, **changes)
    Study.create(folder, card="herd-sim", seed=0)
    save_model(model, folder)
    return folder, model


def recording(samples: int, seed: int = 0) -> np.ndarray:
    """Counts (samples, 3) that turn and shake, about 1 g long, so that found change often."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples)[:, None] / RATE
    direction = np.sin(2 * np.pi * 0.05 * time + np.array([0.0, 2.1, 4.2])) * 0.8
    shaking = 0.4 * np.sin(2 * np.pi * 3 * time) * (np.sin(0.5 * time) > 0)
    values = direction + shaking + rng.normal(0, 0.05, (samples, 3))
    return np.clip(np.round(values * COUNTS_PER_G), -32768, 32767).astype(np.int16)


def stamps(samples: int, start_ns: int = START_NS) -> np.ndarray:
    return start_ns + np.arange(samples, dtype=np.int64) * 20_000_000


def write_parquet(path: Path, counts: np.ndarray, times: Any = None, group: int = 1000) -> Path:
    columns = {name: pa.array(np.ascontiguousarray(counts[:, i])) for i, name in enumerate("xyz")}
    if times is not None:
        columns["time"] = (
            pa.array(times, pa.timestamp("ns", "UTC")) if isinstance(times, np.ndarray) else times
        )
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return path


def started(start_ns: int = START_NS) -> Layout:
    return Layout(("x", "y", "z"), RATE, COUNTS_PER_G, start_ns=start_ns)


def stamped() -> Layout:
    return Layout(("x", "y", "z"), RATE, COUNTS_PER_G, time_column="time")
