"""Events: what an observer tells a session, as values and as entries of a journal.

Each event has the number of its entry in the observer's journal, a time in ns since 1970 in UTC by the
session's clock, and its observer. Events are never changed: an undo or a correction is an event of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from mcukd.errors import UserError
from mcukd.text import listed

#: How animals are watched: one after another without pause, or all at once at the end of each interval.
FOCAL, SCAN = "focal", "scan"
#: Longest text of a note, in characters.
NOTE_LENGTH = 2_000


@dataclass(frozen=True)
class Began:
    """The observer joins the session."""

    kind: ClassVar[str] = "began"


@dataclass(frozen=True)
class Begin:
    """An animal begins a behaviour, which goes on until it begins another or is out of sight."""

    kind: ClassVar[str] = "behaviour"
    animal: str
    behaviour: str


@dataclass(frozen=True)
class Scanned:
    """An animal's behaviour at one moment, in scan sampling; what it does before and after is not known."""

    kind: ClassVar[str] = "scan"
    animal: str
    behaviour: str


@dataclass(frozen=True)
class OutOfSight:
    """An animal cannot be seen; its behaviour is not known until it begins one."""

    kind: ClassVar[str] = "out of sight"
    animal: str


@dataclass(frozen=True)
class Paused:
    """The observer looks away; no behaviour is known until an animal begins one after `Resumed`."""

    kind: ClassVar[str] = "pause"


@dataclass(frozen=True)
class Resumed:
    """The observer looks again."""

    kind: ClassVar[str] = "resume"


@dataclass(frozen=True)
class Note:
    """A text for people. animal: whom it is about, if one."""

    kind: ClassVar[str] = "note"
    text: str
    animal: str | None = None


@dataclass(frozen=True)
class Undo:
    """The event with the number `of` does not count; where that is an undo, what it undid counts again."""

    kind: ClassVar[str] = "undo"
    of: int


@dataclass(frozen=True)
class Correct:
    """The event with the number `of` was of another behaviour, or at another time (`to_ns`), or both."""

    kind: ClassVar[str] = "correct"
    of: int
    behaviour: str | None = None
    to_ns: int | None = None


@dataclass(frozen=True)
class Taps:
    """The observer tapped the tag at these moments, in ns, to tell its clock from the session's."""

    kind: ClassVar[str] = "taps"
    moments_ns: tuple[int, ...]


@dataclass(frozen=True)
class Sampling:
    """Animals are watched in another way from here on. interval_s: of scans, 0 with focal sampling."""

    kind: ClassVar[str] = "sampling"
    mode: str
    interval_s: int = 0


@dataclass(frozen=True)
class Reopened:
    """The session goes on after its program had ended. alive_ns: when it was last known to run."""

    kind: ClassVar[str] = "reopened"
    alive_ns: int


@dataclass(frozen=True)
class Ended:
    """The observer leaves the session."""

    kind: ClassVar[str] = "ended"


What = (
    Began
    | Begin
    | Scanned
    | OutOfSight
    | Paused
    | Resumed
    | Note
    | Undo
    | Correct
    | Taps
    | Sampling
    | Reopened
    | Ended
)
_KINDS: dict[str, Any] = {
    each.kind: each
    for each in (
        Began,
        Begin,
        Scanned,
        OutOfSight,
        Paused,
        Resumed,
        Note,
        Undo,
        Correct,
        Taps,
        Sampling,
        Reopened,
        Ended,
    )
}


@dataclass(frozen=True)
class Event:
    """What an observer told. number: of its entry, from 1. utc_ns: when it happened.

    press: name that a face gave the key press, so that one that is sent twice counts once; empty without.
    """

    number: int
    utc_ns: int
    observer: str
    what: What
    press: str = ""


def entry_of(event: Event) -> dict[str, Any]:
    """Return an event as fields of a journal's entry, without its number, of JSON types."""
    found: dict[str, Any] = {"utc_ns": event.utc_ns, "observer": event.observer, "event": event.what.kind}
    for each in fields(event.what):
        value = getattr(event.what, each.name)
        if value is not None:
            found[each.name] = list(value) if isinstance(value, tuple) else value
    if event.press:
        found["press"] = event.press
    return found


def event_of(entry: Mapping[str, Any], where: str) -> Event:
    """Return the event of a journal's entry. where: file and line for messages.

    Raises UserError for a kind that is not known, a field that lacks, is of another type or is not known.
    """
    left = dict(entry)
    kind = left.pop("event", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UserError(
            f"{where}: event {kind!r} is not known, expected {listed(_KINDS)}; a newer mcukd may read it."
        )
    made = _KINDS[kind]
    values = {}
    for each in fields(made):
        value = left.pop(each.name, None)
        optional = each.name in _OPTIONAL.get(kind, ())
        if value is None and optional:
            continue
        values[each.name] = _checked(each.name, value, where)
    number = _checked("number", left.pop("number", None), where)
    utc_ns = _checked("utc_ns", left.pop("utc_ns", None), where)
    observer = _checked("observer", left.pop("observer", None), where)
    press = _checked("press", left.pop("press", ""), where)
    if left:
        raise UserError(
            f"{where}: field {next(iter(left))!r} of event {kind!r} is not known; a newer mcukd may read it."
        )
    return Event(number, utc_ns, observer, made(**values), press)


_OPTIONAL = {
    Note.kind: ("animal",),
    Correct.kind: ("behaviour", "to_ns"),
    Sampling.kind: ("interval_s",),
}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _text(value: Any) -> bool:
    # Halves of surrogate pairs, which JSON may have, cannot be written as UTF-8.
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


#: Field → what it must be, in words, and the check.
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        ("number", "utc_ns", "of", "to_ns", "interval_s", "alive_ns"),
        ("a whole number of up to 63 bits", _whole),
    ),
    **dict.fromkeys(("observer", "animal", "behaviour", "text", "press"), ("a text", _text)),
    "mode": (f"{FOCAL} or {SCAN}", lambda value: value in (FOCAL, SCAN)),
    "moments_ns": (
        "whole numbers of up to 63 bits",
        lambda value: isinstance(value, list) and bool(value) and all(map(_whole, value)),
    ),
}


def _checked(name: str, value: Any, where: str) -> Any:
    """Return the value of a field. Raises UserError where it is not what the field holds."""
    expected, check = _CHECKS[name]
    if not check(value):
        raise UserError(
            f"{where}: field {name!r} is {value!r}, expected {expected}; restore the file from a copy."
        )
    return tuple(value) if isinstance(value, list) else value
