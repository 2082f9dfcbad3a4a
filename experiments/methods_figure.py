"""Figure of `experiments/methods.py`: differences of students from the plain one, with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcukd.files import replacing

#: Panels side by side.
ACROSS = 2


def draw(results: Path, path: Path) -> None:
    """Draw a panel for each `methods-*.json` that has plain students: paired differences in pooled MCC."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = {
        file.stem.partition("-")[2]: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(results.glob("methods-*.json"))
    }
    panels = [(grid, one, rows) for grid, one in found.items() if (rows := _compared(one))]
    if not panels:
        return
    across = min(len(panels), ACROSS)
    down = -(-len(panels) // across)
    longest = [
        max(len(rows) for *_, rows in panels[first:][:across]) for first in range(0, len(panels), across)
    ]
    heights = [1.0 + 0.27 * rows for rows in longest]
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(4.3 * across, sum(heights)),
        height_ratios=heights,
        squeeze=False,
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (grid, one, rows) in zip(axes.flat, panels):
        for place, row in enumerate(reversed(rows)):
            against = row["against_plain"]
            shown = {"better": "tab:green", "worse": "tab:red"}.get(against["verdict"], "tab:gray")
            axis.plot([against["low"], against["high"]], [place, place], color=shown)
            axis.plot(against["difference"], place, "o", color=shown, markersize=5)
        axis.axvline(0, color="black", linewidth=0.6)
        axis.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)], fontsize=7)
        simulated = ", simulated" if one["simulated"] else ""
        seeds = f"{len(one['seeds'])} seed{'s' * (len(one['seeds']) > 1)}"
        # Grids share data and split, and differ in passes and rates, which their names stand for.
        axis.set_title(f"{grid}{simulated}\n{one['split']}, {seeds}", fontsize=9)
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlabel("MCC above the plain student, 95 % interval", fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


def _compared(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the float students that were compared with a plain one, with an interval."""
    return [
        row
        for row in found["points"]
        if row["bits"] is None and (row.get("against_plain") or {}).get("low") is not None
    ]
