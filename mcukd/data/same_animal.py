"""Animals of two sources that are one: by names spelled otherwise, and by samples that both hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows

#: Base of the sums that stand for runs of samples, and its inverse, modulo 2^64.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


def spelling(animal: str) -> str:
    """Return a name without case, separators, leading zeros and a number's ".0": "Cow 7" is "cow_07"."""
    plain = unicodedata.normalize("NFKC", animal).casefold().strip()
    plain = re.sub(r"(?<=\d)\.0+$", "", plain)
    parts = [part.lstrip("0") or part[:1] for part in re.findall(r"\d+|[^\W\d_]+", plain)]
    return re.sub(r"(?<!\d) | (?!\d)", "", " ".join(parts)) or animal


def named_alike(animals: NDArray[np.str_], names: Iterable[str]) -> NDArray[np.bool_]:
    """Return which of `animals` (N,) have one of the names, however it is spelled."""
    wanted = {spelling(name) for name in names}
    known, index = np.unique(animals, return_inverse=True)
    return np.array([spelling(str(one)) in wanted for one in known], bool)[index.reshape(-1)]


def named_otherwise(windows: Windows, others: Windows) -> dict[str, str]:
    """Return animals of `others` that hold samples of an animal of `windows` with another name: the latter.

    Half a window of the same counts in a row is found wherever it begins. Runs in which little moves are left
    out, as animals at rest may have them in common.
    """
    length = max(2, windows.counts.shape[1] // 2)
    last = windows.counts.shape[1] - length
    names, codes = np.unique(windows.animals, return_inverse=True)
    # Of windows that follow each other, one holds the first or the last half of any window of that stretch.
    runs = _runs(windows.counts, length, np.arange(last + 1))
    codes = np.broadcast_to(codes.reshape(-1, 1), runs.shape)[runs != 0]
    known, codes = _of_one_animal(runs[runs != 0], codes)
    if not len(known):
        return {}
    asked = _runs(others.counts, length, np.array([0, last]))
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    found: dict[str, set[str]] = {}
    for row, column in np.argwhere((known[place] == asked) & (asked != 0)):
        found.setdefault(str(others.animals[row]), set()).add(str(names[codes[place[row, column]]]))
    return {
        animal: min(held)
        for animal, held in found.items()
        if spelling(animal) not in {spelling(one) for one in held}
    }


def _of_one_animal(
    runs: NDArray[np.uint64], codes: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the runs that one animal alone has, sorted, and its code."""
    if not len(runs):
        return runs, codes
    order = np.argsort(runs, kind="stable")
    runs, codes = runs[order], codes[order]
    first = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1]]))
    least, most = np.minimum.reduceat(codes, first), np.maximum.reduceat(codes, first)
    return runs[first][least == most], least[least == most]


def _runs(counts: NDArray[np.int16], length: int, starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a number for each run of `length` samples from `starts` on: (N, S); 0 where little moves.

    Equal runs have equal numbers wherever they begin: sums of the samples times powers of a base.
    """
    steps = counts.shape[1]
    found: NDArray[np.uint64] = np.zeros((len(counts), len(starts)), np.uint64)
    powers = _powers(_BASE, steps)
    back = _powers(_INVERSE, steps)[starts]
    for first in range(0, len(counts), 4096):
        part = counts[first : first + 4096]
        samples = np.zeros(part.shape[:2], np.uint64)
        for axis in range(part.shape[2]):
            samples = samples * np.uint64(1 << 16) + part[..., axis].astype(np.uint16)
        sums = np.zeros((len(part), steps + 1), np.uint64)
        np.cumsum(samples * powers, axis=1, out=sums[:, 1:])
        moves = np.zeros((len(part), steps), np.int64)
        np.cumsum(samples[:, 1:] != samples[:, :-1], axis=1, out=moves[:, 1:])
        moved = moves[:, starts + length - 1] - moves[:, starts] >= length // 2
        found[first : first + 4096] = (sums[:, starts + length] - sums[:, starts]) * back * moved
    return found


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    values = [1]
    for _ in range(count - 1):
        values.append(values[-1] * base % (1 << 64))
    return np.array(values, np.uint64)
