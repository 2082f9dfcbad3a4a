"""Names of animals that are missing, and names that differ only in how they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcukd.errors import UserError
from mcukd.text import share

#: Share of rows without an animal from which on the column is not filled in rather than lacking a few.
_MANY = 0.2


def spelling_key(name: str) -> str:
    """Return what spellings of one animal have in common: no case, marks, zeros in front, or ".0" behind."""
    words = re.sub(r"[\s_.-]+", " ", re.sub(r"^(\d+)\.0$", r"\1", name.strip().casefold()))
    return re.sub(r"(?<!\d)0+(?=\d)", "", words)


def refuse_alike(names: Iterable[str]) -> None:
    """Raise UserError for two animals that may be one, which a model would then be tested on."""
    known: dict[str, str] = {}
    for name in sorted(names):
        first = known.setdefault(spelling_key(name), name)
        if first != name:
            raise UserError(
                f"the animals {first!r} and {name!r} differ only in how they are spelled; where they are "
                "one, spell it in one way, else rename one of them, or leave one out with --exclude-animal"
            )


def refuse_nameless(count: int, rows: int, column: str) -> None:
    """Raise UserError where so many rows name no animal that their column is not filled in."""
    if count > _MANY * rows:
        raise UserError(
            f"{count:,} rows = {share(count / rows)} of all have nothing in the column {column}, which names "
            "the animals; write the animal in every row, or name another column with --animal-column"
        )
