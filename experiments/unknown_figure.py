"""Figure of refused and early answers: docs/img/unknown.png, from the records of `unknown.py`.

python experiments/unknown_figure.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcukd.drawing import COLOURS, INK, LINE, MUTED

DOCS = Path(__file__).parents[1] / "docs"
SETS = {"cow-collar": "ten cows", "ucihar-subset": "thirty people", "fur-seals": "six seals"}


def main() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    records = {
        name: json.loads((DOCS / "results" / f"unknown-{name}.json").read_text(encoding="utf-8"))
        for name in SETS
    }
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    risk, early = figure.subplots(1, 2)
    for colour, (name, title) in zip(COLOURS[1:], SETS.items()):
        points = records[name]["closed"]["curve"]
        first = points[0]["risk"]
        risk.plot(
            [100 * point["coverage"] for point in points],
            [point["risk"] / first for point in points],
            color=colour,
            label=f"{title} ({first:.0%} wrong at 100 %)",
            marker=".",
        )
        rates = [one for one in records[name]["early"] if "rate" in one]
        early.plot(
            [100 * one["samples"] for one in rates],
            [100 * one["equal"] for one in rates],
            color=colour,
            marker="o",
            label=title,
        )
    risk.set_xlim(100, 20)
    risk.set_ylim(0, 1.05)
    labelled(risk, "results that are answered, %", "wrong answers, as a share of those at 100 %")
    labelled(
        early, "samples taken before the answer, % of the window", "answers equal to the full window's, %"
    )
    risk.legend(fontsize=8, frameon=False)
    figure.savefig(DOCS / "img" / "unknown.png", dpi=130, metadata={"Software": None})


def labelled(axes: Any, x: str, y: str) -> None:
    """Label an axis in the style of all figures."""
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=MUTED)
    for spine in axes.spines.values():
        spine.set_color(LINE)


if __name__ == "__main__":
    main()
