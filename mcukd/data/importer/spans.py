"""Periods in which each animal was recorded, to join labels with incomplete clocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.label_clocks import Spans
from mcukd.data.importer.options import Options
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.data.importer.rows import State, read_rows

#: A stretch ends where a step is this many times the usual one.
_GAP = 2.5


def read_spans(plan: ReadingPlan, options: Options) -> Spans:
    """Read a plan's recordings once for when they begin and end; UserError as `read_rows`."""
    animals: dict[str, tuple[float, float]] = {}
    begins: dict[str, list[NDArray[np.float64]]] = {}
    before: dict[str, tuple[float, int]] = {}
    for rows in read_rows(plan, options, None, State()):
        names = rows.animal.texts()
        for name in dict.fromkeys(names.tolist()):
            own = names == name
            time, segment = rows.time[own], rows.segment[own]
            if not np.isfinite(time).all() or not len(time):
                continue
            last, part = before.get(name, (np.nan, -1))
            steps = np.diff(time, prepend=last)
            ahead = steps[steps > 0]
            usual = float(np.median(ahead)) if len(ahead) else np.inf
            fresh = (np.diff(segment, prepend=part) != 0) | ~(steps <= _GAP * usual)
            begins.setdefault(name, []).append(time[fresh])
            first, end = animals.get(name, (np.inf, -np.inf))
            animals[name] = (min(first, float(time.min())), max(end, float(time.max())))
            before[name] = (float(time[-1]), int(segment[-1]))
    form = plan.files[0].time
    return Spans(
        animals,
        {name: np.unique(np.concatenate(found)) for name, found in begins.items()},
        dated=form is not None and form.dated,
        bare=form is not None and form.bare,
        of_day=form is not None and form.kind == "clock",
    )
