"""Reader of projects of BORIS (`.boris`, JSON, also compressed by gzip), format 7.0 and those before it."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcukd.data.importer.boris_clock import DAY, EPOCH, START, Observation
from mcukd.data.importer.boris_events import (
    ALTERNATES,
    POINT,
    Event,
    intervals_of,
    subject_of,
    wanted_events,
)
from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.label_clocks import Asked, Times
from mcukd.data.importer.local_time import utc_of_local
from mcukd.data.stamps import read_dates
from mcukd.errors import UserError
from mcukd.text import did_you_mean

#: The newest format that is known.
FORMAT = 7
_GZIP = b"\x1f\x8b"
#: Members that every project has.
_MEMBERS = ("behaviors_conf", "observations")


def is_project(path: Path) -> bool:
    """Tell whether a file is such a project, by its content. Raises UserError where it cannot be read."""
    try:
        with _opened(path) as stream:
            head = stream.read(1 << 12)
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}); check its name and permissions") from None
    return bool(head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").startswith("{"))


def read_project(path: Path, asked: Asked) -> tuple[list[Interval], Times]:
    """Return the intervals of a project's states, those of points without length, and what clock they are on.

    Raises UserError for JSON that is no project, one of a newer format, codes that its ethogram lacks, states
    that do not stop, and times that are none.
    """
    project = _parsed(path)
    kinds = _kinds(path, project["behaviors_conf"])
    events: list[Event] = []
    for name, facts in project["observations"].items():
        events += _events(path, name, facts, kinds)
    events = wanted_events(path, events, asked)
    if not events:
        raise UserError(f"{path} holds no event; code an observation in BORIS first")
    named = {one.observation for one in events}
    observations = {
        name: _observation(path, name, facts, asked)
        for name, facts in project["observations"].items()
        if name in named
    }
    return intervals_of(path, events, observations, asked)


def _opened(path: Path) -> Any:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return gzip.open(path) if compressed else path.open("rb")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with _opened(path) as stream:
            project = json.loads(stream.read().decode("utf-8-sig"))
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read to its end ({error}); copy it again") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} begins like a project of BORIS, but is no JSON ({error})") from None
    if not isinstance(project, dict) or any(not isinstance(project.get(one), dict) for one in _MEMBERS):
        raise UserError(
            f"{path} is JSON, but no project of BORIS: {' and '.join(_MEMBERS)} are expected in it"
        )
    for member in _MEMBERS:
        for name, facts in project[member].items():
            if not isinstance(facts, dict):
                raise UserError(f"{path}: {name!r} of {member} is {facts!r}, where its fields are expected")
    version = str(project.get("project_format_version", "0"))
    if not version.partition(".")[0].isdigit() or int(version.partition(".")[0]) > FORMAT:
        raise UserError(
            f"{path} is of project format {version}, and the newest that is read is {FORMAT}.0; export its "
            "events "
            "from BORIS as a table and give that"
        )
    return project


def _kinds(path: Path, ethogram: Mapping[str, Any]) -> dict[str, str]:
    """Return whether a code is of a state or a point."""
    found = {}
    for number, behaviour in ethogram.items():
        code, kind = behaviour.get("code"), str(behaviour.get("type", ""))
        if not isinstance(code, str) or not kind.lower().startswith(("state", "point")):
            raise UserError(
                f"{path}: behaviour {number} of its ethogram has the code {code!r} and the type {kind!r}; a "
                "name "
                "and 'State event' or 'Point event' are expected"
            )
        found[code] = ALTERNATES if kind.lower().startswith("state") else POINT
    return found


def _events(path: Path, name: str, facts: Mapping[str, Any], kinds: Mapping[str, str]) -> list[Event]:
    found = []
    events = facts.get("events", [])
    if not isinstance(events, list):
        raise UserError(
            f"{path}: the events of observation {name!r} are {events!r}, where a list is expected"
        )
    for number, fields in enumerate(events, 1):
        place = f"event {number} of observation {name!r}"
        if not isinstance(fields, list) or len(fields) < 4:
            raise UserError(
                f"{path}, {place}: it is {fields!r}, and time, subject, code, modifier and comment are "
                "expected"
            )
        subject, code, modifier = (str(one) for one in fields[1:4])
        if code not in kinds:
            raise UserError(
                f"{path}, {place}: the code {code!r} is not in the project's ethogram"
                f"{did_you_mean(code, kinds)}; add it in BORIS"
            )
        time = _number(fields[0])
        if time is None:
            raise UserError(
                f"{path}, {place}: its time is {fields[0]!r} where a number of seconds is expected; events "
                "of "
                "pictures without times cannot be placed"
            )
        found.append(Event(name, subject_of(subject), code, modifier, time, kinds[code], number, place))
    return found


def _observation(path: Path, name: str, facts: Mapping[str, Any], asked: Asked) -> Observation:
    live = str(facts.get("type", "")).upper() == "LIVE"
    base: str | None = None
    if facts.get("start_from_current_epoch_time"):
        base = EPOCH
    elif facts.get("start_from_current_time"):
        base = DAY
    elif facts.get("media_creation_date_as_offset") and asked.options.labels_base is None:
        raise UserError(
            f"{path}: the times of observation {name!r} count from when its media were made, by a clock "
            "whose zone "
            "BORIS does not keep; say --labels-base epoch if that was UTC"
        )
    date = _date(path, name, str(facts.get("date") or ""), asked)
    offset = _number(facts.get("time offset") or 0)
    if offset is None:
        raise UserError(
            f"{path}: observation {name!r} has the time offset {facts['time offset']!r} where a number of "
            "seconds "
            "is expected"
        )
    if base is None and live and not offset:
        base = START
    return Observation(name, date, date is not None and asked.timezone is None, live, offset, base)


def _date(path: Path, name: str, text: str, asked: Asked) -> float | None:
    """Return an observation's date in seconds since 1970, of the local clock where no zone is stated."""
    if not text:
        return None
    read = read_dates([text])
    if not read.known[0]:
        raise UserError(
            f"{path}: observation {name!r} has the date {text!r} where one like 2024-05-15T09:20:30 is "
            "expected"
        )
    where = f"{path}: the date of observation {name!r}"
    return utc_of_local(float(read.local[0]) / 1e9, asked.timezone, where)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
