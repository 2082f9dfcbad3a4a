"""Marks of models in figures: a shape and a colour each, the same in all figures of a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mcukd.evaluation.model_names import in_order
from mcukd.fold_results import DEPLOYABLE, DISTILLED, SEARCHED, STUDENT, TEACHER

#: Eight colours that differ by 24 and more (CIE76) for normal sight, deuteranopes and protanopes. None is
#: red, which is kept for what costs accuracy.
PALETTE = ("#22302b", "#e69f00", "#1e88e5", "#228833", "#88ccee", "#aa4499", "#8f8f8f", "#ddcc77")
SHAPES = ("D", "o", "s", "^", "v", "P", "X", "*", "<", ">", "p", "d", "h", "8")
EDGE = "#22302b"

#: Models with a mark of their own: place in `SHAPES`, which is also that in `PALETTE` for the first eight.
_OWN = {
    TEACHER: 0,
    STUDENT: 1,
    DISTILLED: 2,
    "fixed_point": 3,
    "tflite_int8": 4,
    "filter_mlp": 5,
    "random_forest": 6,
    "majority": 7,
    SEARCHED: 8,
    DEPLOYABLE: 9,
    "student_augmented": 10,
}


@dataclass(frozen=True)
class Mark:
    """How a model is drawn: matplotlib's name of the shape, and a colour."""

    shape: str
    colour: str

    def style(self, size: float = 5.5) -> dict[str, Any]:
        """Return keywords for `axes.plot`."""
        return {
            "marker": self.shape,
            # A star looks smaller than the other shapes of its size.
            "markersize": size * (1.3 if self.shape == "*" else 1),
            "color": self.colour,
            "markeredgecolor": EDGE,
            "markeredgewidth": 0.5,
        }


def marks(names: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for each model, no two alike.

    The first integer model has one of its own, as the usual models do; others get what is left.
    """
    ordered = in_order(dict.fromkeys(names))
    taken: dict[str, int] = {}
    for name in ordered:
        known = _OWN.get("fixed_point" if name.startswith("fixed_point_") else name)
        if known is not None and known not in taken.values():
            taken[name] = known
    free = (place for place in range(len(SHAPES) * len(PALETTE)) if place not in taken.values())
    for name in ordered:
        if name not in taken:
            taken[name] = next(free)
    return {name: mark(taken[name]) for name in ordered}


def mark(place: int) -> Mark:
    """Return the mark of a series by its number: 112 differ, the first eight in shape and colour."""
    turn, shape = divmod(place, len(SHAPES))
    return Mark(SHAPES[shape], PALETTE[(shape + turn) % len(PALETTE)])
