"""Figure of an agreement's time budgets: differences against means, by bin and behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcukd.drawing import COLOURS, MARKERS, MUTED, drawing, svg
from mcukd.metrics.agreement.budgets import binned
from mcukd.metrics.agreement.track import NS, Track

#: Fewer bins than this tell nothing of how the differences spread.
_FEWEST = 3


def budget_differences(
    labels: Sequence[Track], tags: Sequence[Track], found: Mapping[str, Any]
) -> str | None:
    """Draw minutes per hour in bins, the tag's less the observer's against their mean; None with few bins.

    labels, tags: tracks of the animals of both sides. found: the agreement, as `agreement_of` returns it,
    whose bias and limits over the same bins are drawn.
    """
    classes, settings = found["classes"], found["settings"]
    bin_ns = round(settings["bin_minutes"] * 60 * NS)
    one, other = [], []
    for mine in labels:
        for tag in tags:
            if mine.animal == tag.animal and len(mine) and len(tag):
                bins = binned(mine.with_classes(classes), tag.with_classes(classes), bin_ns)
                rates = bins.rates(bins.known >= settings["known_share"] * bin_ns)
                one.append(rates[0])
                other.append(rates[1])
    if sum(map(len, one)) < _FEWEST:
        return None
    first, second = np.concatenate(one), np.concatenate(other)
    with drawing("budgets", 3.4) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=0.8)
        for k, name in enumerate(classes):
            mean, difference = (first[:, k] + second[:, k]) / 2, second[:, k] - first[:, k]
            seen = mean > 0
            if not seen.any():
                continue
            colour = COLOURS[1 + k % (len(COLOURS) - 1)]
            marker = MARKERS[1 + k % (len(MARKERS) - 1)]
            axes.plot(mean[seen], difference[seen], marker, color=colour, markersize=4, alpha=0.8, label=name)
            of = found["together"]["behaviours"][name]["bins"]
            ends = [float(mean[seen].min()), float(mean[seen].max()) + 0.5]
            for value, style in (
                (of["bias"]["value"], "-"),
                (of["limits"]["low"]["value"], ":"),
                (of["limits"]["high"]["value"], ":"),
            ):
                if value is not None:
                    axes.plot(ends, [value, value], style, color=colour, linewidth=1)
        axes.set_xlabel("mean of both, min/h")
        axes.set_ylabel("difference, min/h")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=5, frameon=False, borderpad=0, fontsize=8.5
        )
        return svg(figure, "budgets")
