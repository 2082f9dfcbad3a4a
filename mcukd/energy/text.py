"""A tag's day in words and tables, from its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcukd.energy.levers import HOP, PAYLOADS, SENSOR, TOGETHER
from mcukd.text import grouped, listed, share

_TITLES = {HOP: "hop", PAYLOADS: "payloads", SENSOR: "sensor", TOGETHER: "best of each"}


def amount(value: float) -> str:
    """Return a charge, an energy or a number of days with three digits that count."""
    if value >= 100:
        return grouped(value)
    return (
        f"{value:.0f}"
        if value == 0
        else f"{value:.{2 if value < 10 else 1}f}"
        if value >= 0.01
        else f"{value:.1g}"
    )


def between(triple: Sequence[float]) -> str:
    """Return the low and the high value; the one value where they are the same."""
    low, _, high = map(amount, triple)
    return low if low == high else f"{low} to {high}"


def sentences(record: Mapping[str, Any]) -> list[str]:
    """Return what a record says, remarks of the board first."""
    total, without, life = record["total_mah"], record["without_radio_mah"], record["life_days"]
    first = record["contributors"][0]
    found = [
        *record["remarks"],
        f"A day takes {amount(total[1])} mAh ({between(total)}), {amount(record['total_joules'][1])} J; "
        f"without the radio {amount(without[1])} mAh ({between(without)}).",
        f"The battery lasts {amount(life[1])} days ({between(life)}).",
        f"Most of it is the {first['name']}: {share(first['share'])}.",
    ]
    largest = record["largest_lever"]
    if largest is not None:
        name = ", ".join(filter(None, (title_of(largest), largest["setting"])))
        found.append(
            f"The largest single lever is {name}: {amount(largest['mah'][1])} mAh a day instead of "
            f"{amount(total[1])}, {amount(largest['life_days'][1])} days."
        )
    assumed = [one["key"] for one in record["inputs"] if one["assumption"]]
    if assumed:
        found.append(f"No document says these inputs, or not for this state: {listed(assumed)}.")
    return found


def title_of(row: Mapping[str, Any]) -> str:
    """Return the lever of a setting for people."""
    return _TITLES.get(row["lever"], str(row["lever"]))


def contributor_rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of what a day is made of, the total last."""
    rows = [
        [
            one["name"],
            amount(one["mah"][1]),
            between(one["mah"]),
            amount(one["joules"][1]),
            share(one["share"]),
        ]
        for one in record["contributors"]
    ]
    total, joules = record["total_mah"], record["total_joules"]
    rows.append(["in all", amount(total[1]), between(total), amount(joules[1]), "100 %"])
    return ["contributor", "mAh", "low to high", "J", "share"], rows


def setting_rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of the levers; a setting that was refused has its reason only."""
    rows = []
    for one in record["settings"]:
        figures = ["–"] * 4
        if "mah" in one:
            saved = "as built" if one["as_built"] else f"{one['saved_mah']:+.3g}".replace("-", "−")
            figures = [amount(one["mah"][1]), between(one["mah"]), saved, amount(one["life_days"][1])]
        rows.append([title_of(one), one["setting"], *figures])
    return ["lever", "setting", "mAh", "low to high", "saved", "days"], rows


def input_rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of the inputs: key, value with its unit, and source."""
    rows = [
        [one["key"], f"{_plain(one['value'])} {one['unit']}".strip(), source_of(one)]
        for one in record["inputs"]
    ]
    return ["input", "value", "source"], rows


def source_of(one: Mapping[str, Any]) -> str:
    """Return an input's source, marked where it is an assumption."""
    return f"ASSUMED: {one['source']}" if one["assumption"] else str(one["source"])


def notes(record: Mapping[str, Any]) -> list[str]:
    """Return what settings need, each once."""
    found = {
        f"{title_of(one)}{', ' if one['setting'] else ''}{one['setting']}: {one['note']}": None
        for one in record["settings"]
        if one["note"]
    }
    return list(found)


def _plain(value: Sequence[float]) -> str:
    low, typical, high = (f"{one:g}" for one in value)
    return typical if low == high else f"{low} / {typical} / {high}"
