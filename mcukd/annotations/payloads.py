"""Decoded payloads (`mcukd decode --csv` or `--json`) as periods: how long each behaviour took in each.

A payload counts results and tells no time of day. Where its schema sends `begin_s` and `duration_s`, an
offset places these seconds of the tag's clock; else the moment at which the first payload's period began and
the length of a period are stated, and lost payloads are stepped over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.annotations.csv_rows import header_of, rows_of
from mcukd.annotations.reading import UNKNOWN, Reading, Said, TagModel
from mcukd.errors import UserError
from mcukd.metrics.agreement.periods import Periods
from mcukd.payload.reception import REPEATED, RESTARTED
from mcukd.tag.spans import delay_ns
from mcukd.text import listed, plural

_COUNT = "results_"
_STEP = "results_step"
#: Columns that tell such a table from others.
_TELLING = {"payload", _STEP, "reception"}
_BEGIN, _DURATION = "begin_s", "duration_s"
_NS = 1_000_000_000


def is_payloads(content: bytes) -> bool:
    """Tell whether bytes begin as a table or the JSON of decoded payloads does."""
    head = content[: 1 << 12].decode("utf-8-sig", "replace").lstrip()
    if head.startswith("{"):
        return '"payloads"' in head[:100]
    return {*header_of(content)} >= _TELLING


def read_payloads(path: Path, reading: Reading) -> Said:
    """Read the counts of payloads, for each tag; repeated payloads are left out.

    Raises UserError for counts that are none, payloads of different classes, and where nothing says when
    their periods were or how long a result stands for.
    """
    rows = _rows(path)
    kept = [row for row in rows if row["reception"] != REPEATED]
    if not kept:
        raise UserError(f"{path} holds repeated payloads alone; decode them together with the first ones")
    notes = []
    if len(kept) < len(rows):
        notes.append(f"{path.name}: {plural(len(rows) - len(kept), 'repeated payload')} left out.")
    lost = sum(row["lost_before"] for row in kept)
    if lost:
        notes.append(f"{path.name}: {plural(lost, 'payload')} lost; nothing is known of their periods.")
    tags = list(dict.fromkeys(str(row.get("tag") or "") for row in kept))
    if len(tags) > 1 and _BEGIN not in kept[0]:
        raise UserError(
            f"{path} holds payloads of the tags {listed(tags)}, whose first periods began at different "
            "moments; "
            "decode those of one tag into a file"
        )
    model = _model(path, kept, reading)
    periods = []
    for tag in tags:
        own = [row for row in kept if str(row.get("tag") or "") == tag]
        placed = _placed(path, own, reading, notes)
        periods.append(_periods(path, tag, placed, model, reading))
    return Said((), tuple(notes), model.sha256, periods=tuple(periods))


def _model(path: Path, rows: Sequence[Mapping[str, Any]], reading: Reading) -> TagModel:
    """Return the model on the tag; UserError where the payloads are not of it, or its times are not known."""
    model = reading.model
    if model is None or model.hop_s is None or model.window_s is None:
        raise UserError(f"{path} counts results; --run STUDY is needed to say how long one stands for")
    names = [*model.classes, UNKNOWN]
    for row in rows:
        if list(row["results"]) != names:
            raise UserError(
                f"{path}, payload {row['number']}: it counts {listed(row['results'])}, and the study's "
                "classes are "
                f"{listed(model.classes)}; decode the payloads with --run and that study"
            )
    return model


def _placed(
    path: Path, rows: Sequence[Mapping[str, Any]], reading: Reading, notes: list[str]
) -> list[tuple[float, float, Mapping[str, Any]]]:
    """Return (begin, end, row) in seconds since 1970 of the payloads whose periods are known."""
    if all(row.get(name) not in (None, "") for row in rows for name in (_BEGIN, _DURATION)):
        if reading.offset_s is None:
            raise UserError(
                f"{path}: its payloads tell seconds of the tag's clock; state with --offset what has to be "
                "added to "
                "them: seconds since 1970 at the tag's second 0"
            )
        begins = [float(row[_BEGIN]) + reading.offset_s for row in rows]
        return [(begin, begin + float(row[_DURATION]), row) for begin, row in zip(begins, rows)]
    if reading.begins is None or reading.period_s is None:
        raise UserError(
            f"{path}: payloads tell no time of day; state when the period of the first one began and how "
            "long a "
            "period is, like --begins 2026-05-01T06:00:00+02:00 --period 3600"
        )
    found: list[tuple[float, float, Mapping[str, Any]]] = []
    number = 0
    for place, row in enumerate(rows):
        if place and row["reception"] == RESTARTED:
            left = len(rows) - place
            notes.append(
                f"{path.name}: the tag restarted before payload {row['number']}, and nothing says how long "
                "it was "
                f"off; {plural(left, 'payload')} from there on left out."
            )
            break
        number += (1 + row["lost_before"]) if place else 0
        begin = reading.begins + number * reading.period_s
        found.append((begin, begin + reading.period_s, row))
    return found


def _periods(
    path: Path,
    tag: str,
    placed: Sequence[tuple[float, float, Mapping[str, Any]]],
    model: TagModel,
    reading: Reading,
) -> Periods:
    assert model.hop_s is not None and model.window_s is not None
    early = delay_ns(round(model.window_s * _NS), round(model.hop_s * _NS), model.smoothing)
    edges = np.array([[begin, end] for begin, end, _ in placed])
    starts, ends = (np.round(edges * 1e6).astype(np.int64) * 1000 - early).T
    overlapping = np.flatnonzero(starts[1:] < ends[:-1])
    if len(overlapping) or np.any(ends <= starts):
        row = placed[int(overlapping[0]) + 1 if len(overlapping) else int(np.argmin(ends - starts))][2]
        raise UserError(
            f"{path}, payload {row['number']}: its period begins before that of the one before ended"
        )
    counts = np.array([list(row["results"].values()) for _, _, row in placed], np.int64)
    return Periods(
        reading.animals.get(tag, tag) or reading.animal,
        f"the payloads of {path.name}",
        (*model.classes, UNKNOWN),
        starts,
        ends,
        counts * round(model.hop_s * _NS),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return rows with number, tag, reception, lost_before and results."""
    try:
        with path.open("rb") as stream:
            of_json = stream.read(1 << 12).decode("utf-8-sig", "replace").lstrip().startswith("{")
        rows = json.loads(path.read_text(encoding="utf-8-sig"))["payloads"] if of_json else _of_csv(path)
        rows = [_checked(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} looks like decoded payloads, but cannot be read ({error!r}); write it again with 'mcukd "
            "decode "
            "--csv'"
        ) from None
    if not rows:
        raise UserError(f"{path} holds no payload; decode some")
    return rows


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its numbers as such. Raises ValueError, KeyError or TypeError where one is none."""
    found = {
        **row,
        "number": row["number"],
        "lost_before": int(row.get("lost_before") or 0),
        "results": {name: int(count) for name, count in row["results"].items()},
        "reception": str(row["reception"]),
    }
    if found["lost_before"] < 0 or not all(0 <= count < 2**32 for count in found["results"].values()):
        raise ValueError(f"payload {row['number']} counts what is below 0 or above 32 bits")
    for name in (_BEGIN, _DURATION):
        if row.get(name) not in (None, ""):
            found[name] = float(row[name])
            if not 0 <= found[name] < 2**32:
                raise ValueError(f"{name} of payload {row['number']} is {row[name]!r}")
    return found


def _of_csv(path: Path) -> list[dict[str, Any]]:
    rows = []
    for row in rows_of(path):
        counts = {
            name[len(_COUNT) :]: count
            for name, count in row.items()
            if name.startswith(_COUNT) and name != _STEP and count != ""
        }
        rows.append({**row, "results": counts})
    return rows
