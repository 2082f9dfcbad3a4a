"""The page of an agreement as one self-contained HTML file: sentences, tables, and both ethograms of each
animal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcukd import __version__
from mcukd.drawing import COLOURS, STYLE_FOLDER
from mcukd.metrics.agreement.sentences import agreement_columns, agreement_rows
from mcukd.metrics.agreement.track import NOT_KNOWN, Track
from mcukd.report.agreement_figure import budget_differences
from mcukd.text import between, figure, listed, signed

TEMPLATES = Path(__file__).resolve().parent
TEMPLATE = "agreement.html.j2"
#: Units of the width of a drawn ethogram; what is shorter than one is not drawn.
_WIDTH = 1200


def agreement_page(facts: Mapping[str, Any], labels: Sequence[Track], tags: Sequence[Track]) -> str:
    """Return the page as HTML.

    facts: what `mcukd.pipeline.agree.agree` returns. labels, tags: tracks of both sides, to be drawn.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLE_FOLDER]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure, between=between, signed=signed)
    found = facts.get("agreement") or facts["budget_agreement"]
    timed = "agreement" in facts
    animals = found["animals"]
    return environment.get_template(TEMPLATE).render(
        facts=facts,
        found=found,
        timed=timed,
        animals=listed(animals),
        columns=agreement_columns(found["names"]),
        together=agreement_rows(found["together"]) if timed else [],
        each={name: agreement_rows(one) for name, one in animals.items()} if timed else {},
        strips=ethograms([*labels, *tags], found["classes"]),
        budgets=budget_differences(labels, tags, found) if timed else None,
        session=facts.get("session"),
        colours=[COLOURS[1 + k % (len(COLOURS) - 1)] for k in range(len(found["classes"]))],
        version=__version__,
    )


def ethograms(tracks: Sequence[Track], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is drawn of each animal, over the time in which the first of its tracks lies.

    A list of {`animal`, `from`, `to` (UTC), `rows` [{`source`, `bouts` [(left, width, class)]}]}, with places
    from 0 to 1200.
    """
    found = []
    for animal in dict.fromkeys(track.animal for track in tracks):
        own = [track for track in tracks if track.animal == animal and len(track)]
        if not own:
            continue
        first, last = int(own[0].starts[0]), int(own[0].ends[-1])
        edges = np.linspace(first, last, _WIDTH + 1).astype(np.int64)
        middles = (edges[:-1] + edges[1:]) // 2
        rows = [{"source": track.source, "bouts": _runs(track, middles, classes)} for track in own]
        found.append({"animal": animal, "from": _moment(first), "to": _moment(last), "rows": rows})
    return found


def _runs(track: Track, middles: Any, classes: Sequence[str]) -> list[tuple[int, int, int]]:
    index = {name: k for k, name in enumerate(classes)}
    table = np.array([*(index.get(name, NOT_KNOWN) for name in track.classes), NOT_KNOWN])
    codes = table[track.at(middles)]
    edges = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).tolist()
    return [
        (left, right - left, int(codes[left]))
        for left, right in zip(edges, edges[1:])
        if codes[left] != NOT_KNOWN
    ]


def _moment(ns: int) -> str:
    return str(np.datetime64(ns // 10**9, "s")).replace("T", " ")
