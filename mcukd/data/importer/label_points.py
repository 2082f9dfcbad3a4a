"""Labels with one stamp each, which hold for the burst of samples that begins there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import Asked, Spans, Times
from mcukd.data.importer.options import Choice
from mcukd.errors import UserError

BURST, NEXT = "burst", "next"
#: Share of stamps that have to be those of bursts.
_MOSTLY = 0.8
#: Seconds by which a stamp and the first sample of its burst may differ, by how they are rounded.
_NEAR = 2e-3


def hold_points(
    path: Path,
    stamps: NDArray[np.float64],
    animals: Sequence[str | None],
    labels: Sequence[str],
    line: int,
    times: Times,
    asked: Asked,
) -> list[Interval]:
    """Turn stamps (n,) into intervals, each for the burst that begins there or up to the animal's next stamp.

    Raises UserError where the stamps are not those of bursts and nobody says that they hold up to the next.
    """
    hold = asked.options.labels_hold
    spans = asked.spans() if asked.spans is not None else None
    if hold not in (None, BURST, NEXT):
        raise UserError(f"--labels-hold is {hold!r}; expected {BURST} or {NEXT}")
    matched = _matched(stamps, animals, spans)
    share = float(np.mean(matched)) if len(matched) else 0.0
    several = spans is not None and any(len(one) > 1 for one in spans.begins.values())
    if hold is None and share >= _MOSTLY and several:
        hold = BURST
        asked.dialog.note(
            f"labels: one stamp each, without an end; {int(matched.sum())} of {len(matched)} are exactly "
            "those of "
            f"bursts, so each holds for its burst (--labels-hold {NEXT}: up to the next stamp)"
        )
    if hold is None:
        hold = asked.dialog.choose(
            f"{path} has one stamp per label and no column for the end or duration, and "
            f"{int(matched.sum())} of its "
            f"{len(matched)} stamps are the first of a burst or recording",
            "--labels-hold",
            [
                Choice(BURST, "each holds for the burst that begins with it"),
                Choice(NEXT, "each holds up to the animal's next stamp"),
            ],
        )
    if hold == NEXT:
        return _to_next(stamps, animals, labels, line)
    if spans is None:
        raise UserError(f"{path}: no recordings tell where bursts end; add a column for the end")
    return _of_bursts(stamps, animals, labels, line, spans)


def _begins(spans: Spans, animal: str | None) -> NDArray[np.float64]:
    if animal is not None:
        return spans.begins.get(animal, np.empty(0))
    return np.unique(np.concatenate([np.empty(0), *spans.begins.values()]))


def _matched(
    stamps: NDArray[np.float64], animals: Sequence[str | None], spans: Spans | None
) -> NDArray[np.bool_]:
    if spans is None:
        return np.zeros(len(stamps), dtype=bool)
    found = np.zeros(len(stamps), dtype=bool)
    for row, (stamp, animal) in enumerate(zip(stamps, animals)):
        begins = _begins(spans, animal)
        place = int(np.searchsorted(begins, stamp))
        near = begins[max(0, place - 1) : place + 1]
        found[row] = bool(len(near)) and float(np.abs(near - stamp).min()) <= _NEAR
    return found


def _of_bursts(
    stamps: NDArray[np.float64],
    animals: Sequence[str | None],
    labels: Sequence[str],
    line: int,
    spans: Spans,
) -> list[Interval]:
    """From each stamp to where the animal's next burst begins; between bursts there is no sample to label."""
    intervals = []
    for row, (stamp, animal, label) in enumerate(zip(stamps.tolist(), animals, labels)):
        begins = _begins(spans, animal)
        after = begins[begins > stamp + _NEAR]
        last = spans.animals[animal][1] if animal in spans.animals else spans.all[1]
        end = float(after[0]) if len(after) else last + 1.0
        # A burst's first sample may lie a rounding before its stamp.
        near = begins[np.abs(begins - stamp) <= _NEAR]
        start = float(near[0]) if len(near) else stamp
        intervals.append(Interval(animal, start, max(end, start), label, line + row))
    return intervals


def _to_next(
    stamps: NDArray[np.float64], animals: Sequence[str | None], labels: Sequence[str], line: int
) -> list[Interval]:
    """From each stamp to the animal's next one; the last has no end and labels nothing."""
    order = sorted(range(len(stamps)), key=lambda row: (str(animals[row]), stamps[row]))
    intervals = []
    for row, after in zip(order, [*order[1:], None]):
        same = after is not None and animals[after] == animals[row]
        end = float(stamps[after]) if same and after is not None else float(stamps[row])
        intervals.append(Interval(animals[row], float(stamps[row]), end, labels[row], line + row))
    return sorted(intervals, key=lambda one: one.line)
