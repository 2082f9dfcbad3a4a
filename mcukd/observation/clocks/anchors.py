"""Anchors: moments at which both the tag's clock and this computer's are known."""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.observation.moments import ClockReading
from mcukd.tag.records import TICKS_PER_SECOND

NS = 1_000_000_000


@dataclass(frozen=True)
class Anchor:
    """The tag's clock and this computer's at one moment.

    tag_ticks: of the tag, 1/32768 s. host_ns: ns since 1970, UTC. uncertainty_s: standard uncertainty of the
    difference of the two, in seconds, above 0. source: where it comes from, in words for people.
    """

    tag_ticks: int
    host_ns: int
    uncertainty_s: float
    source: str

    def __post_init__(self) -> None:
        if not self.uncertainty_s > 0:
            raise ValueError(f"the uncertainty of an anchor is above 0, not {self.uncertainty_s}")


def anchor_of(reading: ClockReading) -> Anchor:
    """Return the anchor of one reading of the tag's clock.

    Its bound of ± uncertainty_ns is taken as the standard uncertainty: half a turnaround is no random error,
    and a line that is slower one way than the other errs the same way each time.
    """
    uncertainty = max(reading.uncertainty_ns, NS // TICKS_PER_SECOND) / NS
    return Anchor(reading.tag_ticks, reading.host_ns, uncertainty, "the tag's answers")
