"""Style of figures and pages: colours, inline SVG (same numbers, same bytes) and the style sheet."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

#: Folder of `style.css`, which the templates of pages include.
STYLE_FOLDER = Path(__file__).resolve().parent

INK, MUTED, LINE = "#22302b", "#66736d", "#d9dfdb"
#: What costs accuracy, and what deserves a look and does not.
RED, AMBER = "#a3261b", "#d98200"
#: Okabe and Ito's palette (2008), distinguishable with colour-deficient sight; markers differ as well.
COLOURS = ("#22302b", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
MARKERS = ("D", "o", "s", "^", "v", "P", "X")

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


class drawing:
    """A figure of 7.2 inches by `height`, in the report's style whatever the user's matplotlibrc says."""

    def __init__(self, name: str, height: float) -> None:
        self._name, self._height = name, height

    def __enter__(self) -> tuple[Any, Any]:
        import matplotlib
        from matplotlib.figure import Figure

        self._context = matplotlib.rc_context(
            {**matplotlib.rcParamsDefault, **_STYLE, "svg.hashsalt": self._name}
        )
        self._context.__enter__()
        figure = Figure(figsize=(7.2, self._height), layout="constrained")
        return figure, figure.add_subplot()

    def __exit__(self, *details: Any) -> None:
        self._context.__exit__(*details)


def svg(figure: Any, name: str) -> str:
    """Return the figure as an `<svg>` element that scales with the page, its ids unique to `name`."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version|xmlns(:xlink)?)="[^"]*"', "", head)
    # HTML takes a plain href; with it the page names no namespace address either.
    return f'{head} role="img" aria-labelledby="{name}-caption">{rest.replace("xlink:href", "href")}'
