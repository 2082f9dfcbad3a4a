"""Drift: a tag's clock against this computer's, from anchors: offset, linear drift, jumps, uncertainty.

What the anchors tell: one tells the offset alone; two tell offset and drift, if no jump lay between; a jump
shows where anchors lie on both sides of it and the drift is known from more than the two next to it, or from
tags of the same kind. White and Lauder (2024, doi 10.1186/s40317-024-00363-4) found drifts of one tag to
differ by .001 s/h, of tags of one kind by .015 s/h and of two kinds by .54 s/h, and three sudden jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mcukd.errors import UserError
from mcukd.observation.clocks.anchors import NS, Anchor
from mcukd.observation.clocks.clock_map import ClockMap
from mcukd.observation.clocks.fit import Fit, Points, find_jumps, rivals, splits
from mcukd.tag.records import TICKS_PER_SECOND

HOUR_S = 3600.0
#: Spread of the drift, s/h: of a kind of tag nobody has measured, and between tags of a kind that was.
ANY_KIND_S_PER_H = 0.54
SAME_KIND_S_PER_H = 0.02


@dataclass(frozen=True)
class DriftSettings:
    """What is known of a tag's clock beforehand.

    drift_s_per_h: by how much this computer's clock gains on the tag's. drift_sd_s_per_h: how far tags of
    this kind differ from that: `ANY_KIND_S_PER_H` where nobody measured one, `SAME_KIND_S_PER_H` where
    drift_s_per_h is that of a tag of the same kind. smallest_jump_s: smaller jumps are not looked for; they
    widen the uncertainty.
    """

    drift_s_per_h: float = 0.0
    drift_sd_s_per_h: float = ANY_KIND_S_PER_H
    smallest_jump_s: float = 0.25


def fit_clock(
    anchors: Sequence[Anchor], restarts: Sequence[int] = (), settings: DriftSettings = DriftSettings()
) -> ClockMap:
    """Return the map of a tag's clock to this computer's from anchors in any order.

    restarts: tag_ticks of the first moment after each start of the tag during the session; its clock does not
    count the time without power, so that it may jump there. Raises UserError without an anchor.
    """
    if not anchors:
        raise UserError(
            "nothing ties the tag's clock to this computer's: tap the tag three times and press the key with "
            "each tap, or connect the tag"
        )
    anchors = sorted(anchors, key=lambda one: (one.tag_ticks, one.host_ns))
    fit, anchors, left_out = _without_strays(anchors, restarts, settings)
    points, known = _points(anchors, settings), _begins(anchors, restarts)
    told, _ = splits(points, fit)
    inner = told[[k for k in range(len(anchors)) if k not in fit.begins]]
    unnoticed = np.sqrt(points.jump_price / np.maximum(inner, 1e-12)) if len(inner) else np.zeros(0)
    spare = len(anchors) - len(fit.begins)
    scale = max(1.0, fit.chi2 / spare) ** 0.5 if spare else 1.0
    return ClockMap(
        anchors=tuple(anchors),
        left_out=tuple(left_out),
        fit=fit,
        rivals=tuple(rivals(points, fit, known, settings.smallest_jump_s)),
        restarts=tuple(sorted(restarts)),
        scale=scale,
        unnoticed_jump_s=max(float(unnoticed.max(initial=0.0)), settings.smallest_jump_s),
        prior=(settings.drift_s_per_h / HOUR_S, settings.drift_sd_s_per_h / HOUR_S),
    )


def _without_strays(
    anchors: list[Anchor], restarts: Sequence[int], settings: DriftSettings
) -> tuple[Fit, list[Anchor], list[Anchor]]:
    """Fit, and leave out single anchors that those before and after them contradict.

    The clock would have jumped before such an anchor and back after it.
    """
    left_out: list[Anchor] = []
    while True:
        points, known = _points(anchors, settings), _begins(anchors, restarts)
        fit = find_jumps(points, known, settings.smallest_jump_s)
        stray = next((k for k in range(1, len(fit.begins) - 1) if _is_stray(fit, k, known)), None)
        if stray is None:
            return fit, anchors, left_out
        left_out.append(anchors[fit.begins[stray]])
        anchors = [one for k, one in enumerate(anchors) if k != fit.begins[stray]]


def _is_stray(fit: Fit, number: int, known: tuple[int, ...]) -> bool:
    alone = fit.begins[number + 1] - fit.begins[number] == 1
    if not alone or {fit.begins[number], fit.begins[number + 1]} & set(known):
        return False
    (there, there_sd), (back, back_sd) = fit.jump(number), fit.jump(number + 1)
    return abs(there + back) < 3 * float(np.hypot(there_sd, back_sd)) and there * back < 0


def _points(anchors: Sequence[Anchor], settings: DriftSettings) -> Points:
    first = anchors[0]
    ticks = np.array([one.tag_ticks - first.tag_ticks for one in anchors], np.int64)
    ahead = [
        one.host_ns - first.host_ns - (one.tag_ticks - first.tag_ticks) * NS // TICKS_PER_SECOND
        for one in anchors
    ]
    return Points(
        ticks / TICKS_PER_SECOND,
        np.array(ahead, np.float64) / NS,
        np.array([one.uncertainty_s for one in anchors], np.float64) ** -2,
        settings.drift_s_per_h / HOUR_S,
        settings.drift_sd_s_per_h / HOUR_S,
    )


def _begins(anchors: Sequence[Anchor], restarts: Sequence[int]) -> tuple[int, ...]:
    """Return the anchors that are the first of a start of the tag."""
    first = np.searchsorted([one.tag_ticks for one in anchors], sorted(restarts), side="left")
    return tuple(sorted({0, *(int(k) for k in first if k < len(anchors))}))
