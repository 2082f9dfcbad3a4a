"""Messages of a page to its session and back, as JSON texts.

From the page: {"type": "ping", "sent": number} and presses. A press has a name that the page drew (`id`), so
that one sent twice counts once, and the time of the touch by the session's clock, `at_us`, in microseconds
since 1970, which JavaScript holds exactly. To the page:

- `pong`: `sent` as it came, `now_us`, `speed` of the session's clock.
- `taken`: `id` and `number` of a press that is on disk. `refused`: `id`, `why`: it makes no sense and is not
  sent again. `waits`: `id`, `why`: it could not be written, and is sent again.
- `tag`: what the tag says now, as soon as it says it. `snapshot`: all that is shown (`Session.snapshot`).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mcukd.errors import UserError
from mcukd.observation.event_recorder import PRESS_LENGTH, EventRecorder
from mcukd.observation.events import NOTE_LENGTH
from mcukd.observation.folder import NAME_LENGTH

#: Longest message of a page, in bytes: a note of the longest kind, each letter escaped.
MESSAGE_MAX = 32 * 1024
_PRESS = re.compile(rf"^[0-9A-Za-z-]{{1,{PRESS_LENGTH}}}$")
_Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
_Microseconds = Annotated[int, Field(ge=0, lt=1 << 53)]


class Message(BaseModel):
    """A message of a page: nothing in it is converted, and no key that is not known is let by."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ping(Message):
    """A page asks for the session's time. sent: the page's own time, given back as it is."""

    type: Literal["ping"]
    sent: Annotated[float, Field(allow_inf_nan=False)]


class Press(Message):
    """What every press has. at_us: when the screen was touched."""

    type: Literal["press"]
    id: Annotated[str, Field(pattern=_PRESS.pattern)]
    at_us: _Microseconds


class BehaviourPress(Press):
    """An animal begins a behaviour, or was scanned with it."""

    do: Literal["behaviour"]
    animal: _Name
    behaviour: _Name


class OutOfSightPress(Press):
    """An animal cannot be seen."""

    do: Literal["out of sight"]
    animal: _Name


class PlainPress(Press):
    """The observer looks away or looks again, taps the tag, ends."""

    do: Literal["pause", "resume", "tap", "end"]


class NotePress(Press):
    """A note, of an animal or of none."""

    do: Literal["note"]
    text: Annotated[str, Field(min_length=1, max_length=NOTE_LENGTH)]
    animal: _Name | None = None


class UndoPress(Press):
    """An event is undone. of: its number."""

    do: Literal["undo"]
    of: Annotated[int, Field(ge=1)]


class CorrectPress(Press):
    """An event was of another behaviour, or happened at another time."""

    do: Literal["correct"]
    of: Annotated[int, Field(ge=1)]
    behaviour: _Name | None = None
    to_us: _Microseconds | None = None


class SamplePress(Press):
    """Animals are watched in another way."""

    do: Literal["sample"]
    mode: Literal["focal", "scan"]
    interval_s: Annotated[int, Field(ge=0, lt=1 << 31)] = 0


AnyPress = Annotated[
    BehaviourPress | OutOfSightPress | PlainPress | NotePress | UndoPress | CorrectPress | SamplePress,
    Field(discriminator="do"),
]
_READ: TypeAdapter[Any] = TypeAdapter(Ping | AnyPress)


class BadMessage(Exception):
    """A message that cannot be read; the text says what is wrong, in a few words.

    press: name of the press that it is, which is refused, so that a page does not send it for ever; empty
    where it is none.
    """

    def __init__(self, problem: str, press: str = "") -> None:
        super().__init__(problem)
        self.press = press


def read_message(text: str) -> Any:
    """Return the message of a text. Raises BadMessage."""
    if len(text.encode("utf-8", "replace")) > MESSAGE_MAX:
        raise BadMessage("the message is too long")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("the message is not JSON") from None
    try:
        return _READ.validate_python(content)
    except ValidationError as error:
        problem = error.errors()[-1]["msg"] if _is_press(content) else error.errors()[0]["msg"]
        raise BadMessage(
            f"the message is not understood: {problem}.", content["id"] if _is_press(content) else ""
        ) from None


def _is_press(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("type") != "press":
        return False
    name = content.get("id")
    return isinstance(name, str) and _PRESS.fullmatch(name) is not None


def take_press(recorder: EventRecorder, press: Any) -> dict[str, Any]:
    """Have a press taken; return the answer to the page once it is on disk, refused, or has to wait."""
    try:
        event = _take(recorder, press)
    except UserError as error:
        # What could not be written is worth sending again; what makes no sense stays so.
        unwritten = str(error) == recorder.problem
        return {"type": "waits" if unwritten else "refused", "id": press.id, "why": str(error)}
    return {"type": "taken", "id": press.id, "number": event.number}


def _take(recorder: EventRecorder, press: Any) -> Any:
    at, name = press.at_us * 1000, press.id
    if isinstance(press, BehaviourPress):
        return recorder.press(press.animal, press.behaviour, at, press=name)
    if isinstance(press, OutOfSightPress):
        return recorder.out_of_sight(press.animal, at, press=name)
    if isinstance(press, NotePress):
        return recorder.note(press.text, press.animal, at, press=name)
    if isinstance(press, UndoPress):
        return recorder.undo(press.of, press=name)
    if isinstance(press, CorrectPress):
        to_ns = None if press.to_us is None else press.to_us * 1000
        return recorder.correct(press.of, press.behaviour, to_ns, press=name)
    if isinstance(press, SamplePress):
        return recorder.sample(press.mode, press.interval_s, press=name)
    plain = {"pause": recorder.pause, "resume": recorder.resume, "tap": recorder.tap, "end": recorder.end}
    return plain[press.do](at, press=name)
