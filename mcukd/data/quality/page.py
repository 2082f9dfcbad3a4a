"""Page of a check: findings, figures and facts per animal in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcukd.data.quality.check import Checked
from mcukd.drawing import COLOURS, INK, LINE, MARKERS, MUTED, STYLE_FOLDER, drawing, svg
from mcukd.files import write_text

TEMPLATE = "check.html.j2"


def write_page(checked: Checked, path: Path) -> None:
    """Write the page; the same data gives the same bytes."""
    write_text(path, render(checked))


def render(checked: Checked) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from mcukd import __version__

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).resolve().parent, STYLE_FOLDER]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        card=checked.card,
        animals=checked.animals,
        findings=checked.grouped(),
        pairs=checked.pairs,
        labels=checked.labels,
        gravity_axis=checked.gravity_axis,
        figures={
            "windows": windows_figure(checked),
            "gravity": gravity_figure(checked.animals),
            "rate": rate_figure(checked),
            "overlap": overlap_figure(checked),
        },
        tool_version=__version__,
    )


def windows_figure(checked: Checked) -> str | None:
    """Draw windows per animal as stacked bars, a colour per class of the card, grey for ignored labels."""
    index = checked.card.class_map.index()
    classes = checked.card.classes
    names = list(checked.animals)
    if not names:
        return None
    with drawing("windows", len(names) * 0.28 + 1.2) as (figure, axes):
        left = [0] * len(names)
        for number, name in enumerate([*classes, "ignored"]):
            of_it = [
                sum(
                    count
                    for label, count in checked.animals[animal]["windows"].items()
                    if index.get(label) == (None if name == "ignored" else number)
                )
                for animal in names
            ]
            colour = LINE if name == "ignored" else COLOURS[number % len(COLOURS)]
            axes.barh(range(len(names)), of_it, left=left, height=0.65, color=colour, label=name)
            left = [a + b for a, b in zip(left, of_it)]
        _rows(axes, names)
        axes.set_xlabel("windows without overlap")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=5, frameon=False, borderpad=0, fontsize=8.5
        )
        return svg(figure, "windows")


def gravity_figure(animals: Mapping[str, dict[str, Any]]) -> str | None:
    """Draw the three components of gravity per animal, and its length at rest."""
    names = list(animals)
    if not names:
        return None
    with drawing("gravity", len(names) * 0.28 + 1.2) as (figure, axes):
        for place, axis in enumerate("xyz"):
            axes.plot(
                [animals[name]["gravity"][place] for name in names],
                range(len(names)),
                linestyle="none",
                marker=MARKERS[place + 1],
                markersize=5,
                color=COLOURS[place + 1],
                label=axis,
            )
        at_rest = [
            (animals[name]["rest_g"], row) for row, name in enumerate(names) if animals[name]["rest_g"]
        ]
        axes.plot(
            [x for x, _ in at_rest],
            [y for _, y in at_rest],
            linestyle="none",
            marker="|",
            markersize=9,
            color=INK,
            label="length at rest",
        )
        for one_g in (-1, 0, 1):
            axes.axvline(one_g, color=MUTED if one_g == 0 else LINE, linewidth=0.8)
        _rows(axes, names)
        axes.set_xlabel("g, mean of the stretches at rest")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, borderpad=0, fontsize=8.5
        )
        return svg(figure, "gravity")


def rate_figure(checked: Checked) -> str | None:
    """Draw each animal's rate with its jitter; None without stamps."""
    known = {name: facts for name, facts in checked.animals.items() if facts["rate_hz"]}
    if not known:
        return None
    with drawing("rate", len(known) * 0.28 + 1.0) as (figure, axes):
        rates = [facts["rate_hz"] for facts in known.values()]
        jitter = [facts["rate_hz"] * (facts["jitter"] or 0) for facts in known.values()]
        axes.errorbar(
            rates, range(len(known)), xerr=jitter, fmt="o", markersize=5, color=COLOURS[2], ecolor=MUTED
        )
        stated = checked.card.signal.rate_hz
        axes.axvline(stated, color=INK, linewidth=0.8)
        reach = max(stated * 0.05, *(abs(rate - stated) * 1.2 + width for rate, width in zip(rates, jitter)))
        axes.set_xlim(stated - reach, stated + reach)
        _rows(axes, list(known))
        axes.set_xlabel("samples per second by the stamps; line: the card's rate; bars: jitter")
        return svg(figure, "rate")


def overlap_figure(checked: Checked) -> str | None:
    """Draw the pairs of labels by how well they are told apart; None without a pair."""
    if not checked.pairs:
        return None
    shown = checked.pairs[:20]
    with drawing("overlap", len(shown) * 0.28 + 1.0) as (figure, axes):
        axes.plot(
            [pair.accuracy for pair in shown],
            range(len(shown)),
            linestyle="none",
            marker="o",
            markersize=6,
            color=COLOURS[4],
        )
        axes.axvline(0.5, color=MUTED, linewidth=0.8)
        axes.set_xlim(min(0.45, min(pair.accuracy for pair in shown) - 0.03), 1.01)
        _rows(axes, [f"{pair.first} / {pair.second}" for pair in shown])
        axes.set_xlabel("told apart on animals never seen (balanced accuracy); line: chance")
        return svg(figure, "overlap")


def _rows(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
