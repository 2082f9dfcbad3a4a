"""Groups of findings that several animals share, with the animals and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcukd.data.quality.finding import Finding
from mcukd.text import listed

#: So many animals are named; scripts find all of them in the findings.
NAMED = 8
TITLES = {
    "gravity": "length of the acceleration far from 1 g",
    "rate": "rate off the card's",
    "jitter": "steps between stamps that scatter",
    "backwards": "time that runs backwards",
    "gaps": "gaps in time",
    "hitches": "long steps between stamps that are no gaps",
    "repeated": "rows that stand twice",
    "clipping": "values at the end of the recording sensor's range",
    "range": "vectors longer than the board's range",
    "constant": "an axis that never changes",
    "calibration": "a length at rest other than 1 g",
    "flip": "an axis the other way round",
    "swap": "gravity on another axis than most animals",
    "faulty": "recordings far from 1 g",
    "dropped": "rows left out as no measurement",
    "zeros": "rows of zeros",
    "frozen": "stretches in which the sensor stands still",
    "still": "stretches that repeat, of a sensor at rest or frozen",
    "sentinels": "values that stand for a missing one",
}


@dataclass(frozen=True)
class Group:
    """A finding of one animal or of all, or one that several animals share.

    sentence: with the names of at most NAMED animals. animals: all of them; empty where it is of all data.
    """

    kind: str
    weight: str
    sentence: str
    effect: str
    animals: tuple[str, ...]


def grouped(findings: Sequence[Finding], total: int) -> list[Group]:
    """Return findings in their order, those alike but for the animal as one. total: number of animals."""
    alike: dict[tuple[str, str, str, str], list[Finding]] = {}
    for number, one in enumerate(findings):
        apart = "" if one.animal is not None and one.kind in TITLES else str(number)
        alike.setdefault((one.kind, one.weight, one.effect, apart), []).append(one)
    return [_group(same, total) for same in alike.values()]


def _group(same: Sequence[Finding], total: int) -> Group:
    first = same[0]
    animals = tuple(dict.fromkeys(one.animal for one in same if one.animal is not None))
    if len(animals) < 2:
        sentence = "; ".join(one.sentence for one in same)
        return Group(first.kind, first.weight, sentence, first.effect, animals)
    worst = max(same, key=lambda one: one.extent)
    named = listed(animals[:NAMED]) + (" …" if len(animals) > NAMED else "")
    most = "the worst" if worst.extent > min(one.extent for one in same) else "for instance"
    sentence = f"{TITLES[first.kind]}: {len(animals)} of {total} animals: {named}; {most}: {worst.sentence}"
    return Group(first.kind, first.weight, sentence, first.effect, animals)
