"""Sentences on what a conversion left out, in rows, share and file."""

from __future__ import annotations

from mcukd.data.importer.convert import Converted
from mcukd.data.importer.sensor_rows import OTHER_TYPE
from mcukd.text import plural, share

#: So many files with the greatest share left out are named.
_WORST = 3


def sentences(converted: Converted) -> list[str]:
    """Return a sentence for each reason for which rows were left out, and one for bursts that overlap."""
    told = []
    for reason, count in converted.left_out.items():
        cut = (
            "the samples around them follow each other"
            if reason == OTHER_TYPE
            else "recordings are cut there"
        )
        told.append(
            f"conversion: {plural(count, 'row')} left out = {share(count / max(converted.rows, 1))} of "
            f"{converted.rows:,}, for {reason}; {cut}{_worst(converted, reason)}"
        )
    if converted.overlaps:
        told.append(
            f"conversion: {plural(converted.overlaps, 'burst')} begin before the one above ends; each is "
            "kept as a recording of its own, for sorted by time their samples would be mixed"
        )
    return told


def _worst(converted: Converted, reason: str) -> str:
    """Name the files that lose the greatest share, where there are several files."""
    shares = {
        name: (out[reason] / max(rows, 1), out[reason])
        for name, (rows, out) in converted.by_file.items()
        if out.get(reason)
    }
    if len(converted.by_file) < 2 or not shares:
        return ""
    worst = sorted(shares, key=lambda name: (-shares[name][0], name))[:_WORST]
    named = ", ".join(f"{name} {shares[name][1]:,} = {share(shares[name][0])}" for name in worst)
    return f"; in {plural(len(shares), 'file')}, most in {named}"
