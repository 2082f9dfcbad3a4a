"""Moments of a tag as entries of its journal, and back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from mcukd.errors import UserError
from mcukd.observation.moments import (
    ClockReading,
    Connected,
    Disconnected,
    Gap,
    Moment,
    Result,
    Samples,
)
from mcukd.text import listed

_KINDS: dict[str, Any] = {
    "connected": Connected,
    "clock": ClockReading,
    "result": Result,
    "samples": Samples,
    "gap": Gap,
    "disconnected": Disconnected,
}
_NAMES = {made: name for name, made in _KINDS.items()}


def entry_of_moment(moment: Moment) -> dict[str, Any]:
    """Return a moment as fields of a journal's entry, without its number, of JSON types.

    A result's number is `result`, as `number` is the entry's. Samples are their bytes, int16 with the low
    byte first, row after row, in base64; `channels` of each row.
    """
    found: dict[str, Any] = {"event": _NAMES[type(moment)]}
    for each in fields(moment):
        value = getattr(moment, each.name)
        if isinstance(value, np.ndarray):
            found["channels"] = int(value.shape[1])
            value = base64.b64encode(value.astype("<i2").tobytes()).decode()
        name = "result" if each.name == "number" else each.name
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def moment_of(entry: Mapping[str, Any], where: str) -> Moment:
    """Return the moment of a journal's entry. where: file and line for messages.

    Raises UserError for a kind that is not known, or fields that are not those of the kind.
    """
    kind = entry.get("event")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UserError(
            f"{where}: event {kind!r} is not known, expected {listed(_KINDS)}; a newer mcukd may read it."
        )
    made = _KINDS[kind]
    values = {name: value for name, value in entry.items() if name not in ("event", "number")}
    try:
        if made is Result:
            values["number"] = values.pop("result")
            values["logits"] = tuple(values["logits"])
            if values.get("state") is not None:
                values["state"] = tuple(values["state"])
        if made is Samples:
            content = base64.b64decode(values["counts"], validate=True)
            values["counts"] = np.frombuffer(content, "<i2").astype(np.int16)
            values["counts"] = values["counts"].reshape(-1, values.pop("channels"))
        found: Moment = made(**values)
        _require_types(found)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UserError(
            f"{where}: the fields are not those of event {kind!r} ({error}); restore the file from a copy."
        ) from None
    return found


def _require_types(moment: Moment) -> None:
    """Raise ValueError where a field is not of its type, or a number does not fit into 63 bits."""
    for each in fields(moment):
        if not _OF_TYPE[str(each.type)](getattr(moment, each.name)):
            raise ValueError(f"{each.name} is {getattr(moment, each.name)!r}")


def _is_integer(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


#: Type of a field, as its class names it → the check of a value.
_OF_TYPE: dict[str, Callable[[Any], bool]] = {
    "int": _is_integer,
    "int | None": lambda value: value is None or _is_integer(value),
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "float": lambda value: isinstance(value, (int, float)) and 0 < value < 1e9,
    "tuple[int, ...]": lambda value: all(_is_integer(one, -(2**63)) for one in value),
    "tuple[int, ...] | None": lambda value: value is None or all(_is_integer(one, -(2**63)) for one in value),
    "NDArray[np.int16]": lambda value: isinstance(value, np.ndarray),
}


def time_of(moment: Moment) -> int:
    """Return when this computer received a moment, in ns since 1970 in UTC."""
    return moment.host_ns if isinstance(moment, ClockReading) else moment.received_ns
