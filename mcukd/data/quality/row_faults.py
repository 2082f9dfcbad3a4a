"""Rows of a data set that are no measurement, counted animal by animal in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcukd.data.drop import Drop
from mcukd.data.measurements import (
    FROZEN_ROWS,
    SUSPECT_SECONDS,
    Grain,
    frozen_length,
    grain,
    odd_values,
    ordinary_reach,
    pooled,
    repeated_runs,
    sentinels_among,
    zero_rows,
)
from mcukd.data.quality.finding import Finding
from mcukd.data.raw_segments import RawSegment
from mcukd.text import listed, plural, share

#: Above this share of an animal's rows it is a problem, not a warning.
PROBLEM_SHARE = 0.01
_KEPT_GRAINS = 200
_GRAIN_ROWS = 500
_FILES = 3


@dataclass
class _Animal:
    """Of one animal. zeros: recording → rows. repeats: (rows, recording).

    values: one that may stand for "missing" → recording → rows. reach: greatest value of the others.
    """

    rows: int = 0
    zeros: Counter[str] = field(default_factory=Counter)
    repeats: list[tuple[int, str]] = field(default_factory=list)
    grains: list[Grain] = field(default_factory=list)
    values: dict[float, Counter[str]] = field(default_factory=dict)
    reach: float = 0.0


@dataclass
class RowFaults:
    """Gathers rows that are no measurement. one_g: gravity in the source's units. rate_hz: of the files."""

    one_g: float
    rate_hz: float
    animals: dict[str, _Animal] = field(default_factory=dict)

    def add(self, segment: RawSegment) -> None:
        """Take in one segment or a piece of it."""
        one = self.animals.setdefault(segment.animal, _Animal())
        one.rows += len(segment.samples)
        zeros = zero_rows(segment.samples)
        if zeros.any():
            one.zeros[segment.place] += int(zeros.sum())
        for start, stop in repeated_runs(segment.samples, FROZEN_ROWS):
            if not zeros[start]:
                one.repeats.append((int(stop - start), segment.place))
        if (len(one.grains) < _KEPT_GRAINS and len(segment.samples) >= _GRAIN_ROWS) or not one.grains:
            one.grains.append(grain(segment.samples, self.one_g))
        one.reach = max(one.reach, ordinary_reach(segment.samples))
        for value in odd_values(segment.samples, self.one_g):
            rows = int((segment.samples == value).any(axis=1).sum())
            one.values.setdefault(value, Counter())[segment.place] += rows

    def drop(self) -> Drop | None:
        """Return what a card has to leave out, None where every row may be a measurement."""
        facts = [self.facts(animal) for animal in self.animals]
        values = tuple(sorted({value for one in facts for value in one["sentinels"]}))
        zeros = any(one["zero_rows"] for one in facts)
        frozen = self._frozen_rows()
        return Drop(zeros=zeros, values=values, frozen_rows=frozen) if zeros or values or frozen else None

    def _frozen_rows(self) -> int | None:
        """Return from how many rows on every stretch that repeats is a frozen sensor's; None for never."""
        frozen: list[int] = []
        rest: list[int] = []
        for one in self.animals.values():
            least = frozen_length(pooled(one.grains), self.rate_hz)
            for rows, _ in one.repeats:
                (frozen if rows >= least else rest).append(rows)
        longest = max(rest, default=0)
        return max(longest + 1, min(frozen)) if frozen and max(frozen) > longest else None

    def told(self, drop: Drop) -> list[str]:
        """Return in words how many rows `drop` leaves out, by kind, with their share and recordings."""
        facts = [self.facts(animal) for animal in self.animals]
        total = sum(one.rows for one in self.animals.values())
        told = []
        for key, what in (
            ("zero_rows", "are 0, 0, 0"),
            ("frozen_rows", "repeat the one before for longer than a working sensor does"),
            ("sentinel_rows", "hold a value that stands for a missing one"),
        ):
            places: Counter[str] = sum((Counter(one[f"{key}_in"]) for one in facts), Counter())
            rows = sum(places.values())
            if rows and (key != "frozen_rows" or drop.frozen_rows is not None):
                named = _places(dict(places.most_common()))
                told.append(f"{plural(rows, 'row')} = {share(rows / total)} {what} ({named})")
        return told

    def facts(self, animal: str) -> dict[str, Any]:
        """Return how many rows of an animal are no measurement, and in which recordings the most."""
        one = self.animals[animal]
        least = frozen_length(pooled(one.grains), self.rate_hz)
        frozen: Counter[str] = Counter()
        still: Counter[str] = Counter()
        for rows, place in one.repeats:
            if rows >= least:
                frozen[place] += rows - 1
            elif rows >= SUSPECT_SECONDS * self.rate_hz:
                still[place] += rows - 1
        odd: Counter[float] = Counter()
        for other in self.animals.values():
            odd.update({value: sum(places.values()) for value, places in other.values.items()})
        reach = max(other.reach for other in self.animals.values())
        sentinels = sentinels_among(dict(odd), reach, self.one_g)
        missing = sum((one.values.get(value, Counter()) for value in sentinels), Counter())
        return {
            **_counted("zero_rows", one.zeros),
            **_counted("frozen_rows", frozen),
            **_counted("still_rows", still),
            **_counted("sentinel_rows", missing),
            "sentinels": [value for value in sentinels if value in one.values],
        }


def _counted(kind: str, places: Counter[str]) -> dict[str, Any]:
    return {kind: sum(places.values()), f"{kind}_in": dict(places.most_common())}


def findings(animals: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield a finding for each animal and kind of rows that are no measurement."""
    lost = "a movement that never was; import the data again, which leaves such rows out and cuts there"
    for name, facts in animals.items():
        if facts["dropped_rows"]:
            part = facts["dropped_rows"] / (facts["samples"] + facts["dropped_rows"])
            yield Finding(
                "dropped",
                "note",
                f"animal {name}: {plural(facts['dropped_rows'], 'row')} = {share(part)} are left out as no "
                "measurement, as source.drop of the card says",
                "they are not seen, and recordings are cut there",
                name,
                facts["dropped_rows"],
            )
        values = listed(f"{value:g}" for value in facts["sentinels"])
        kinds = (
            (
                "zeros",
                "zero_rows",
                "are 0, 0, 0, which no sensor with gravity reads",
                f"a drop-out teaches {lost}",
            ),
            (
                "frozen",
                "frozen_rows",
                "repeat the one before for longer than a working sensor does",
                f"a frozen sensor teaches {lost}",
            ),
            (
                "sentinels",
                "sentinel_rows",
                f"hold {values}, which stands for a missing value",
                f"they teach {lost}",
            ),
            (
                "still",
                "still_rows",
                f"repeat the one before for {SUSPECT_SECONDS:g} s and more; steps of the values are too "
                "coarse to tell a sensor at rest from a frozen one",
                "at rest they do no harm; look at the recordings named, and leave them out if it was frozen",
            ),
        )
        for kind, key, what, effect in kinds:
            rows = facts[key]
            if not rows:
                continue
            part = rows / facts["samples"]
            weight = "note" if kind == "still" else "problem" if part > PROBLEM_SHARE else "warning"
            sentence = (
                f"animal {name}: {plural(rows, 'row')} = {share(part)} {what} ({_places(facts[key + '_in'])})"
            )
            yield Finding(kind, weight, sentence, effect, name, rows)


def _places(places: Mapping[str, int]) -> str:
    told = [f"{place}: {rows:,}" for place, rows in list(places.items())[:_FILES]]
    more = len(places) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
