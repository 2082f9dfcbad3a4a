"""Figures of the report as inline SVG: text stays text, and the same numbers give the same bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mcukd.drawing import AMBER, COLOURS, INK, LINE, MUTED, RED, drawing, svg
from mcukd.evaluation.marks import Mark, marks
from mcukd.evaluation.model_names import in_order, model_title
from mcukd.fixedpoint.model import TensorFormat
from mcukd.report.tensors import in_computation_order

#: Share of a row's height that its marks' middles may take; the rest is room for the marks themselves.
_SPREAD = 0.7


def animals_figure(models: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Draw each animal's MCC as one dot per model; None where no animal has one."""
    names = [name for name in in_order(models) if models[name].get("per_animal")]
    animals = sorted({animal for name in names for animal in models[name]["per_animal"]}, key=_natural)
    if not animals:
        return None
    scores = {name: models[name]["per_animal"] for name in names}
    values = {name: [scores[name].get(animal, {}).get("mcc") for animal in animals] for name in names}
    with drawing("animals", _height(len(animals), len(names))) as (figure, axes):
        _rows_of_marks(axes, animals, values, marks(models))
        axes.set_xlabel("MCC on this animal while it was held out")
        known = [value for row in values.values() for value in row if value is not None]
        axes.set_xlim(math.floor(min(known, default=0) * 10 - 0.5) / 10, 1.03)
        return svg(figure, "animals")


def budget_figure(models: Mapping[str, Mapping[str, Any]], classes: Sequence[str]) -> str | None:
    """Draw the time budget's bias in minutes per day, one dot per model and behaviour."""
    names = [name for name in in_order(models) if models[name].get("time_budget_bias_min_per_day")]
    if not names:
        return None
    biases = {name: models[name]["time_budget_bias_min_per_day"] for name in names}
    values = {name: [biases[name][one] for one in classes] for name in names}
    with drawing("budget", _height(len(classes), len(names))) as (figure, axes):
        _rows_of_marks(axes, classes, values, marks(models))
        reach = 1.05 * max(1.0, *(abs(value) for row in values.values() for value in row))
        axes.set_xlim(-reach, reach)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_xlabel("minutes per day: too few  ←  0  →  too many")
        return svg(figure, "budget")


def _height(rows: int, models: int) -> float:
    """Return the height in inches that gives every mark of a row a place of its own."""
    return rows * max(0.3, 0.08 * models) + 0.9 + 0.2 * math.ceil(models / 3)


def _rows_of_marks(
    axes: Any,
    rows: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    found: Mapping[str, Mark],
) -> None:
    """Draw one row for each name, with a mark of every model at its value; None is left out.

    Within a row the models stand one below the other, so that equal values do not hide each other.
    """
    for number, name in enumerate(values):
        offset = _SPREAD * ((number + 0.5) / len(values) - 0.5)
        points = [(value, row + offset) for row, value in enumerate(values[name]) if value is not None]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            label=model_title(name),
            gid=f"mark-{name}",
            clip_on=False,
            **found[name].style(),
        )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for row in range(len(rows) + 1):
        axes.axhline(row - 0.5, color=LINE, linewidth=0.6, gid=f"edge-{row}", zorder=0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderpad=0, fontsize=8.5)


def reliability_figure(models: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Draw accuracy against confidence, one line per model whose calibration is known; None without any."""
    names = [name for name in in_order(models) if models[name].get("calibration") and name != "majority"]
    if not names:
        return None
    with drawing("reliability", 4.4) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        found = marks(models)
        for name in names:
            # A bin of a few windows says nothing and would draw the eye.
            bins = [one for one in models[name]["calibration"]["bins"] if one["windows"] >= 20]
            axes.plot(
                [one["confidence"] for one in bins],
                [one["accuracy"] for one in bins],
                linewidth=1,
                label=model_title(name),
                gid=f"mark-{name}",
                **found[name].style(),
            )
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("confidence (largest probability)")
        axes.set_ylabel("share classified rightly")
        axes.grid()
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", frameon=False, fontsize=8.5)
        return svg(figure, "reliability")


def formats_figure(formats: Mapping[str, TensorFormat], costly: bool = False) -> str | None:
    """Draw what each tensor's format can hold, from step to limit, and the greatest value observed.

    costly: whether the integers cost accuracy, so that clipped tensors are red and not amber.
    """
    if not formats:
        return None
    names = in_computation_order(formats)
    with drawing("formats", len(names) * 0.27 + 1.2) as (figure, axes):
        for row, name in enumerate(names):
            fmt = formats[name]
            step, limit = 2.0**-fmt.fractional_length, 2.0 ** (fmt.bits - 1 - fmt.fractional_length)
            colour = COLOURS[2] if fmt.kind == "activation" else COLOURS[3]
            axes.plot([step, limit], [row, row], color=colour, linewidth=7, alpha=0.28, solid_capstyle="butt")
            observed = max(abs(fmt.observed_min), abs(fmt.observed_max))
            clipped = fmt.saturations > 0
            if observed > 0:
                axes.plot(
                    [observed],
                    [row],
                    marker="X" if clipped else "o",
                    markersize=6,
                    color=clipped_colour(costly) if clipped else colour,
                )
        axes.set_xscale("log", base=2)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("magnitude (powers of two)")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        for label, keywords in (
            ("weights: representable", {"color": COLOURS[3], "linewidth": 7, "alpha": 0.28}),
            ("activations: representable", {"color": COLOURS[2], "linewidth": 7, "alpha": 0.28}),
            ("greatest observed", {"color": INK, "marker": "o", "linestyle": "none"}),
            (
                "greatest observed, saturates",
                {"color": clipped_colour(costly), "marker": "X", "linestyle": "none"},
            ),
        ):
            axes.plot([], [], label=label, **keywords)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderpad=0, fontsize=8.5
        )
        return svg(figure, "formats")


def clipped_colour(costly: bool) -> str:
    """Return the colour of what is clipped: red only where the integers cost accuracy, else amber."""
    return RED if costly else AMBER


def _natural(text: str) -> list[Any]:
    """Sort `cow2` before `cow10`."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    ]
