"""Scrolling ethogram of a terminal: a row per source, a column per some seconds, the newest at the right.

A cell has the colour of the behaviour it mostly was and its key, so that it reads without colour too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.style import Style
from rich.text import Text

from mcukd.drawing import COLOURS

UNKNOWN = "·"
#: Letters on each of `COLOURS`, light or dark, so that they can be read.
_ON = {"#22302b": "#ffffff", "#0072b2": "#ffffff", "#009e73": "#000000", "#d55e00": "#000000"}


def style_of(number: int) -> Style:
    """Return the style of the behaviour with a number: Okabe and Ito's colours, again and again."""
    colour = COLOURS[1 + number % (len(COLOURS) - 1)]
    return Style(color=_ON.get(colour, "#000000"), bgcolor=colour)


def cells(bouts: Sequence[Sequence[Any]], now: float, width: int, step: float) -> list[str]:
    """Return what an animal mostly did in each of `width` columns of `step` seconds; empty where unknown.

    bouts: [start, end, behaviour] in seconds. Columns begin at multiples of `step`, so that what was drawn
    moves without changing; the last one holds `now`.
    """
    last = now // step
    found: list[dict[str, float]] = [{} for _ in range(width)]
    for start, end, behaviour in bouts:
        first = max(0, int(start // step - last) + width - 1)
        for column in range(first, min(width, int(end // step - last) + width)):
            begin = (last - (width - 1) + column) * step
            time = min(end, begin + step) - max(start, begin)
            if time > 0:
                found[column][behaviour] = found[column].get(behaviour, 0.0) + time
    return [max(each, key=lambda name: each[name]) if each else "" for each in found]


def strip(
    bouts: Sequence[Sequence[Any]], now: float, width: int, step: float, keys: Mapping[str, str]
) -> Text:
    """Return the row of one source. keys: behaviour → its key, in the order of the behaviours."""
    numbers = {name: number for number, name in enumerate(keys)}
    row = Text()
    for name in cells(bouts, now, width, step):
        row.append(keys[name], style_of(numbers[name])) if name in keys else row.append(UNKNOWN, "dim")
    return row
