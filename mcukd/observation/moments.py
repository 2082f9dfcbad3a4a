"""Moments: what a tag, or a replayed log in its place, tells a field session while it goes on.

Times of the tag are ticks of its clock, 1/32768 s since its first start; times of this computer are ns since
1970 in UTC by the session's clock. How one becomes the other is estimated (`mcukd.observation.clocks`), never
stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: What a `Gap` is of.
SAMPLES, MESSAGES, RESULTS = "samples", "messages", "results"


@dataclass(frozen=True)
class Connected:
    """A tag answers. chip: its factory number, 16 hexadecimal digits, empty without one.

    id: what it was provisioned as, empty without. start: number of its start, which a start of which nothing
    was logged yet does not change; anew: whether the tag has started since it answered before. classes: how
    many it knows; the model's names come from the study. window, hop: in samples. rate_hz: of the model.
    emulated: whether a modelled chip stands in for it. smoothing: results in a majority.
    """

    received_ns: int
    chip: str
    id: str
    start: int
    board: str
    firmware_sha256: str
    model_sha256: str
    classes: int
    window: int
    hop: int
    rate_hz: float
    emulated: bool
    smoothing: int = 1
    anew: bool = False


@dataclass(frozen=True)
class ClockReading:
    """The tag's clock and this computer's at one moment, to ± uncertainty_ns."""

    tag_ticks: int
    host_ns: int
    uncertainty_ns: int


@dataclass(frozen=True)
class Result:
    """One result. number: results since the tag's start. tag_ticks: when the tag made it.

    raw: class of the window, behaviour: of the majority of the last results, both None where unknown.
    logits: (K,) the model's integers. samples: taken since the tag's start when its window ended; None where
    that is not told. state: (H,) that it was computed from, where that is carried on and told.
    """

    received_ns: int
    number: int
    tag_ticks: int
    raw: int | None
    behaviour: int | None
    logits: tuple[int, ...]
    samples: int | None = None
    state: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Samples:
    """Samples as the model takes them. first: number of the first one since the tag's start.

    tag_ticks: when the last one was read. counts: (n, C) int16. gap: whether samples were lost before them.
    """

    received_ns: int
    first: int
    tag_ticks: int
    counts: NDArray[np.int16]
    gap: bool


@dataclass(frozen=True)
class Gap:
    """The tag lost samples, or this computer did not get what it told: `lost` of what `what` says.

    what: `SAMPLES`: the tag lost them; 0 where it does not know how many. `MESSAGES`: the line lost them.
    `RESULTS`: the tag made them while nobody listened; they are in its log.
    """

    received_ns: int
    tag_ticks: int
    lost: int
    what: str


@dataclass(frozen=True)
class Disconnected:
    """The tag does not answer, as `reason` says in a sentence; the source goes on looking for it."""

    received_ns: int
    reason: str


Moment = Connected | ClockReading | Result | Samples | Gap | Disconnected


class TagSource(Protocol):
    """A tag as a stream of moments."""

    #: In words for people: a port, a file.
    name: str

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield what the tag tells until `stop` is set or a replayed log ends.

        A tag that is unplugged is told as `Disconnected`, once, and looked for again.
        """
        ...


class SessionClock(Protocol):
    """The clock of a session: this computer's, or in a demonstration one that runs faster."""

    def now_ns(self) -> int:
        """Return ns since 1970 in UTC; never less than before."""
        ...
