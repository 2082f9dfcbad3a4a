"""Folder of a session: what the session is (`session.json`), and its journals.

session.json            what the session is, written once
observer-NAME.jsonl     what an observer told
observer-NAME.alive     ns since 1970 at which the observer's program was last known to run
tag-CHIP.jsonl          what a tag told
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mcukd.errors import UserError
from mcukd.files import make_folder, write_bytes, write_json
from mcukd.observation.events import Event, event_of
from mcukd.observation.journal_lines import read_journal
from mcukd.observation.moment_entries import moment_of
from mcukd.observation.moments import Connected, Moment, Result
from mcukd.platforms import sync_folder
from mcukd.text import listed

FACTS = "session.json"
FORMAT = "mcukd session 1"
_OBSERVER = re.compile(r"\w[\w-]{0,39}")
#: Longest name of an animal or a behaviour, in characters.
NAME_LENGTH = 60


class SessionFacts(BaseModel):
    """What a session is.

    id: 32 hexadecimal digits, drawn. began_ns: ns since 1970, UTC. zone: name of the observer's time zone.
    animals: that are watched. tagged: the one that wears the tag, None without a tag. classes: of the tag's
    model, in its order. also: behaviours that observers tell and the tag does not know. model_sha256: of the
    study's model, empty without a study. study: its name. precision: half the width of an interval that is
    asked for. blind: observers are not shown what the tag says. simulated: whether the animals are made by a
    simulator; emulated: whether the tag is modelled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = FORMAT
    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    name: str
    began_ns: int = Field(ge=0, lt=2**63)
    zone: str
    animals: tuple[str, ...] = Field(min_length=1)
    tagged: str | None = None
    classes: tuple[str, ...] = Field(min_length=1)
    also: tuple[str, ...] = ()
    study: str = ""
    model_sha256: str = ""
    precision: float = Field(default=0.1, gt=0, lt=0.5)
    blind: bool = False
    simulated: bool = False
    emulated: bool = False
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_differ(self) -> SessionFacts:
        for what, names in (("animal", self.animals), ("behaviour", self.behaviours)):
            for name in names:
                if not _is_name(name):
                    raise ValueError(
                        f"{what} {name!r} is no name: 1 to {NAME_LENGTH} letters of one line are expected"
                    )
                if names.count(name) > 1:
                    raise ValueError(f"{what} {name!r} is there twice")
        if self.tagged is not None and self.tagged not in self.animals:
            raise ValueError(f"tagged is {self.tagged!r}, which is none of the animals")
        return self

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Behaviours that an observer can tell: the classes and those besides."""
        return (*self.classes, *self.also)


def _is_name(name: str) -> bool:
    return 0 < len(name) <= NAME_LENGTH and name == name.strip() and name.isprintable()


def require_observer(name: str) -> str:
    """Return an observer's name. Raises UserError where it cannot be part of a file's name."""
    if not _OBSERVER.fullmatch(name):
        raise UserError(
            f"observer {name!r}: 1 to 40 letters, digits, - and _ are expected, as in --observer anna."
        )
    return name


def facts_of(**values: Any) -> SessionFacts:
    """Return the facts of a session. Raises UserError, in a sentence, where they are not as expected."""
    try:
        return SessionFacts(**values)
    except ValidationError as error:
        raise UserError(f"the session cannot begin: {_first(error)}.") from None


def write_facts(folder: Path, facts: SessionFacts) -> None:
    """Write what a new session is. Raises UserError where the folder has one already, OSError."""
    path = folder / FACTS
    make_folder(folder)
    if path.exists():
        raise UserError(f"{folder}: a session is there; --resume goes on with it, --session names another.")
    write_json(path, facts.model_dump(mode="json"))
    _sync_file(path)
    for each in (folder, folder.parent):
        sync_folder(each)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_facts(folder: Path) -> SessionFacts:
    """Read what a session is. Raises UserError where there is none, or its file is damaged."""
    path = folder / FACTS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("format") != FORMAT:
            raise UserError(
                f"{path}: its format is {content.get('format')!r}, expected {FORMAT!r}; "
                "a newer mcukd may read it."
            )
        return SessionFacts.model_validate(content)
    except FileNotFoundError:
        raise UserError(f"{folder}: no session is there (no {FACTS}); name its folder.") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read ({error.strerror}); choose another folder.") from None
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error)}; restore the file from a copy.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); restore the file from a copy.") from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place} is {problem['input']!r}: {message}" if place else message


def observer_path(folder: Path, observer: str) -> Path:
    """Return the journal's path of an observer."""
    return folder / f"observer-{require_observer(observer)}.jsonl"


def observer_head(facts: SessionFacts, observer: str) -> dict[str, Any]:
    """Return the first line's fields of an observer's journal."""
    return {"session": facts.id, "observer": observer}


def tag_path(folder: Path, chip: str) -> Path:
    """Return the journal's path of a tag. chip: its factory number; empty without one."""
    name = chip if re.fullmatch(r"[0-9A-Za-z]{1,32}", chip) else "without-number"
    return folder / f"tag-{name}.jsonl"


def tag_head(facts: SessionFacts, chip: str) -> dict[str, Any]:
    """Return the first line's fields of a tag's journal."""
    return {"session": facts.id, "tag": chip, "animal": facts.tagged}


def observers_of(folder: Path) -> list[str]:
    """Return the names of the observers who have a journal, sorted."""
    return sorted(path.name[len("observer-") : -len(".jsonl")] for path in folder.glob("observer-*.jsonl"))


def tags_of(folder: Path) -> list[Path]:
    """Return the journals of tags, sorted."""
    return sorted(folder.glob("tag-*.jsonl"))


def read_events(path: Path, facts: SessionFacts) -> list[Event]:
    """Read an observer's journal, also one that is being written.

    Raises UserError where it is damaged or another session's.
    """
    content = read_journal(path)
    _require_ours(content.head, facts, path)
    observer = path.stem.partition("-")[2]
    if content.head and content.head.get("observer") != observer:
        raise UserError(
            f"{path}: it is the journal of observer {content.head.get('observer')}; give the file its own "
            "name back, or remove it where it is a copy."
        )
    return events_of(content.entries, path, facts)


def events_of(entries: list[dict[str, Any]], path: Path, facts: SessionFacts) -> list[Event]:
    """Return the events of a journal's entries. path: for messages.

    Raises UserError as `event_of`, and for an animal or a behaviour that the session does not have.
    """
    found = []
    for number, entry in enumerate(entries):
        where = f"{path}, line {number + 2}"
        event = event_of(entry, where)
        for what, known in (("animal", facts.animals), ("behaviour", facts.behaviours)):
            name = getattr(event.what, what, None)
            if name is not None and name not in known:
                raise UserError(
                    f"{where}: {what} {name!r} is none of the session's ({listed(known)}); restore the file "
                    "from a copy."
                )
        found.append(event)
    return found


def read_moments(path: Path, facts: SessionFacts) -> Iterator[Moment]:
    """Yield what a tag's journal holds.

    Raises UserError where it is damaged or another session's, and for a class that its tag does not have.
    """
    content = read_journal(path)
    _require_ours(content.head, facts, path)
    classes = len(facts.behaviours)
    for number, entry in enumerate(content.entries):
        moment = moment_of(entry, f"{path}, line {number + 2}")
        if isinstance(moment, Connected):
            classes = moment.classes
        elif isinstance(moment, Result):
            said = max(moment.raw or 0, moment.behaviour or 0)
            if said >= classes:
                raise UserError(
                    f"{path}, line {number + 2}: class {said} is told by a tag that has {classes}; restore "
                    "the file from a copy."
                )
        yield moment


def _require_ours(head: dict[str, Any], facts: SessionFacts, path: Path) -> None:
    if head and head.get("session") != facts.id:
        raise UserError(
            f"{path}: it belongs to session {head.get('session')}, but the folder is of session {facts.id}; "
            "put it back into its own folder."
        )


def alive_path(folder: Path, observer: str) -> Path:
    """Return the path of the file that says when an observer's program was last known to run."""
    return folder / f"observer-{observer}.alive"


def mark_alive(folder: Path, observer: str, now_ns: int) -> None:
    """Say that the observer's program runs now; a disk that does not take it is no matter."""
    with suppress(OSError):
        if folder.is_dir():
            write_bytes(alive_path(folder, observer), f"{now_ns}\n".encode())


def last_alive(folder: Path, observer: str, events: list[Event]) -> int:
    """Return when an observer's program was last known to run, in ns since 1970 in UTC, 0 where never."""
    told = 0
    with suppress(OSError, ValueError):
        told = int(alive_path(folder, observer).read_text(encoding="ascii"))
    return max([told, *(event.utc_ns for event in events)])
