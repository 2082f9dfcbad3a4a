"""One finding of a data set's check: what was found and what it does to training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    kind: a word for scripts. weight: "problem", "warning" or "note". sentence: what was found, with figures.
    effect: what it does to training. animal: None where it concerns all. extent: how much of it, in a unit of
    the kind's own, to find the animal that has the most.
    """

    kind: str
    weight: str
    sentence: str
    effect: str
    animal: str | None = None
    extent: float = 0.0
