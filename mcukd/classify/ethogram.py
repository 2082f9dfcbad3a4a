"""Ethogram: a row per day, a column per quarter of an hour, in the colour of its most frequent behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.drawing import COLOURS, INK, LINE, MUTED

#: Rows drawn at most; of longer recordings several days share a row.
_ROWS = 366


def draw_ethogram(
    days: Mapping[date, NDArray[np.int64]], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw time (quarters of an hour, K) in ns by day as a PNG; quarters without samples stay blank."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    dates, together = list(days), -(-len(days) // _ROWS)
    rows = [sum(days[day] for day in dates[i : i + together]) for i in range(0, len(dates), together)]
    time = np.stack([np.asarray(row) for row in rows])
    mostly = np.where(time.sum(axis=2) > 0, time.argmax(axis=2), -1)
    colours = colours_of(len(classes))
    height = 1.6 + min(len(rows) * 0.18, 12)
    figure = Figure(figsize=(9, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(
        np.ma.masked_less(mostly, 0),
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(classes) - 0.5,
        aspect="auto",
        interpolation="nearest",
        extent=(0, 24, len(rows) - 0.5, -0.5),
    )
    shown = range(0, len(rows), -(-len(rows) // 31))
    axes.set_yticks(shown, [dates[row * together].isoformat() for row in shown], fontsize=8, color=INK)
    axes.set_xticks(range(0, 25, 3), [f"{hour}:00" for hour in range(0, 25, 3)], fontsize=8, color=MUTED)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    handles = [Patch(color=colour, label=name) for colour, name in zip(colours, classes)]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def colours_of(count: int) -> list[Any]:
    """Return a colour per behaviour: those of all figures, or evenly spread hues where there are more."""
    from matplotlib import colormaps

    if count < len(COLOURS):
        return list(COLOURS[1 : count + 1])
    return [colormaps["turbo"](number / max(count - 1, 1)) for number in range(count)]
