"""Samples that an import leaves out: rows that are no measurement, and recordings faulty as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mcukd.data.drop import Drop
from mcukd.data.importer.columns import ONE_G, units_of
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.quality.row_faults import RowFaults
from mcukd.data.quality.survey import Place, Survey
from mcukd.data.raw_segments import RawSegment
from mcukd.data.recordings import is_faulty
from mcukd.text import listed, plural, share

#: A recording of less is judged by nobody, for it may be one blow. The rate is taken as so many hertz where
#: none is known.
JUDGED_S, UNKNOWN_HZ = 1.0, 50.0
#: So many recordings that are left out are named.
NAMED = 20


def wanted(segments: Iterator[RawSegment], options: Options) -> Iterator[RawSegment]:
    """Return the segments of animals that are not excluded."""
    return (segment for segment in segments if segment.animal not in options.exclude_animals)


def note_animals(segments: Iterator[RawSegment], options: Options, dialog: Dialog) -> None:
    """Say how many rows the animals hold that are left out as the user says."""
    if not options.exclude_animals:
        return
    rows: Counter[str] = Counter()
    for segment in segments:
        rows[segment.animal] += len(segment.samples)
    total = max(sum(rows.values()), 1)
    for name in options.exclude_animals:
        part = share(rows[name] / total)
        dialog.note(f"animal {name}: left out as you say, {plural(rows[name], 'row')} = {part} of all")


def dropping(kept: Survey, segments: Iterator[RawSegment], options: Options, dialog: Dialog) -> Drop | None:
    """Return which rows are no measurement and are left out, and say so; None where every row may be one.

    kept: the survey of `segments`.
    """
    if not kept.animals:
        return None
    faults = RowFaults(kept.median_length, _rate(kept, options))
    for segment in wanted(segments, options):
        faults.add(segment)
    drop = faults.drop()
    if drop is not None:
        for one in faults.told(drop):
            dialog.note(f"no measurement: {one}; left out, and recordings are cut there")
    return drop


def toml_drop(drop: Drop) -> str:
    """Return the card's `source.drop` as TOML."""
    parts = ["zeros = true"] if drop.zeros else []
    if drop.values:
        parts.append(f"values = [{', '.join(repr(value) for value in drop.values)}]")
    if drop.frozen_rows is not None:
        parts.append(f"frozen_rows = {drop.frozen_rows}")
    return f"{{ {', '.join(parts)} }}"


def faulty_recordings(kept: Survey, options: Options) -> list[Place]:
    """Return recordings whose vector is grossly too long or short; none where the units are in doubt."""
    if not kept.animals:
        return []
    one_g, rate = _one_g(kept, options), _rate(kept, options)
    judged = [(name, place) for name, one in kept.animals.items() for place in one.places]
    judged = [(name, place) for name, place in judged if place.samples >= rate * JUDGED_S]
    faulty = [
        (name, place)
        for name, place in judged
        if is_faulty(place.median_length / one_g, place.samples / rate)
    ]
    # Where a tenth and more is off, or an animal has nothing else, it is no faulty recording but other units.
    sound = Counter(name for name, _ in judged) - Counter(name for name, _ in faulty)
    if any(name not in sound for name, _ in faulty) or len(faulty) > 0.1 * len(judged):
        return []
    return [place for _, place in faulty]


def _rate(kept: Survey, options: Options) -> float:
    steps = [one.step for one in kept.animals.values() if one.step]
    return options.rate_hz or (1 / float(np.median(steps)) if steps else UNKNOWN_HZ)


def _one_g(kept: Survey, options: Options) -> float:
    units = options.units or units_of(kept.median_length)
    return float(ONE_G.get(str(units), options.counts_per_g or kept.median_length))


def note_excluded(
    kept: Survey, faulty: Sequence[Place], files: Sequence[str], options: Options, dialog: Dialog
) -> None:
    """Say of each recording left out which it is, and how much of all rows it holds."""
    if not faulty:
        return
    total, one_g = sum(one.samples for one in kept.animals.values()), _one_g(kept, options)
    told = [
        f"{file} ({plural(place.samples, 'row')} = {share(place.samples / total)} of all, "
        f"{place.median_length / one_g:.3g} g)"
        for file, place in zip(files, faulty)
    ]
    rows = sum(place.samples for place in faulty)
    dialog.note(
        f"recordings left out: {len(faulty)}, {plural(rows, 'row')} = {share(rows / total)} of all, in which "
        f"the median length of the acceleration is far from 1 g over the whole recording, while the others "
        f"have about that: "
        f"{listed(told[:NAMED])}{f' and {len(told) - NAMED} more' if len(told) > NAMED else ''}"
    )
