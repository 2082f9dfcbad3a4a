"""Files that BORIS opens: a project (`.boris`, format 7.0) and a sheet (`.xlsx`) of events to take into one.

Times are seconds since 1970, which BORIS shows as dates and times. A state is an event where it starts and
one where it stops, as BORIS keeps it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mcukd.data.importer.times import zone_of
from mcukd.errors import UserError
from mcukd.files import write_bytes, write_text
from mcukd.metrics.agreement.track import Track
from mcukd.text import plural

#: Columns of a sheet of events, as BORIS asks for them.
SHEET = ("time", "subject", "code", "modifier", "comment")
#: Rows of a sheet that Excel's format takes, the header among them.
_ROWS = 1 << 20
_KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"
#: What BORIS does not take in the name of a behaviour or a subject.
_FORBIDDEN = "|"


def write_project(path: Path, name: str, tracks: Sequence[Track], zone: str, description: str) -> int:
    """Write a project with one live observation for each track, and return how many bouts it holds.

    name: of the project. zone: of the observations' dates, an IANA name or an offset. Raises UserError for
    names that BORIS does not take.
    """
    codes = _codes(tracks)
    subjects = list(dict.fromkeys(track.animal for track in tracks if track.animal))
    observations: dict[str, Any] = {}
    for track in tracks:
        label = _free(observations, f"{track.animal or 'animal'} by {track.source}")
        observations[label] = {
            "type": "LIVE",
            "date": _local(int(track.starts[0]), zone),
            "description": description,
            "time offset": 0.0,
            "events": [list(event) for event in _events(track)],
            "observation time interval": [0, 0],
            "independent_variables": {},
            "file": {},
            "scan_sampling_time": 0,
            "start_from_current_time": False,
            "start_from_current_epoch_time": True,
        }
    project = {
        "time_format": "hh:mm:ss",
        "project_date": _local(min(int(track.starts[0]) for track in tracks), zone),
        "project_name": name,
        "project_description": description,
        "project_format_version": "7.0",
        "subjects_conf": {
            str(number): {"key": "", "name": subject, "description": ""}
            for number, subject in enumerate(subjects)
        },
        "behaviors_conf": {
            str(number): {
                "type": "State event",
                "key": _KEYS[number] if number < len(_KEYS) else "",
                "code": code,
                "description": "",
                "color": "",
                "category": "",
                "modifiers": {},
                "excluded": "",
                "coding map": "",
            }
            for number, code in enumerate(codes)
        },
        "observations": observations,
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    write_text(path, json.dumps(project, indent=1, ensure_ascii=False) + "\n")
    return sum(len(track.bouts()) for track in tracks)


def write_sheet(path: Path, tracks: Sequence[Track]) -> int:
    """Write a sheet of events and return how many bouts they are. Raises UserError as `write_project`."""
    from openpyxl import Workbook

    _codes(tracks)
    events = sorted(event for track in tracks for event in _events(track))
    if len(events) >= _ROWS:
        raise UserError(
            f"{path}: {plural(len(events), 'event')} are more than the {_ROWS - 1:,} rows that a sheet has; "
            "write a "
            "project with a name that ends in .boris"
        )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("events")
    sheet.append(list(SHEET))
    for event in events:
        sheet.append(list(event))
    content = io.BytesIO()
    book.save(content)
    write_bytes(path, content.getvalue())
    return len(events) // 2


def _codes(tracks: Sequence[Track]) -> list[str]:
    """Return the behaviours that occur; UserError for a name that BORIS does not take."""
    codes = list(
        dict.fromkeys(track.classes[k] for track in tracks for k in sorted(set(track.behaviours.tolist())))
    )
    for name in (*codes, *(track.animal for track in tracks)):
        if any(mark in name for mark in _FORBIDDEN) or name != name.strip():
            raise UserError(
                f"BORIS takes no blanks around a name and no '|' in it, as in {name!r}; rename it with --map "
                "or "
                "--animal"
            )
    return codes


def _events(track: Track) -> Iterator[tuple[float, str, str, str, str]]:
    """Yield (time, subject, code, modifier, comment) in the order of time: a stop before the start that
    follows."""
    bouts = track.bouts()
    for start, end, behaviour in zip(bouts.starts, bouts.ends, bouts.behaviours):
        for ns in (start, end):
            yield round(int(ns) / 1e9, 3), track.animal, track.classes[behaviour], "", ""


def _free(taken: dict[str, Any], name: str) -> str:
    number = next(k for k in range(1, len(taken) + 2) if (name if k == 1 else f"{name} {k}") not in taken)
    return name if number == 1 else f"{name} {number}"


def _local(ns: int, zone: str | None) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ns // 1_000_000)
    return moment.astimezone(zone_of(zone or "UTC")).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
