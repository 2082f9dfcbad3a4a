"""Pages of the measurements: a table of all records in `docs/results`, and figures of what compares models.

Made from the records whenever the site is built. A figure says data, split and seeds as its record does.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from repository import ROOT

FOLDER = ROOT / "docs" / "results"
INDEX, FIGURES = "results/index.md", "results/figures.md"

_UNSTATED = "–"
_WIDTH, _NAMES, _ROW, _TOP = 760, 330, 22, 30


@dataclass(frozen=True)
class Scored:
    """MCC of a model: mean over seeds, each seed's, and the ends of its 95 % interval over animals if any."""

    name: str
    mcc: float
    by_seed: tuple[float, ...]
    interval: tuple[float, float] | None


def records() -> dict[str, dict[str, Any]]:
    """Return all records by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def record_pages() -> dict[str, str]:
    """Return the Markdown of the pages by their names."""
    found = records()
    return {INDEX: "\n".join(_table(found)), FIGURES: "\n".join(_figures(found))}


def scored(record: dict[str, Any]) -> list[Scored]:
    """Return the models that a record compares by MCC; none where it is of another kind."""
    rows = record.get("points") or record.get("rows")
    return [
        Scored(
            row.get("name") or row["point"],
            row["mcc"],
            tuple(row["mcc_by_seed"]),
            tuple(row["mcc_interval"]) if row.get("mcc_interval") else None,
        )
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
        and isinstance(row.get("mcc"), float)
        and row.get("mcc_by_seed")
        and {"name", "point"} & row.keys()
    ]


def _stated(record: dict[str, Any], name: str) -> str:
    """Return what a record states of `data`, `split`, `seeds` or whether it is `simulated`.

    By itself, among its options, or in its command.
    """
    options = record.get("options")
    value = record.get(name, options.get(name) if isinstance(options, dict) else None)
    if value is None:
        commands = f"{record.get('command')} {record.get('commands')}"
        # A number of --seeds alone may be how many or which.
        told = re.search(rf"--{name}[ =]([\w.,=-]+)", commands)
        return told[1] if told and name != "seeds" else _UNSTATED
    if name == "simulated":
        return "simulated" if value else "recorded"
    if isinstance(value, list):
        numbers = all(isinstance(one, int) for one in value)
        if numbers and len(value) > 2 and value == list(range(value[0], value[0] + len(value))):
            return f"{value[0]} to {value[-1]}"
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, (str, int, float)) else _UNSTATED


def _table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "# Records\n"
    yield (
        "Measurements are kept as records: JSON files with the command, the commit and what came out. The "
        "[experiments](../experiments/README.md) say what each one means; [figures](figures.md) shows those "
        "that compare models by MCC. Where a record does not state something by itself, the page that links "
        "to it does.\n"
    )
    yield "| record | data | kind | split | seeds | commit |\n|---|---|---|---|---|---|"
    for name, record in found.items():
        cells = [_stated(record, key) for key in ("data", "simulated", "split", "seeds")]
        commit = str(record.get("commit") or _UNSTATED)[:9]
        yield f"| [{name}]({name}.json) | " + " | ".join(map(_cell, cells)) + f" | {commit} |"
    yield ""


def _figures(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "# Models compared\n"
    yield (
        "Made from the [records](index.md) when the site was built. A large point is the mean MCC over "
        "seeds, small ones are the seeds, a line is the 95 % interval over animals where the record has one. "
        "MCC is computed from predictions on animals that no model of the fold was trained on, pooled over "
        "the folds.\n"
    )
    for name, record in found.items():
        rows = scored(record)
        if not rows:
            continue
        kind, data, split, seeds = (_stated(record, key) for key in ("simulated", "data", "split", "seeds"))
        yield f"## {name}\n"
        yield f"Data: {data} (**{kind}**). Split: {split}. Seeds: {seeds}. [Record]({name}.json).\n"
        yield _drawing(name, rows) + "\n"
        yield '??? note "The numbers"\n'
        yield "    | model | MCC | by seed | 95 % over animals |\n    |---|---|---|---|"
        for one in rows:
            seeds_ = " ".join(f"{value:.3f}" for value in one.by_seed)
            ends = f"{one.interval[0]:.3f} to {one.interval[1]:.3f}" if one.interval else "–"
            yield f"    | {_cell(one.name)} | {one.mcc:.3f} | {seeds_} | {ends} |"
        yield ""


def _drawing(title: str, rows: Sequence[Scored]) -> str:
    """Return the rows as SVG, in the colours of the page."""
    values = [value for row in rows for value in (*row.by_seed, row.mcc, *(row.interval or ()))]
    low = min(0.9, int(max(0.0, min(values)) * 10) / 10) if min(values) >= 0 else -0.1
    height = _TOP + _ROW * len(rows) + 8

    def x(value: float) -> float:
        return round(_NAMES + (_WIDTH - _NAMES - 20) * (value - low) / (1 - low), 1)

    parts = [
        f'<div class="scores"><svg class="scores" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>MCC, {html.escape(title)}</title>",
    ]
    step = 0.1 if 1 - low > 0.35 else 0.05
    for tick in range(round((1 - low) / step) + 1):
        value = low + tick * step
        at = x(value)
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP - 8}" y2="{height - 8}"/>')
        parts.append(f'<text class="tick" x="{at}" y="{_TOP - 14}" text-anchor="middle">{value:.2f}</text>')
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + 8
        name = html.escape(_short(row.name))
        parts.append(f'<text x="{_NAMES - 12}" y="{y + 4}" text-anchor="end">{name}</text>')
        if row.interval:
            first, last = map(x, row.interval)
            parts.append(f'<line class="interval" x1="{first}" x2="{last}" y1="{y}" y2="{y}"/>')
        parts += [f'<circle class="seed" cx="{x(value)}" cy="{y}" r="2.5"/>' for value in row.by_seed]
        parts.append(f'<circle class="mean" cx="{x(row.mcc)}" cy="{y}" r="5"/>')
    return "".join([*parts, "</svg></div>"])


def _short(name: str) -> str:
    return name if len(name) <= 52 else name[:51] + "…"


def _cell(text: str) -> str:
    return html.escape(text).replace("|", "\\|")
