"""Record of a tag's day as JSON: what `mcukd energy` prints, keeps in the study and shows on the page."""

from __future__ import annotations

from typing import Any

from mcukd.boards.energy_section import unit_of
from mcukd.energy.day import Day, Tag, Three, day
from mcukd.energy.levers import TOGETHER, settings

VERSION = 1
BASIS = "computed from the currents below and from counted work; nothing was measured on a tag"
_CONSOLE = (
    "THE CONSOLE OF THIS BOARD IS ALWAYS ON (tag.console_s is 0), which keeps its clock running: asleep_ua "
    "is of a console that is off, so that the core takes more than is said here."
)


def energy_record(tag: Tag, hop: int, window: int) -> dict[str, Any]:
    """Return a day of a tag as its firmware is, every input of it, and what other settings would take.

    hop, window: of its model, in samples. Triples are low, typical and high. Raises UserError where a day is
    too short for the work.
    """
    base, section = tag.as_built(hop), tag.board.tag
    assert section is not None
    today = day(tag, base)
    rows = [
        {
            "lever": one.lever,
            "setting": one.title,
            "as_built": one.use == base,
            "complete": one.complete,
            "note": one.note,
            **({} if one.result is None else _totals(one.result, today)),
        }
        for one in settings(tag, base, window)
    ]
    contributors = [
        {
            "name": name,
            "mah": _list(mah),
            "joules": _list(today.joules(mah)),
            "share": float(mah[1] / today.total[1]),
        }
        for name, mah in sorted(today.mah.items(), key=lambda item: -item[1][1])
    ]
    return {
        "version": VERSION,
        "basis": BASIS,
        "board": tag.board.name,
        "use": {"hop": hop, "mode": base.mode, "rate_hz": base.rate_hz, "interval_s": base.interval_s},
        "work": tag.work.facts(),
        "awake_share": _list(today.awake_s / 86_400),
        "contributors": contributors,
        "total_mah": _list(today.total),
        "total_joules": _list(today.joules(today.total)),
        "without_radio_mah": _list(today.without_radio),
        "life_days": _list(today.life_days),
        "dominates": contributors[0]["name"],
        "settings": rows,
        "largest_lever": _largest(rows),
        "inputs": [
            {
                "key": key,
                "value": list(figure.value),
                "unit": unit_of(key),
                "source": figure.source,
                "assumption": figure.assumption,
            }
            for key, figure in tag.figures(hop).items()
        ],
        "remarks": [*tag.energy.remarks, *([_CONSOLE] if section.console_s == 0 else [])],
    }


def _totals(result: Day, today: Day) -> dict[str, Any]:
    return {
        "mah": _list(result.total),
        "saved_mah": float(today.total[1] - result.total[1]),
        "life_days": _list(result.life_days),
    }


def _largest(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the single setting that saves most while payloads are sent; None where none saves anything."""
    able = [
        row for row in rows if row["complete"] and row["lever"] != TOGETHER and row.get("saved_mah", 0) > 0
    ]
    return max(able, key=lambda row: float(row["saved_mah"]), default=None)


def _list(values: Three) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
