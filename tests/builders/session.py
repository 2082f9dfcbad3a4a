"""Builders of field sessions: facts, events, and moments of a tag that need no tag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

from mcukd.observation.folder import SessionFacts, facts_of
from mcukd.observation.moments import ClockReading, Connected, Moment, Result
from mcukd.observation.script import StepClock
from mcukd.tag.records import TICKS_PER_SECOND

NS = 1_000_000_000
BEGAN = 1_780_000_000 * NS
CLASSES = ("grazing", "walking", "resting")


def facts(**other: Any) -> SessionFacts:
    """Return facts of a session with two animals, the first of which is tagged."""
    values: dict[str, Any] = {
        "id": "5e" * 16,
        "name": "meadow",
        "began_ns": BEGAN,
        "zone": "UTC",
        "animals": ("cow-07", "cow-08"),
        "tagged": "cow-07",
        "classes": CLASSES,
        "model_sha256": "ab" * 32,
        "simulated": True,
        **other,
    }
    return facts_of(**values)


def step_clock() -> StepClock:
    """Return a clock that shows the begin of the session until it is set."""
    return StepClock(BEGAN)


def connected(**other: Any) -> Connected:
    """Return a tag that answers: windows of 5.12 s, hop 1.28 s, 50 Hz."""
    values: dict[str, Any] = {
        "received_ns": BEGAN,
        "chip": "00c0ffee00c0ffee",
        "id": "",
        "start": 1,
        "board": "collar",
        "firmware_sha256": "cd" * 32,
        "model_sha256": "ab" * 32,
        "classes": len(CLASSES),
        "window": 256,
        "hop": 64,
        "rate_hz": 50.0,
        "emulated": True,
        **other,
    }
    return Connected(**values)


def ticks_at(seconds: float) -> int:
    """Return the tag's clock so many seconds after the session began; it started 100 s before."""
    return round((100 + seconds) * TICKS_PER_SECOND)


def reading(seconds: float) -> ClockReading:
    """Return a reading of the tag's clock, to ± 1 ms."""
    return ClockReading(ticks_at(seconds), BEGAN + round(seconds * NS), NS // 1000)


def result(number: int, seconds: float, behaviour: int | None) -> Result:
    """Return a result that the tag made so many seconds after the session began."""
    at = BEGAN + round(seconds * NS)
    return Result(at, number, ticks_at(seconds), behaviour, behaviour, (0,) * len(CLASSES))


def told(behaviours: Sequence[int | None], first_s: float = 5.12) -> list[Moment]:
    """Return a tag's moments: connected, a reading, a result each hop, and a last reading."""
    hop = 64 / 50
    results = [result(number, first_s + number * hop, one) for number, one in enumerate(behaviours)]
    return [connected(), reading(0), *results, reading(first_s + len(behaviours) * hop)]


class ListedTag:
    """A source that tells given moments, and sets a clock to each one's time."""

    name = "a list"

    def __init__(self, moments: Sequence[Moment], clock: StepClock | None = None) -> None:
        self._moments, self._clock = moments, clock

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield them all."""
        for each in self._moments:
            if stop.is_set():
                return
            if self._clock is not None:
                at = each.host_ns if isinstance(each, ClockReading) else each.received_ns
                self._clock.advance_to(at)
            yield each
