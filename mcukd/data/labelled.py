"""Text of `--labelled`, which says whose labels are used. No NumPy here."""

from __future__ import annotations

import re

_COUNT = re.compile(r"animals=([0-9]+)(?: draw=([0-9]+))?")


def described(labelled: str) -> str:
    """Return whose labels a budget keeps, in words."""
    if not labelled:
        return "all training animals"
    count, draw = count_and_draw(labelled)
    if not draw:
        return labelled
    animals = f"{count} training {'animal' if count == 1 else 'animals'} of each fold"
    return animals if draw == 1 else f"{animals} (draw {draw})"


def count_and_draw(labelled: str) -> tuple[int, int]:
    """Return K and N of "animals=K draw=N"; zeros for other text."""
    found = _COUNT.fullmatch(labelled)
    return (int(found[1]), int(found[2] or 1)) if found else (0, 0)
