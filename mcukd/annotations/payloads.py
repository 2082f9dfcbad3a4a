"""Decoded payloads (`mcukd decode --csv` or `--json`) as budgets: results of each class, without times of
day."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.annotations.reading import Budget, Reading, Said
from mcukd.errors import UserError
from mcukd.payload.reception import REPEATED
from mcukd.text import listed, plural

_COUNT = "results_"
#: Columns that tell such a table from others.
_TELLING = {"payload", "results_step", "reception"}
_UNKNOWN = "unknown"
_STEP = "results_step"


def is_payloads(content: bytes) -> bool:
    """Tell whether bytes begin as a table or the JSON of decoded payloads does."""
    head = content[: 1 << 12].decode("utf-8-sig", "replace").lstrip()
    if head.startswith("{"):
        return '"payloads"' in head[:100]
    first = head.splitlines()[:1]
    return bool(first) and {*next(csv.reader(first), [])} >= _TELLING


def read_payloads(path: Path, reading: Reading) -> Said:
    """Read the counts of payloads: one budget for each tag, repeated payloads left out.

    Raises UserError for counts that are none, for payloads of different classes, and where nothing remains.
    """
    rows = _rows(path)
    kept = [row for row in rows if row["reception"] != REPEATED]
    lost = sum(int(row.get("lost_before") or 0) for row in kept)
    notes = []
    if len(kept) < len(rows):
        notes.append(f"{path.name}: {plural(len(rows) - len(kept), 'repeated payload')} left out.")
    if lost:
        notes.append(
            f"{path.name}: {plural(lost, 'payload')} lost between those received; their time is missing on "
            "the "
            "tag's side alone."
        )
    tags = list(dict.fromkeys(str(row.get("tag") or "") for row in kept))
    budgets = tuple(
        _budget(path, tag, [row for row in kept if str(row.get("tag") or "") == tag], reading) for tag in tags
    )
    return Said((), tuple(notes), None, budgets)


def _budget(path: Path, tag: str, rows: Sequence[Mapping[str, Any]], reading: Reading) -> Budget:
    names = list(rows[0]["results"])
    for row in rows:
        if list(row["results"]) != names:
            raise UserError(
                f"{path}, payload {row['number']}: it counts {listed(row['results'])}, and those before it "
                f"{listed(names)}; decode payloads of one model alone"
            )
    classes = tuple(name for name in names if name != _UNKNOWN)
    if reading.model is not None and reading.model.classes and classes != reading.model.classes:
        raise UserError(
            f"{path} counts {listed(classes)}, and the classes of the study are "
            f"{listed(reading.model.classes)}; "
            "decode the payloads with --run and that study"
        )
    counts = np.array([[row["results"][name] for name in classes] for row in rows], np.int64)
    steps = np.array([row[_STEP] for row in rows], np.int64)
    return Budget(
        reading.animals.get(tag, tag) or reading.animal,
        f"the payloads of {path.name}",
        classes,
        counts.sum(axis=0),
        sum(row["results"].get(_UNKNOWN, 0) for row in rows),
        float((steps * (steps > 1)).sum() / 2),
        len(rows),
        None if reading.model is None else reading.model.hop_s,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return rows with number, tag, reception, lost_before, results_step and results."""
    try:
        content = path.read_text(encoding="utf-8-sig")
        rows = json.loads(content)["payloads"] if content.lstrip().startswith("{") else _of_csv(content)
        rows = [
            {
                **row,
                "results": {name: int(count) for name, count in row["results"].items()},
                _STEP: int(row[_STEP]),
                "reception": str(row["reception"]),
            }
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} looks like decoded payloads, but cannot be read ({error!r}); write it again with 'mcukd "
            "decode "
            "--csv'"
        ) from None
    if not rows:
        raise UserError(f"{path} holds no payload; decode some")
    return rows


def _of_csv(content: str) -> list[dict[str, Any]]:
    rows = []
    for row in csv.DictReader(io.StringIO(content, newline="")):
        counts = {
            name[len(_COUNT) :]: count
            for name, count in row.items()
            if name.startswith(_COUNT) and name != _STEP
        }
        rows.append({**row, "results": {name: count for name, count in counts.items() if count != ""}})
    return rows
