"""Calibration: ranges of a float student's tensors on some windows, and moments of what its weights read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.rounding import Moments

_CALIBRATION_WINDOWS = 1024


@dataclass
class CalibrationStats:
    """Statistics of a float student on calibration windows, for the choice of formats and the rounding.

    ranges: smallest and largest value by activation. moments: of what each kind of weight group reads, by
    names that the family chooses.
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)

    def update(self, name: str, values: NDArray[Any]) -> None:
        """Widen the range of a tensor."""
        low, high = self.ranges.get(name, (np.inf, -np.inf))
        self.ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))


def calibration_subset(windows: Windows) -> Windows:
    """Return at most 1024 windows spread evenly over the set, enough to see each tensor's range."""
    if len(windows) <= _CALIBRATION_WINDOWS:
        return windows
    return windows.take(np.linspace(0, len(windows) - 1, _CALIBRATION_WINDOWS).astype(np.int64))
