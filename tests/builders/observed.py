"""An hour of a tag on an animal, and what an observer who is always right saw meanwhile."""

from __future__ import annotations

from pathlib import Path

from builders.tag_dump import FAST_PPM, NOON, Life

from mcukd.metrics.agreement.track import Track, track_of

#: Of the tag of `Life`: a result every 1.28 s of a window of 5.12 s.
HOP_S, WINDOW_S = 1.28, 5.12
CLASSES = ("grazing", "resting")
#: Minutes of one behaviour after another.
BOUTS = (3.0, 7.0, 0.5, 9.0, 4.0, 2.0, 11.0, 1.0, 6.5, 8.0)


def tag_day(path: Path, animal: str, shift: int = 0) -> Track:
    """Write the dump of a tag's flash, and return the truth as a track.

    shift: by how many bouts the animal is ahead of another. The time is set at both ends.
    """
    life = Life()
    life.tag.set_time(NOON, 0, 1)
    results, rows = 0, []
    bouts = BOUTS[shift:] + BOUTS[:shift]
    early = HOP_S - (WINDOW_S + HOP_S) / 2
    for number, minutes in enumerate(bouts):
        count = round(minutes * 60 / HOP_S)
        life.hours(minutes / 60, number % 2)
        edges = [round((NOON + early + at * HOP_S) * 1e3) * 10**6 for at in (results, results + count)]
        rows.append((edges[0], edges[1], number % 2))
        results += count
    utc = NOON + life.ticks / 32768 / (1 + FAST_PPM / 1e6)
    life.tag.set_time(int(utc), int(utc % 1 * 32768), 1)
    life.tag.stop()
    path.write_bytes(life.flash.dump())
    return track_of(animal, "the truth", CLASSES, rows)
