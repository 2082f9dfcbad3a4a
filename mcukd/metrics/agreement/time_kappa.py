"""Time-based Cohen's kappa of two tracks: exact, with tolerance, and on a grid of moments.

Cohen (1960, "A coefficient of agreement for nominal scales"), each class weighted by its time. With
tolerance as in Bakeman, Quera and Gnisci (2009, PMC2670558): a moment agrees where the other source has the
same code within the tolerance. Moments of a bout are not independent; this kappa describes, and an
interval over moments would mislead.
"""

from __future__ import annotations

import numpy as np

from mcukd.metrics.agreement.elementary import Elementary
from mcukd.metrics.agreement.track import IntArray, Track, common_spans
from mcukd.metrics.pooled import kappa


def tolerant_tables(pieces: Elementary) -> tuple[IntArray, IntArray]:
    """Return the time in ns (K, K) with tolerance, seen from the first and from the second.

    Seen from the first, a moment of its class k counts as agreed, in cell (k, k), where the second says k
    within the tolerance, and in the cell of the two classes of that moment otherwise. Seen from the second,
    it is its class that is looked for in the first. The two differ: a short bout that only one of them has
    is a disagreement for it, while the other may find its own class on both sides of it.
    """
    of_first = pieces.table(pieces.first, np.where(pieces.first_agreed, pieces.first, pieces.second))
    of_second = pieces.table(np.where(pieces.second_agreed, pieces.second, pieces.first), pieces.second)
    return of_first, of_second


def time_kappa(table: IntArray) -> float | None:
    """Return Cohen's kappa of a table of times (K, K), such as `shared_time` gives of two tracks.

    None where chance alone would agree always, and of no time.
    """
    return kappa(table)


def grid_counts(first: Track, second: Track, step_ns: int) -> IntArray:
    """Return how many moments of a grid (K, K) have each pair of classes, where both know.

    The grid begins where the first interval of either begins. Raises ValueError for a step below 1 ns.
    """
    if step_ns < 1:
        raise ValueError("the step of the grid is shorter than 1 ns")
    found = np.zeros((len(first.classes), len(second.classes)), np.int64)
    if len(first) and len(second):
        begin = min(int(first.starts[0]), int(second.starts[0]))
        for low, high in common_spans(first, second).tolist():
            times = np.arange(low + (begin - low) % step_ns, high, step_ns, dtype=np.int64)
            np.add.at(found, (first.at(times), second.at(times)), 1)
    return found


def grid_kappa(first: Track, second: Track, step_ns: int) -> float | None:
    """Return Cohen's kappa of moments every `step_ns` from the first event on, as BORIS samples them.

    It depends on the step and on where the grid begins, which the exact kappa does not. Unlike BORIS's, it
    leaves out moments that either does not know, and is None, not 1, where both say one class throughout:
    nothing was shown there.
    """
    return kappa(grid_counts(first, second, step_ns))
