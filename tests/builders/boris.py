"""Files as BORIS 7 to 10 write them: projects, and tabular and aggregated events in the columns of each
version.

Columns after the lists in the facts of the field session and, for 8.27, after files of BORIS 8.27.4 itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Versions whose exports differ: before a time offset was exported, with it, and with lines above the header.
VERSIONS = ("7", "8.10", "8.27", "9", "10")
START, DAY, EPOCH = "start", "day", "epoch"


@dataclass(frozen=True)
class Coded:
    """One observation. states: subject, behaviour, modifier, start and stop in the seconds of its time base.

    points: subject, behaviour, seconds. live: else of a media file.
    """

    name: str
    date: str
    states: Sequence[tuple[str, str, str, float, float]]
    points: Sequence[tuple[str, str, float]] = ()
    base: str = START
    live: bool = True
    offset: float = 0.0

    def events(self) -> list[tuple[float, str, str, str, str]]:
        """Return events as BORIS keeps them: sorted by their seconds, without START and STOP."""
        found = [(point[2], point[0], point[1], "", "") for point in self.points]
        for subject, code, modifier, start, stop in self.states:
            found += [(start, subject, code, modifier, ""), (stop, subject, code, modifier, "")]
        return sorted(found, key=lambda event: event[0])

    def flagged(self) -> list[tuple[float, str, str, str, str]]:
        """Return events with POINT, or START and STOP by turns, in place of the comment."""
        codes = {state[1] for state in self.states}
        begun: set[tuple[str, ...]] = set()
        found = []
        for time, subject, code, modifier, _ in self.events():
            key = (subject, code, modifier)
            kind = "POINT" if code not in codes else "STOP" if key in begun else "START"
            begun ^= {key} if kind != "POINT" else set()
            found.append((time, subject, code, modifier, kind))
        return found


@dataclass
class Table:
    """Rows of an export, and lines above them."""

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    above: list[list[str]] = field(default_factory=list)

    def write(self, path: Path, separator: str = "\t") -> Path:
        """Write it as text, or as a workbook where the name says so."""
        lines = [*self.above, self.header, *self.rows]
        if path.suffix == ".xlsx":
            from openpyxl import Workbook

            book = Workbook()
            for line in lines:
                book.active.append(line)
            book.save(path)
        else:
            path.write_text("".join(separator.join(line) + "\n" for line in lines), encoding="utf-8")
        return path


def project(observations: Sequence[Coded]) -> dict[str, Any]:
    """Return a project as BORIS keeps it."""
    states = list(dict.fromkeys(state[1] for one in observations for state in one.states))
    points = list(dict.fromkeys(point[1] for one in observations for point in one.points))
    subjects = list(dict.fromkeys(event[1] for one in observations for event in one.events() if event[1]))
    conf = [(code, "State event") for code in states] + [(code, "Point event") for code in points]
    return {
        "time_format": "hh:mm:ss",
        "project_date": observations[0].date,
        "project_name": "herd",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(k): {"key": "", "name": who, "description": ""} for k, who in enumerate(subjects)
        },
        "behaviors_conf": {
            str(k): {
                "type": kind, "key": "k", "code": code, "description": "", "color": "", "category": "",
                "modifiers": {}, "excluded": "", "coding map": "",
            }
            for k, (code, kind) in enumerate(conf)
        },
        "observations": {
            one.name: {
                "type": "LIVE" if one.live else "MEDIA",
                "date": one.date.replace(" ", "T"),
                "description": "",
                "time offset": one.offset,
                "events": [list(event) for event in one.events()],
                "observation time interval": [0, 0],
                "independent_variables": {},
                "file": {} if one.live else {"1": ["v.mp4"]},
                "media_info": {"length": {"v.mp4": 3600.0}, "fps": {"v.mp4": 25.0}},
                "start_from_current_time": one.base == DAY,
                "start_from_current_epoch_time": one.base == EPOCH,
            }
            for one in observations
        },
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }  # fmt: skip


def write_project(path: Path, observations: Sequence[Coded]) -> Path:
    """Write a project as BORIS does."""
    path.write_text(json.dumps(project(observations)), encoding="utf-8")
    return path


def tabular(version: str, observations: Sequence[Coded]) -> Table:
    """Return tabular events. Version 7 exports one observation a file."""
    if version == "7":
        return _old_tabular(observations)
    offset = ["Time offset (s)"] if version != "8.10" else []
    table = Table(
        [
            *(
                "Observation id",
                "Observation date",
                "Description",
                "Observation duration",
                "Observation type",
            ),
            *("Source", *offset, "Media duration (s)", "FPS", "weather", "Subject", "Behavior"),
            *(
                "Behavioral category",
                "Modifier #1",
                "Behavior type",
                "Time",
                "Media file name",
                "Image index",
            ),
            *("Image file path", "Comment"),
        ]
    )
    for one in observations:
        kind, source = _kind(one)
        shift = [str(one.offset)] if offset else []
        for time, subject, code, modifier, state in one.flagged():
            table.rows.append(
                [
                    *(one.name, one.date, "", "60.0", kind, source, *shift, "NA", "NA", "dry"),
                    *(
                        subject or "No focal subject",
                        code,
                        "",
                        modifier,
                        state,
                        f"{time:.3f}",
                        "NA",
                        "NA",
                        "NA",
                        "",
                    ),
                ]
            )
    return table


def aggregated(version: str, observations: Sequence[Coded]) -> Table:
    """Return aggregated events."""
    new = version not in ("7", "8.10")
    offset, coding = ["Time offset (s)"] * new, "Coding duration" if new else "Total duration"
    table = Table(
        [
            *(
                "Observation id",
                "Observation date",
                "Description",
                "Observation type",
                "Source",
                *offset,
                coding,
            ),
            *("Media duration (s)", "FPS (frame/s)", "weather", "Subject"),
            *(
                "Observation duration by subject by observation",
                "Behavior",
                "Behavioral category",
                "Modifier #1",
            ),
            *(
                "Behavior type",
                "Start (s)",
                "Stop (s)",
                "Duration (s)",
                "Media file name",
                "Image index start",
            ),
            *(
                "Image index stop",
                "Image file path start",
                "Image file path stop",
                "Comment start",
                "Comment stop",
            ),
        ]
    )
    for one in observations:
        kind, source = _kind(one)
        shift = [str(one.offset)] if new else []
        begun: dict[tuple[str, ...], float] = {}
        for time, subject, code, modifier, state in one.flagged():
            key = (subject, code, modifier)
            if state == "START":
                begun[key] = time
                continue
            start = begun.pop(key) if state == "STOP" else time
            length = "NA" if state == "POINT" else f"{time - start:.3f}"
            table.rows.append(
                [
                    *(one.name, one.date, "", kind, source, *shift, "60.0", "NA", "NA", "dry"),
                    *(subject or "No focal subject", "60.0", code, "Not defined", modifier),
                    *("POINT" if state == "POINT" else "STATE", f"{start:.3f}", f"{time:.3f}", length),
                    *("NA", "", "", "", "", "", ""),
                ]
            )
    return table


def _old_tabular(observations: Sequence[Coded]) -> Table:
    (one,) = observations
    table = Table(
        [
            *("Time", "Media file path", "Total length", "FPS", "Subject", "Behavior", "Behavioral category"),
            *("Comment", "Status"),
        ]
    )
    table.above = [
        ["Observation id", one.name],
        [""],
        ["Live observation" if one.live else "Media file(s)"],
        [""],
        ["Observation date", one.date],
        ["Description", ""],
        ["Time offset (s)", str(one.offset)],
        [""],
    ]
    for time, subject, code, _, state in one.flagged():
        table.rows.append(
            [f"{time:.3f}", "LIVE", "NA", "NA", subject or "No focal subject", code, "", "", state]
        )
    return table


def _kind(one: Coded) -> tuple[str, str]:
    return ("Live observation", "NA") if one.live else ("Media file(s)", "player #1:v.mp4")
