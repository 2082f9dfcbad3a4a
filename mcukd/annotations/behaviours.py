"""Names of behaviours brought to the classes of a model."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcukd.annotations.reading import UNKNOWN, Reading
from mcukd.errors import UserError
from mcukd.metrics.agreement.track import NOT_KNOWN, Track
from mcukd.text import did_you_mean, listed


def name_key(name: str) -> str:
    """Return what spellings of one behaviour have in common: no case, no blanks around, one form of accents.

    An é can be stored as one sign or as an e and an accent, which look alike (Unicode's NFC makes them one).
    """
    return unicodedata.normalize("NFC", " ".join(name.split()).casefold())


def spelled_as(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return names as others spell them, those that these do not have unchanged.

    All stay as they are where two of them would become one.
    """
    table = {name_key(name): name for name in reversed(known)}
    found = tuple(table.get(name_key(name), name) for name in names)
    return found if len(set(found)) == len(set(names)) else tuple(names)


def classes_of(path: Path, behaviours: Iterable[str], reading: Reading) -> dict[str, str | None]:
    """Return behaviour of a file → class, None where it is left out.

    Names are compared by `name_key`. Without classes the file's own names are taken, of spellings that
    differ by case the first. Raises UserError that lists behaviours which are no class, and for mappings of
    what the file lacks or to what is no class.
    """
    names = list(dict.fromkeys(behaviours))
    known = {name_key(name): name for name in reversed(reading.classes or names)}
    mapped = {name_key(old): new for old, new in reading.mapping.items()}
    _check_mapping(path, names, reading)
    found: dict[str, str | None] = {}
    unknown = []
    for name in names:
        key = name_key(name)
        if key in mapped:
            new = mapped[key]
            found[name] = known.get(name_key(new), new) if new else None
        elif key in known:
            found[name] = known[key]
        else:
            unknown.append(name)
            found[name] = None
    if unknown and not reading.leave_out:
        raise UserError(
            f"{path}: {listed(repr(name) for name in unknown)} {'is' if len(unknown) == 1 else 'are'} none "
            "of the "
            f"classes ({listed(reading.classes)}); say which they are with --map BEHAVIOUR=CLASS, or leave "
            "them "
            "out with --leave-out"
        )
    return found


def brought(path: Path, track: Track, reading: Reading) -> Track:
    """Return a track of a file with its animal and its behaviours named as they are read.

    What is left out is not known any more. Raises UserError as `classes_of`.
    """
    track = replace(track, animal=reading.animals.get(track.animal, track.animal) or reading.animal)
    if not (reading.classes or reading.mapping):
        return track
    said = [track.classes[k] for k in np.unique(track.behaviours).tolist()]
    found = classes_of(path, [name for name in said if name != UNKNOWN], reading)
    names = tuple(dict.fromkeys([*reading.classes, *(name for name in found.values() if name)]))
    table = np.array(
        [names.index(found[name] or "") if found.get(name) else NOT_KNOWN for name in track.classes]
    )
    kept = table[track.behaviours] != NOT_KNOWN
    return replace(
        track,
        classes=names,
        starts=track.starts[kept],
        ends=track.ends[kept],
        behaviours=table[track.behaviours[kept]],
    )


def _check_mapping(path: Path, names: list[str], reading: Reading) -> None:
    there = {name_key(name) for name in names}
    classes = {name_key(name) for name in reading.classes}
    for old, new in reading.mapping.items():
        if name_key(old) not in there:
            raise UserError(
                f"{path}: --map names {old!r}, which it does not hold{did_you_mean(old, names)}; its "
                "behaviours are "
                f"{listed(names)}"
            )
        if new and classes and name_key(new) not in classes:
            raise UserError(
                f"--map says {old}={new}, but {new!r} is no class{did_you_mean(new, reading.classes)}; the "
                "classes "
                f"are {listed(reading.classes)}"
            )
