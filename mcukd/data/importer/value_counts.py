"""Values of word columns counted over all files: how many, and how they alternate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.paths import natural, same_groups, some
from mcukd.data.importer.sources import pieces
from mcukd.data.importer.text import PARQUET, TextForm

#: Bytes of all files together that are read to see what their columns hold.
BUDGET = 256_000_000
_BLANK = frozenset(one.lower() for one in MISSING)


@dataclass
class ValueCounts:
    """What was seen of a column. rows: with a value. runs: stretches of one value within a file.

    codes: of each file, the number of each row's value in `values`, -1 where there is none.
    """

    name: str
    values: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    runs: int = 0
    codes: list[NDArray[np.int32]] = field(default_factory=list)

    @property
    def different(self) -> tuple[str, ...]:
        """Its different values, in order."""
        return tuple(sorted(self.values, key=natural))

    @property
    def numbered(self) -> bool:
        """Whether nearly every stretch has a value of its own, as numbered bouts and rows have."""
        return len(self.values) > 5 and len(self.values) >= 0.5 * self.runs

    @property
    def few(self) -> bool:
        """Whether it has several values that come again and again, as labels do."""
        return 2 <= len(self.values) <= 60 and not self.numbered

    def of_files(self) -> list[frozenset[int]]:
        """Return the values' numbers that occur in each file."""
        return [frozenset(np.unique(one[one >= 0]).tolist()) for one in self.codes]

    def some(self, most: int = 5) -> str:
        """Return a few of its values, and their number where there are more."""
        return some(self.different, most)


def count_values(files: Sequence[tuple[object, TextForm]], names: Sequence[str]) -> dict[str, ValueCounts]:
    """Return name → value counts of columns, from the beginnings of all files where these are large.

    files: path and form of each. Raises UserError for what cannot be read.
    """
    found = {name: ValueCounts(name) for name in names}
    if not names:
        return found
    share = BUDGET // max(len(files), 1)
    for path, form in files:
        codes: dict[str, list[NDArray[np.int32]]] = {name: [] for name in names}
        for piece in pieces(path, form, [], list(names), 0, 0):  # type: ignore[arg-type]
            for name in names:
                codes[name].append(_coded(found[name].values, piece.columns[name]))
            if piece.offset * (20 if form.encoding == PARQUET else 1) > share:
                break
        for name, one in found.items():
            own = np.concatenate(codes[name]) if codes[name] else np.empty(0, np.int32)
            one.codes.append(own)
            seen = own[own >= 0]
            one.rows += len(seen)
            one.runs += int(np.sum(np.diff(seen) != 0)) + bool(len(seen))
    return found


def same_rows(one: ValueCounts, other: ValueCounts) -> bool:
    """Tell whether two columns put the rows into the same groups, as a number and a word for it do."""
    mine, theirs = np.concatenate(one.codes), np.concatenate(other.codes)
    both = (mine >= 0) & (theirs >= 0)
    pairs = np.unique(np.stack([mine[both], theirs[both]]), axis=1)
    return same_groups([str(a) for a in pairs[0]], [str(b) for b in pairs[1]])


def _coded(known: dict[str, int], values: NDArray[np.object_]) -> NDArray[np.int32]:
    import pandas as pd

    codes, different = pd.factorize(values)
    table = np.empty(len(different) + 1, np.int32)
    table[-1] = -1
    for number, one in enumerate(different):
        text = "" if one is None else str(one).strip()
        table[number] = -1 if text.lower() in _BLANK else known.setdefault(text, len(known))
    coded: NDArray[np.int32] = table[codes]
    return coded
