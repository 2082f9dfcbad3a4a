"""Small multiples of MCC against perturbation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcukd.drawing import INK, LINE, MUTED, drawing, svg
from mcukd.evaluation.marks import Mark, marks
from mcukd.evaluation.model_names import in_order
from mcukd.robustness.text import title_of

_PER_ROW = 2


def robustness_figure(content: Mapping[str, Any], among: Iterable[str] = ()) -> str:
    """Draw a panel per perturbation as inline SVG: MCC at each level, a line per model, bars of one SD.

    content: as in `robustness.json`. among: other models of the same page, whose marks are left to them.
    Chance, which is also what answering the most frequent behaviour gets, is MCC 0.
    """
    panels = list(content["disturbances"].values())
    rows = math.ceil(len(panels) / _PER_ROW)
    with drawing("robustness", rows * 2.1 + 0.5) as (figure, whole):
        whole.remove()
        grid = figure.subplots(rows, _PER_ROW, sharey=True, squeeze=False)
        names = in_order(content["undisturbed"])
        found = marks([*names, *among])
        for axes, panel in zip(grid.flat, panels):
            _panel(axes, panel, names, found)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("MCC")
        # A panel that was made in a run of its own may have models that others lack.
        lines = {
            label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels())
        }
        figure.legend(
            lines.values(), lines.keys(), loc="outside upper left", ncols=3, frameon=False, fontsize=8.5
        )
        return str(svg(figure, "robustness"))


def _panel(axes: Any, panel: Mapping[str, Any], names: Sequence[str], found: Mapping[str, Mark]) -> None:
    from matplotlib.ticker import MaxNLocator

    levels, unit = panel["levels"], panel["unit"]
    to_scale, kinds = min(levels) < 0, not unit
    # Levels both ways stand to scale; of the others each is a multiple of the one before, or a kind.
    places = levels if to_scale else list(range(len(levels)))
    axes.axhline(0, color=MUTED, linewidth=0.8, linestyle="--", label="chance, majority")
    axes.axvline(places[levels.index(0)], color=LINE, linewidth=0.8)
    for name in (one for one in names if one in panel["models"]):
        scores = panel["models"][name]
        axes.errorbar(
            places,
            scores["mcc"],
            yerr=None if scores["mcc_sd"][0] is None else scores["mcc_sd"],
            linewidth=0 if kinds else 1,
            elinewidth=0.7,
            **found[name].style(4),
            label=title_of(name),
        )
    in_title = bool(unit) and unit != "halvings"
    axes.set_title(
        f"{panel['title']}, {unit}" if in_title else panel["title"], fontsize=9, loc="left", color=INK
    )
    if to_scale:
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 6, 10]))
    else:
        labels = [f"{level:g}" for level in levels] if in_title else panel["labels"]
        axes.set_xticks(places, labels)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
