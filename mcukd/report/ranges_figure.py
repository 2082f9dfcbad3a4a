"""Box plots of every tensor's magnitudes against the range of its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.drawing import COLOURS, INK, MUTED, drawing, svg
from mcukd.report.figures import clipped_colour
from mcukd.report.tensors import in_computation_order


def ranges_figure(tensors: Mapping[str, Mapping[str, Any]], costly: bool = False) -> str | None:
    """Draw quartiles, 1 and 99 per cent and the largest magnitude over the range from step to limit.

    tensors: as in `ranges.json`. costly: whether the integers cost accuracy, so that clipped tensors are red
    and not amber. None without any.
    """
    if not tensors:
        return None
    names = in_computation_order(tensors)
    with drawing("ranges", len(names) * 0.3 + 1.2) as (figure, axes):
        for row, name in enumerate(names):
            tensor, seen = tensors[name], tensors[name]["magnitudes"]
            colour = clipped_colour(costly) if tensor["saturated"] else COLOURS[2]
            step, limit = tensor["step"], max(abs(tensor["low"]), abs(tensor["high"]))
            axes.plot([step, limit], [row, row], color=MUTED, linewidth=9, alpha=0.2, solid_capstyle="butt")
            low = step / 2  # what is nought has no place on a logarithmic axis
            whiskers = [max(seen[q], low) for q in ("1", "99")]
            box = [max(seen[q], low) for q in ("25", "75")]
            axes.plot(whiskers, [row, row], color=colour, linewidth=1)
            axes.plot(box, [row, row], color=colour, linewidth=6, solid_capstyle="butt", alpha=0.75)
            axes.plot([max(seen["50"], low)], [row], marker="|", color=INK, markersize=9)
            largest = max(abs(tensor["minimum"]), abs(tensor["maximum"]), low)
            axes.plot(
                [largest], [row], marker="X" if tensor["saturated"] else "o", markersize=5, color=colour
            )
        axes.set_xscale("log", base=2)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("magnitude; grey: from the format's step to its limit; cross: some are clipped")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        return svg(figure, "ranges")
