"""Event-based kappa of two tracks: their bouts are aligned, and omissions count.

In the manner of GSEQ (Bakeman, Quera and Gnisci 2009, PMC2670558; alignment after Quera, Bakeman and Gnisci
2007, Behavior Research Methods 39:39), with our own condition for a link, stated at `aligned`. A bout that
has no partner is paired with `nil`. Nobody can miss what neither saw: the cell nil–nil is empty by
construction, so the chance agreement is that of quasi-independence, which iterative proportional fitting
finds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.metrics.agreement.track import IntArray, Track, common_spans

FloatArray = NDArray[np.float64]
#: A chain of links: the last one (bout of the first, bout of the second) and the chain before it.
Chain = tuple[int, int, Any] | None


def aligned(first: Track, second: Track, tolerance_ns: int, overlap: float) -> list[tuple[int, int]]:
    """Return which bouts belong together, as pairs of numbers, both ascending.

    Two bouts can be linked where their onsets differ by no more than the tolerance, or where the time they
    share is at least `overlap` of the longer one. Links never cross. Among all such alignments the one is
    taken with the largest number of links, those of the same class counting twice; of equal ones that with
    the most shared time (dynamic programming). So a link of unlike classes is preferred to two bouts
    without a partner, as Quera and others (2007) recommend.
    """
    link = 2 * int(first.durations.sum() + second.durations.sum()) + 1
    best: list[tuple[int, Chain]] = [(0, None)]  # best[j]: of alignments that use the second's bouts before j
    begin = np.minimum(
        np.searchsorted(second.ends, first.starts, side="right"),
        np.searchsorted(second.starts, first.starts - tolerance_ns, side="left"),
    ).tolist()
    end = np.maximum(
        np.searchsorted(second.starts, first.ends, side="left"),
        np.searchsorted(second.starts, first.starts + tolerance_ns, side="right"),
    ).tolist()
    ones = list(zip(first.starts.tolist(), first.ends.tolist(), first.behaviours.tolist()))
    others = list(zip(second.starts.tolist(), second.ends.tolist(), second.behaviours.tolist()))
    for i, (start, stop, behaviour) in enumerate(ones):
        best += [best[-1]] * (end[i] + 1 - len(best))
        before = best[begin[i]]
        for j in range(begin[i], end[i]):
            onset, offset, other = others[j]
            shared = max(0, min(stop, offset) - max(start, onset))
            candidate = max(best[j + 1], best[j], key=_score)
            longer = max(stop - start, offset - onset)
            if abs(onset - start) <= tolerance_ns or shared >= overlap * longer:
                score = before[0] + link * (1 + (other == behaviour)) + shared
                if score > candidate[0]:
                    candidate = (score, (i, j, before[1]))
            before, best[j + 1] = best[j + 1], candidate
    pairs: list[tuple[int, int]] = []
    chain = best[-1][1]
    while chain is not None:
        pairs.append((chain[0], chain[1]))
        chain = chain[2]
    return pairs[::-1]


def event_table(first: Track, second: Track, tolerance_ns: int, overlap: float) -> IntArray:
    """Return how many bouts (K + 1, K + 1) belong together, by class; the last row and column are nil.

    Both tracks are compared within the spans that both know. The last column counts bouts of the first
    without a partner (omissions of the second), the last row those of the second (commissions).
    """
    spans = common_spans(first, second)
    first, second = first.within(spans).bouts(), second.within(spans).bouts()
    found = np.zeros((len(first.classes) + 1, len(first.classes) + 1), np.int64)
    pairs = np.array(aligned(first, second, tolerance_ns, overlap), np.int64).reshape(-1, 2)
    np.add.at(found, (first.behaviours[pairs[:, 0]], second.behaviours[pairs[:, 1]]), 1)
    np.add.at(found[:, -1], np.delete(first.behaviours, pairs[:, 0]), 1)
    np.add.at(found[-1], np.delete(second.behaviours, pairs[:, 1]), 1)
    return found


def event_kappas(tables: NDArray[Any]) -> FloatArray:
    """Return the event-based kappa of tables (…, K + 1, K + 1) as `event_table` gives them.

    Chance agreement is that of quasi-independence with the one cell nil–nil empty. For one empty cell the
    limit of iterative proportional fitting is known: with L linked bouts, R of the first and C of the second,
    cell (i, j) has L · r_i/R · c_j/C. NaN where chance agreement is certain, or there is no bout.
    """
    tables = np.asarray(tables, np.float64)
    linked = tables[..., :-1, :-1]
    rows, columns = tables[..., :-1, :].sum(-1), tables[..., :, :-1].sum(-2)
    total, pairs = tables.sum((-2, -1)), linked.sum((-2, -1))
    alike = np.diagonal(linked, axis1=-2, axis2=-1).sum(-1)
    margins = rows.sum(-1) * columns.sum(-1)
    chance = np.divide(
        pairs * (rows * columns).sum(-1), margins, out=np.zeros(np.shape(margins)), where=margins > 0
    )
    nothing = np.full(np.shape(total), np.nan)
    return np.divide(alike - chance, total - chance, out=nothing, where=total - chance > 1e-9 * total)


def event_kappa(table: IntArray) -> float | None:
    """Return the event-based kappa of one table (K + 1, K + 1); None where it is undefined."""
    value = float(event_kappas(table))
    return None if np.isnan(value) else value


def _score(entry: tuple[int, Chain]) -> int:
    return entry[0]
