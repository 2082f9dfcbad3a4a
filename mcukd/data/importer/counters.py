"""Columns that count rows or frames, which without stamps show missing rows and other rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.options import Dialog
from mcukd.data.importer.sources import pieces
from mcukd.data.importer.text import TextForm, is_number
from mcukd.text import plural

_NAMED = re.compile(
    r"^(frame|sample|index|idx|counter|count|sequence|seq|packet|row|nr|no|n)([ _.-]?(no|nr|number|id))?$"
)
#: Share of a file's steps that a counter makes by one, or by none and one in turn where rows share numbers.
_LEAST = 0.8


@dataclass(frozen=True)
class _Counted:
    """Steps of a counter in one file. held: rows per number, 1 where every row has its own. gaps: jumps."""

    relative: str
    held: int
    gaps: int


def find_counter(
    files: Sequence[tuple[Path, str, TextForm]], taken: Sequence[str], dialog: Dialog
) -> str | None:
    """Return the column that counts rows where it tells gaps, else None; say what it tells.

    files: path, path below the folder, and form of each. taken: columns that have a role already.
    """
    header = files[0][2].header
    for name in header:
        if name in taken or not _NAMED.match(name.strip().lower()):
            continue
        if not all(name in form.header and _whole(form.column(name), form.decimal) for _, _, form in files):
            continue
        counted = [_count(path, relative, form, name) for path, relative, form in files]
        known = [one for one in counted if one is not None]
        if len(known) < len(counted):
            continue
        _say(name, known, dialog)
        return name if any(one.gaps for one in known) else None
    return None


def jumps(numbers: NDArray[np.float64], before: float | None) -> NDArray[np.bool_]:
    """Tell before which rows (n,) of a counter some are missing, or it starts anew.

    before: the number of the row before the first, None where there is none. NaN, where a cell is odd, stands
    for the number that would follow. A counter of some bits that
    begins at zero again when it is full has missed nothing.
    """
    numbers = _filled(numbers, before)
    first = numbers[:1] if before is None else np.array([before])
    steps = np.diff(numbers, prepend=first)
    full = np.log2(np.maximum(1 - steps, 1))
    wrapped = (numbers == 0) & (steps < 0) & (full == np.round(full))
    jumped: NDArray[np.bool_] = ((steps > 1) | (steps < 0)) & ~wrapped
    return jumped


def numbers_of(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cells (n,) of a counter as numbers, NaN where they are none."""
    import pandas as pd

    return np.asarray(pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce"), dtype=np.float64)


def last_of(numbers: NDArray[np.float64], before: float | None) -> float | None:
    """Return the number of the last row (n,); `before` where there is none."""
    return float(_filled(numbers, before)[-1]) if len(numbers) else before


def _filled(numbers: NDArray[np.float64], before: float | None) -> NDArray[np.float64]:
    """Return numbers (n,) with NaN replaced by the number that would stand there."""
    known = np.flatnonzero(np.isfinite(numbers))
    rows = np.arange(len(numbers))
    if not len(known):
        return rows + (0.0 if before is None else before + 1.0)
    place = np.searchsorted(known, rows, side="right") - 1
    source = known[np.maximum(place, 0)]
    filled: NDArray[np.float64] = numbers[source] + (rows - source)
    return filled


def _whole(cells: Sequence[str], decimal: str) -> bool:
    filled = [cell for cell in cells if cell]
    whole = [is_number(cell, decimal) and float(cell.replace(decimal, ".")).is_integer() for cell in filled]
    return len(filled) > 1 and sum(whole) >= _LEAST * len(filled)


def _count(path: Path, relative: str, form: TextForm, name: str) -> _Counted | None:
    """Return how a column steps in a file, None where it is no counter."""
    parts = [numbers_of(piece.columns[name]) for piece in pieces(path, form, [], [name], 0, 0)]
    numbers = np.concatenate(parts) if parts else np.empty(0)
    if len(numbers) < 2 or np.mean(np.isfinite(numbers)) < _LEAST:
        return None
    steps = np.diff(_filled(numbers, None))
    ones, still = float(np.mean(steps == 1)), float(np.mean(steps == 0))
    if ones + still < _LEAST or not ones:
        return None
    return _Counted(
        relative,
        max(1, round(len(steps) / max(1, float(np.sum(steps != 0))))),
        int(jumps(numbers, None).sum()),
    )


def _say(name: str, counted: Sequence[_Counted], dialog: Dialog) -> None:
    gaps = [one for one in counted if one.gaps]
    if gaps:
        total = sum(one.gaps for one in gaps)
        dialog.note(
            f"gaps: the column {name} counts rows and jumps {plural(total, 'time')} "
            f"(first in {gaps[0].relative}); recordings are cut there"
        )
    else:
        dialog.note(f"gaps: the column {name} counts rows, and none is missing")
    usual = int(np.median([one.held for one in counted]))
    odd = [one for one in counted if one.held != usual]
    if odd:
        others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        dialog.note(
            f"rate: in {odd[0].relative}{others}, {odd[0].held} rows share each number of {name} where "
            f"{usual} {'does' if usual == 1 else 'do'} in the others: it may be recorded at "
            f"{odd[0].held / usual:g} times the rate, which nothing corrects; leave it out if so"
        )
