"""Rows that a card leaves out as no measurement, and where recordings are cut for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mcukd.data.measurements import repeated_runs, sentinel_rows, zero_rows


class Drop(BaseModel):
    """Rows that are no measurement, left out when files are read.

    zeros: those that are 0, 0, 0. values: those that hold one of these on an axis, in the files' units.
    frozen_rows: those that repeat the one before, in stretches of at least so many rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    zeros: bool = False
    values: tuple[float, ...] = ()
    frozen_rows: int | None = Field(default=None, ge=2)


def dropped(samples: NDArray[np.float64], drop: Drop | None) -> NDArray[np.bool_]:
    """Tell which rows of samples (n, 3) are left out."""
    lost = np.zeros(len(samples), dtype=bool)
    if drop is None:
        return lost
    if drop.zeros:
        lost |= zero_rows(samples)
    if drop.values:
        lost |= sentinel_rows(samples, drop.values)
    if drop.frozen_rows is not None:
        for start, stop in repeated_runs(samples, drop.frozen_rows):
            lost[start + 1 : stop] = True
    return lost


def breaks_of(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where what is left is cut: (k,) numbers of the first sample after two lost rows and more.

    lost: (n,). Numbers count the rows that are left. A single lost row is let pass, as in stamps.
    """
    kept = np.flatnonzero(~lost)
    return np.asarray(np.flatnonzero(np.diff(kept) > 2) + 1, np.int64)
