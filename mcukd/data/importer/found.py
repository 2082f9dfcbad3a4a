"""Result of a search for animals or labels: a column, a part of the path or nothing, and choices to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcukd.data.importer.options import Choice, quoted
from mcukd.data.importer.paths import Part
from mcukd.data.importer.value_counts import ValueCounts, same_rows


@dataclass(frozen=True)
class Found:
    """Source of a role (animal or label). column: in the tables. key, values: part of the path, by file."""

    column: str | None = None
    key: str | None = None
    values: tuple[str, ...] = ()


def in_part(part: Part) -> Found:
    """Return a source that is a part of the path."""
    return Found(key=part.key, values=part.values)


def column_choice(role: str, one: ValueCounts, noun: str) -> Choice:
    """Return the choice of a column as source."""
    count = len(one.values)
    return Choice(
        f"column {one.name}",
        f"{count} {noun}{'' if count == 1 else 's'}: {one.some(4)}",
        f"--{role}-column {quoted(one.name)}",
    )


def part_choice(role: str, part: Part, noun: str) -> Choice:
    """Return the choice of a part of the path as source."""
    count = len(part.different)
    return Choice(
        part.key,
        f"{count} {noun}{'' if count == 1 else 's'}: {part.some(4)}",
        f"--{role}-from {quoted(part.key)}",
    )


def answered(answer: str, parts: Sequence[Part]) -> Found | None:
    """Return what an answer among `column_choice` and `part_choice` means; None for another answer."""
    if answer.startswith("column "):
        return Found(column=answer[len("column ") :])
    part = next((one for one in parts if one.key == answer), None)
    return None if part is None else in_part(part)


def told_apart(columns: Sequence[ValueCounts]) -> list[ValueCounts]:
    """Return the columns without those that put the rows into the same groups as one before."""
    kept: list[ValueCounts] = []
    for one in columns:
        if not any(same_rows(one, other) for other in kept):
            kept.append(one)
    return kept
