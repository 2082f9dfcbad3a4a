"""Known recordings, written in the formats of loggers, spreadsheets and people.

A `Dialect` names one way; `write` turns the known recordings into files of it and returns what an import must
find in them. Used by tests/data/importer/test_dialects.py.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

LABELS = ("graze", "rest")
BOUT_S, BOUTS = 12, 4
ONE_G = {"g": 1.0, "m/s2": 9.80665, "mg": 1000.0}
PLACES = {"g": 4, "m/s2": 4, "mg": 1}
#: 09:20:30 UTC on a day whose number is above 12, so that day and month can be told apart.
START = dt.datetime(2024, 5, 15, 9, 20, 30, tzinfo=dt.UTC)
TWO_HOURS_EAST = dt.timezone(dt.timedelta(hours=2))
EXCEL_ZERO = dt.datetime(1899, 12, 30, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SEPARATORS = (",", ";", "\t", "|", " ")
HEADERS = (
    "plain",
    "quoted",
    "upper",
    "trailing in rows",
    "trailing in both",
    "short as R writes it",
    "commented",
    "lines above",
    "byte order mark",
    "row of units",
)
STAMPS = (
    "none",
    "iso",
    "iso with T",
    "iso with Z",
    "iso with offset",
    "iso without fraction where it is zero",
    "whole seconds",
    "day.month.year",
    "day/month/year",
    "month/day/year",
    "date and clock apart",
    "compact",
    "unix s",
    "unix ms",
    "unix us",
    "unix ns",
    "uptime s",
    "uptime ms",
    "uptime ns",
    "excel days",
    "matlab days",
    "counter",
)
#: Stamps that are dates without a zone, so that --timezone applies to them.
LOCAL = (
    "iso",
    "iso with T",
    "iso without fraction where it is zero",
    "whole seconds",
    "day.month.year",
    "day/month/year",
    "month/day/year",
    "date and clock apart",
    "compact",
    "excel days",
    "matlab days",
)
#: Dates before the clock, where they are not as in ISO 8601, and what stands behind it.
DATES = {
    "iso with T": "%Y-%m-%dT",
    "iso with Z": "%Y-%m-%dT",
    "day.month.year": "%d.%m.%Y ",
    "day/month/year": "%d/%m/%Y ",
    "month/day/year": "%m/%d/%Y ",
}
OFFSETS = {"iso with Z": "Z", "iso with offset": "+02:00"}
UNDATED = ("none", "uptime s", "uptime ms", "uptime ns", "counter")
ODD_ROWS = ("none", "stamps NA", "cells empty", "zeros", "sentinel", "header again", "other sensor")
ANIMALS = ("column", "folder", "file")
LABELLING = ("column", "folder", "table of dates", "table of epochs", "table of excel days")


@dataclass(frozen=True)
class Dialect:
    """One way to write recordings down."""

    seed: int
    animals: int
    rate: float
    units: str
    separator: str
    decimal: str
    header: str
    stamps: str
    zone: str | None
    newline: str
    gap_s: float
    odd_rows: str
    animal_in: str
    label_in: str
    convert: bool

    @property
    def is_possible(self) -> bool:
        """Whether anybody could write such files."""
        table = self.label_in.startswith("table")
        blanks = self.stamps in ("iso", "iso without fraction where it is zero", "whole seconds")
        blanks = blanks or self.stamps.endswith("year") or self.stamps == "iso with offset"
        return not (
            (self.separator == "," and self.decimal == ",")
            or (self.separator == " " and (blanks or self.header not in ("plain", "upper", "quoted")))
            or (self.separator == " " and self.odd_rows in ("cells empty", "other sensor"))
            or (self.zone is not None and self.stamps not in LOCAL)
            or (table and self.stamps in UNDATED)
            or (self.odd_rows == "stamps NA" and self.stamps == "none")
            or (self.label_in == "folder" and self.animal_in == "folder")
            or (self.odd_rows == "header again" and self.header in ("row of units", "lines above"))
        )


@dataclass(frozen=True)
class Truth:
    """What an import must find. samples: (animal, label) → (n, 3) float64 as written, odd rows left out.

    breaks: (animal, label) → places in samples where a recording has to end (True) or may end (False).
    options: what a user states of what the files do not say.
    """

    path: Path
    samples: dict[tuple[str, str], np.ndarray]
    breaks: dict[tuple[str, str], dict[int, bool]]
    options: dict[str, Any]


def write(dialect: Dialect, folder: Path) -> Truth:
    """Write the recordings of a dialect below `folder`."""
    root = folder / "herd"
    rng = np.random.default_rng(dialect.seed)
    samples: dict[tuple[str, str], np.ndarray] = {}
    breaks: dict[tuple[str, str], dict[int, bool]] = {}
    table: list[tuple[str, dt.datetime, dt.datetime, str]] = []
    files: dict[str, list[list[str]]] = {}
    for number, animal in enumerate(("bella", "cora", "dotty")[: dialect.animals]):
        steps = round(BOUT_S * dialect.rate)
        seconds = np.arange(BOUTS * steps) / dialect.rate
        seconds[len(seconds) // 3 :] += dialect.gap_s
        labels = np.array([LABELS[place // steps % 2] for place in range(len(seconds))])
        values = _motion(rng, seconds, labels == "graze", dialect.units)
        start = START + dt.timedelta(hours=number)
        odd = _odd_rows(rng, dialect, len(seconds))
        plain = [[f"{v:.{PLACES[dialect.units]}f}" for v in row] for row in values.tolist()]
        texts = [[_decimal(cell, dialect) for cell in row] for row in plain]
        if dialect.odd_rows == "zeros":
            texts = [["0", "0", "0"] if odd[row] else cells for row, cells in enumerate(texts)]
        elif dialect.odd_rows == "sentinel":
            texts = [["-9999"] * 3 if odd[row] else cells for row, cells in enumerate(texts)]
        elif dialect.odd_rows == "cells empty":
            texts = [["", *cells[1:]] if odd[row] else cells for row, cells in enumerate(texts)]
        written = np.array(plain).astype(np.float64)
        for row in range(len(seconds)):
            stamps = _stamps(dialect, start, float(seconds[row]), row)
            if odd[row] and dialect.odd_rows == "stamps NA":
                stamps = ["NA"] * len(stamps)
            cells = list(stamps)
            cells += [animal] if dialect.animal_in == "column" else []
            cells += [str(labels[row])] if dialect.label_in == "column" else []
            cells += texts[row]
            place = _file(dialect, animal, str(labels[row]), row // steps)
            rows = files.setdefault(place, [])
            if dialect.odd_rows == "other sensor":
                if row % 40 == 20:
                    rows.append([*cells[: len(cells) - 3], "", "", "", "GPS"])
                cells.append("ACC")
            if dialect.odd_rows == "header again" and odd[row]:
                rows.append([])
            rows.append(cells)
        left_out = odd & (dialect.odd_rows not in ("header again", "other sensor", "none"))
        # Without stamps nobody can see a gap.
        seen = dialect.stamps not in ("none", "counter")
        # A header that stands again may begin another recording.
        joints = odd & (dialect.odd_rows == "header again")
        gaps = (np.diff(seconds, prepend=seconds[0]) > 2.5 / dialect.rate) & seen
        for label in LABELS:
            _add(samples, breaks, (animal, label), written, (labels == label), left_out, gaps, joints, steps)
        for bout in range(BOUTS):
            first, last = bout * steps, (bout + 1) * steps - 1
            half = 0.5 / dialect.rate
            table.append(
                (
                    animal,
                    start + dt.timedelta(seconds=float(seconds[first]) - half),
                    start + dt.timedelta(seconds=float(seconds[last]) + half),
                    str(labels[first]),
                )
            )
    for place, rows in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_text(dialect, rows).encode("utf-8-sig" if _marked(dialect) else "utf-8"))
    options: dict[str, Any] = {"window_s": 1.0, "convert": dialect.convert}
    if dialect.stamps in ("none", "whole seconds"):
        options["rate_hz"] = dialect.rate
    if dialect.zone:
        options["timezone"] = dialect.zone
    if dialect.label_in.startswith("table"):
        options["labels_table"] = _write_table(dialect, folder, table)
    return Truth(root, samples, breaks, options)


def _motion(rng: np.random.Generator, seconds: np.ndarray, lively: np.ndarray, units: str) -> np.ndarray:
    values = rng.normal((0.12, 0.21, -0.95), 0.02, (len(seconds), 3))
    values[:, 0] += 0.3 * np.sin(2 * np.pi * 1.7 * seconds) * lively
    return values * ONE_G[units]


def _odd_rows(rng: np.random.Generator, dialect: Dialect, count: int) -> np.ndarray:
    odd = np.zeros(count, dtype=bool)
    if dialect.odd_rows in ("stamps NA", "cells empty", "header again"):
        odd[rng.integers(count // 8, count, 3)] = True
    elif dialect.odd_rows in ("zeros", "sentinel"):
        first = int(rng.integers(0, count - 40))
        odd[first : first + int(rng.integers(5, 30))] = True
    return odd


def _add(
    samples: dict[tuple[str, str], np.ndarray],
    breaks: dict[tuple[str, str], dict[int, bool]],
    key: tuple[str, str],
    written: np.ndarray,
    of_label: np.ndarray,
    left_out: np.ndarray,
    gaps: np.ndarray,
    joints: np.ndarray,
    steps: int,
) -> None:
    kept = np.flatnonzero(of_label & ~left_out)
    samples[key] = written[kept]
    places: dict[int, bool] = {}
    for place in range(1, len(kept)):
        between = slice(kept[place - 1] + 1, kept[place] + 1)
        if kept[place] // steps != kept[place - 1] // steps or gaps[between].any():
            places[place] = True
        elif kept[place] - kept[place - 1] > 1:
            # A single lost sample may be let pass.
            places[place] = kept[place] - kept[place - 1] > 2
        elif joints[kept[place]]:
            places[place] = False
    breaks[key] = places


def _decimal(text: str, dialect: Dialect) -> str:
    return text.replace(".", dialect.decimal)


def _stamps(dialect: Dialect, start: dt.datetime, seconds: float, row: int) -> list[str]:
    """Return the cells that tell the time of a sample: none, one, or a date and a clock."""
    kind = dialect.stamps
    if kind == "none":
        return []
    if kind == "counter":
        return [str(row)]
    if kind.startswith("uptime"):
        uptime = round((4512.345 + seconds) * 1000)
        return [_counted(kind, uptime, dialect)]
    moment = start + dt.timedelta(microseconds=round(seconds * 1e6))
    if kind.startswith("unix"):
        return [_counted(kind, round((moment - EPOCH).total_seconds() * 1000), dialect)]
    zone = dt.UTC if dialect.zone is None else ZoneInfo(dialect.zone)
    local = moment.astimezone(zone)
    if kind.endswith("days"):
        days = ((local.replace(tzinfo=dt.UTC)) - EXCEL_ZERO).total_seconds() / 86400
        return [_decimal(f"{days + (693960 if kind == 'matlab days' else 0):.10f}", dialect)]
    if kind == "compact":
        return [f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"]
    if kind in ("iso with Z", "iso with offset"):
        local = moment if kind == "iso with Z" else moment.astimezone(TWO_HOURS_EAST)
    fraction = _decimal(f".{local.microsecond // 1000:03d}", dialect)
    if kind == "whole seconds" or (kind.endswith("where it is zero") and not local.microsecond):
        fraction = ""
    clock = f"{local:%H:%M:%S}{fraction}"
    if kind == "date and clock apart":
        return [f"{local:%Y-%m-%d}", clock]
    return [f"{local:{DATES.get(kind, '%Y-%m-%d ')}}{clock}{OFFSETS.get(kind, '')}"]


def _counted(kind: str, milliseconds: int, dialect: Dialect) -> str:
    """Write a number of milliseconds in the unit that `kind` ends with."""
    unit = kind.rpartition(" ")[2]
    if unit == "s":
        return _decimal(f"{milliseconds / 1000:.3f}", dialect)
    return str(milliseconds) + {"ms": "", "us": "000", "ns": "000000"}[unit]


def _file(dialect: Dialect, animal: str, label: str, bout: int) -> str:
    if dialect.label_in == "folder":
        name = f"{animal}_{bout}.csv" if dialect.animal_in == "file" else f"bout_{animal}{bout}.csv"
        return f"{label}/{name}"
    return {"column": "herd.csv", "folder": f"{animal}/2024-05-15.csv", "file": f"{animal}.csv"}[
        dialect.animal_in
    ]


def _names(dialect: Dialect) -> list[str]:
    names = {
        "none": [],
        "date and clock apart": ["date", "time"],
        "uptime ms": ["time_ms"],
        "uptime ns": ["timestamp_ns"],
        "counter": ["t"],
    }.get(dialect.stamps, ["timestamp"])
    names = list(names)
    names += ["animal"] if dialect.animal_in == "column" else []
    names += ["behaviour"] if dialect.label_in == "column" else []
    names += ["acc_x", "acc_y", "acc_z"]
    names += ["sensor"] if dialect.odd_rows == "other sensor" else []
    return [name.upper() for name in names] if dialect.header == "upper" else names


def _marked(dialect: Dialect) -> bool:
    return dialect.header == "byte order mark"


def _text(dialect: Dialect, rows: list[list[str]]) -> str:
    names = _names(dialect)
    if dialect.header == "quoted":
        names = [f'"{name}"' for name in names]
    header = dialect.separator.join(names)
    lines = []
    if dialect.header == "lines above":
        lines += ["Logger: X7 serial 0042", "Firmware: 1.2", ""]
    if dialect.header == "commented":
        header = f"# {header}"
    if dialect.header == "trailing in both":
        header += dialect.separator
    lines.append(header)
    if dialect.header == "row of units":
        units = ["" if not name.startswith("acc") else dialect.units for name in names]
        lines.append(dialect.separator.join(units))
    for number, cells in enumerate(rows, 1):
        if not cells:
            lines.append(header)
            continue
        if dialect.header == "short as R writes it":
            cells = [f'"{number}"', *cells]
        line = dialect.separator.join(cells)
        if dialect.header in ("trailing in rows", "trailing in both"):
            line += dialect.separator
        lines.append(line)
    return dialect.newline.join(lines) + dialect.newline


def _write_table(
    dialect: Dialect, folder: Path, table: list[tuple[str, dt.datetime, dt.datetime, str]]
) -> Path:
    """Write the labels apart, their dates in the recordings' zone."""
    zone = dt.UTC if dialect.zone is None else ZoneInfo(dialect.zone)
    lines = ["animal,start,end,behaviour"]
    for animal, start, end, label in table:
        cells = []
        for moment in (start, end):
            local = moment.astimezone(zone).replace(tzinfo=None)
            if dialect.label_in == "table of epochs":
                cells.append(f"{moment.timestamp():.3f}")
            elif dialect.label_in == "table of excel days":
                days = (local - EXCEL_ZERO.replace(tzinfo=None)).total_seconds() / 86400
                cells.append(f"{days:.8f}")
            else:
                cells.append(f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}")
        lines.append(",".join([animal, *cells, label]))
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
