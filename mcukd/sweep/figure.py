"""Pareto figure of a sweep: MCC over bytes of flash, and over instructions or multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.drawing import INK, LINE, MUTED
from mcukd.evaluation.marks import mark
from mcukd.files import replacing
from mcukd.sweep.options import sizes_text
from mcukd.text import grouped


def draw_pareto(facts: Mapping[str, Any], path: Path) -> None:
    """Draw the summary of a sweep as a PNG: a dot for each point with a cost, the fronts as steps.

    Flash is the measured one where all integer points were measured, else weights, biases and gate table.
    Points without a cost (forest, majority, teacher) are lines across.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = facts["points"]
    integers = [point for point in points if point["bits"] is not None]
    measured = bool(integers) and all(point["instructions"] is not None for point in integers)
    figure = Figure(figsize=(10, 4.4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    if measured:
        core = facts["measured_on"]["core"]
        flash, work = [point["flash_bytes"] for point in points], [p["instructions"] for p in points]
        labels = "bytes of flash: code, weights, tables", f"instructions per window ({core}, QEMU)"
    else:
        flash = [_bytes(point) for point in points]
        work = [point["macs_per_window"] for point in points]
        labels = "bytes of weights, biases and gate table", "multiply-accumulates per window"
    series = list(dict.fromkeys(point["series"] for point in points))
    for axes, costs, label in ((left, flash, labels[0]), (right, work, labels[1])):
        _panel(axes, points, costs, series, label)
    left.set_ylabel("pooled MCC on animals held out", fontsize=9)
    origin = "simulated, " if facts["simulated"] else ""
    note = "" if facts["complete"] else f"; INCOMPLETE: {facts['runs']} of {facts['runs_planned']} runs"
    figure.suptitle(
        f"{facts['data']} ({origin}{facts['split']}, {len(facts['seeds'])} seeds){note}",
        fontsize=10, x=0.01, ha="left", color=INK,
    )  # fmt: skip
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def front(costs: Sequence[float | None], merits: Sequence[float | None]) -> list[int]:
    """Return the indices of the Pareto-optimal points by rising cost; points with None are left out."""
    known = [
        (cost, -gain, number)
        for number, (cost, gain) in enumerate(zip(costs, merits))
        if cost is not None and gain is not None
    ]
    best, found = -np.inf, []
    for _, loss, number in sorted(known):
        if -loss > best:
            best = -loss
            found.append(number)
    return found


def _panel(
    axes: Any,
    points: Sequence[Mapping[str, Any]],
    costs: Sequence[float | None],
    series: Sequence[str],
    label: str,
) -> None:
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    bottom, top = axis_range(points, costs)
    for number, name in enumerate(series):
        colour, marker = mark(number).colour, mark(number).shape
        own = [n for n, point in enumerate(points) if point["series"] == name]
        with_cost = [n for n in own if costs[n] is not None]
        if with_cost:
            axes.errorbar(
                [costs[n] for n in with_cost], [points[n]["mcc"] for n in with_cost],
                [points[n]["mcc_sd"] or 0 for n in with_cost], label=name, color=colour, marker=marker,
                linestyle="none", markersize=5, elinewidth=0.8,
            )  # fmt: skip
        for n in own if not with_cost else ():
            beyond = (
                "" if bottom <= points[n]["mcc"] <= top else f" ({points[n]['mcc']:.2f}, beyond the axis)"
            )
            axes.axhline(points[n]["mcc"], color=colour, linewidth=1, linestyle="--", label=name + beyond)
    best = front(costs, [point["mcc"] for point in points])
    axes.step(
        [costs[n] for n in best], [points[n]["mcc"] for n in best], where="post", color=MUTED,
        linewidth=1.2, label="Pareto front",
    )  # fmt: skip
    axes.set_ylim(bottom, top)
    known = [cost for cost in costs if cost]
    if known and max(known) > 10 * min(known):
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda cost, _: grouped(cost))
    _name_front(axes, points, costs, best)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(label, fontsize=9)


def axis_range(points: Sequence[Mapping[str, Any]], costs: Sequence[float | None]) -> tuple[float, float]:
    """Return the ends of the MCC axis: around the dots, and around the lines that are close to them."""
    dots = [point for point, cost in zip(points, costs) if cost is not None] or points
    spread = [(point["mcc"], point["mcc_sd"] or 0) for point in dots]
    low, high = min(mcc - sd for mcc, sd in spread), max(mcc + sd for mcc, sd in spread)
    near = max(high - low, 0.1)
    lines = [point["mcc"] for point in points if low - near <= point["mcc"] <= high + near]
    low, high = min([low, *lines]), max([high, *lines])
    margin = max(0.08 * (high - low), 0.01)
    return low - margin, high + margin


def _name_front(
    axes: Any, points: Sequence[Mapping[str, Any]], costs: Sequence[float | None], best: Sequence[int]
) -> None:
    """Write the size beside each point of the front, one above the other where they are close."""
    axes.get_xlim()  # fixes the scale, on which positions depend
    last, height = -1.0, 0
    for n in best:
        at = (costs[n], points[n]["mcc"])
        across = axes.transAxes.inverted().transform(axes.transData.transform(at))[0]
        height = height + 9 if across - last < 0.12 else 0
        last = across
        axes.annotate(
            _short(points[n]), at, xytext=(-4 if across > 0.85 else 4, 5 + height),
            ha="right" if across > 0.85 else "left", textcoords="offset points", fontsize=7, color=INK,
        )  # fmt: skip


def _short(point: Mapping[str, Any]) -> str:
    """Return size and width such as "16/16·8", or the method's name where there is no size."""
    sizes = sizes_text(point)
    if not sizes:
        return str(point["series"])
    width = "float" if point["bits"] is None else point["bits"]
    return f"{sizes}·{width}"


def _bytes(point: Mapping[str, Any]) -> int | None:
    if point["weight_bytes"] is None:
        return None
    return int(point["weight_bytes"] + (point["table_bytes"] or 0))
