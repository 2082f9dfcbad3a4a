"""Reference of `payload_period.c`: what a payload says of a tag and of a period that has ended."""

from __future__ import annotations

from mcukd.payload.sources import UNKNOWN
from mcukd.tag.counters import Counters
from mcukd.tag.operation import Tag


def values_of_period(
    tag: Tag, ended: Counters, sequence: int, battery_mv: int = UNKNOWN, sensor_failed: bool = False
) -> dict[str, int]:
    """Return the values of all sources; the results are `ended.results`.

    ended: the counters of the period, at its end. sequence: payloads since the tag's start, this one left
    out. battery_mv: `UNKNOWN` where it was not measured. sensor_failed: since the start.
    """
    return {
        "model": tag.model,
        "starts": tag.starts,
        "sequence": sequence,
        "battery_mv": battery_mv,
        "gap": int(ended.gaps > 0),
        "fault": int(sensor_failed or tag.records_lost > 0),
        "time_set": int(tag.clock.set_since_start),
        "begin_s": ended.start,
        "duration_s": tag.clock.seconds - ended.start,
        "gaps": ended.gaps,
        "samples_lost": ended.lost,
    }
