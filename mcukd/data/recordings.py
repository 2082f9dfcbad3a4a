"""Continuous recordings in g, and the checks of the contract on labels, units and rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.extra import Extra
from mcukd.data.gaps import stretches
from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.registry import READERS
from mcukd.data.sources import raw_segments
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed, plural

STANDARD_GRAVITY = 9.80665
# A worn sensor reads about 1 g in the median whatever the animal does; calibration errs by a few per cent.
GRAVITY_BAND = (0.75, 1.25)
# A single recording may be lively, so only a gross deviation condemns it, and a grosser one where it is
# short: seals keep up 3 g in the median for seconds.
RECORDING_BAND, SHORT_BAND = (0.5, 2.0), (0.5, 4.0)
SHORT_S = 20.0
RATE_TOLERANCE = 0.10


@dataclass(frozen=True)
class Recording:
    """One stretch of samples of one animal, without a gap, with one label of the source.

    samples: (n, 3) float64 in the units of the card. origin: where it comes from, for error messages.
    group: number of the continuous recording it belongs to, where the source has it cut into windows already.
    split: "train" or "test" where the source has an official split.
    extra: (n, E) float64, the card's extra channels in their units and frame, where they were asked for.
    place: the continuous recording it was cut from, "" where it is one itself.
    follows: whether its first sample comes right after the last one of the recording before it in the list.
    """

    animal: str
    label: str | None
    samples: NDArray[np.float64]
    origin: str
    group: int | None = None
    split: str | None = None
    extra: NDArray[np.float64] | None = None
    place: str = ""
    follows: bool = False


def read_recordings(
    card: Card, data_root: Path | None, *, seed: int = 0, extra: bool = False, whole: bool = False
) -> list[Recording]:
    """Read (or simulate) every recording whose label the card does not ignore, in the card's units.

    They are cut at gaps. extra: with the extra channels. whole: also what lies between them, of ignored
    labels and of none, whose label is None; and say which recording follows the one before it. Raises
    UserError for anything that is not as the card says, naming file and line.
    """

    def used(label: str | None, origin: str) -> bool:
        return label is not None and class_of(card, label, origin) is not None

    # A recording of one label alone has nothing between.
    between = whole and READERS[card.source.reader].labels_change

    def wanted(label: str | None, animal: str, origin: str) -> bool:
        return used(label, origin) or between

    segments = raw_segments(
        card, data_root, seed=seed, extra=extra, wanted=wanted, progress=True, joined=whole
    )
    return [
        one if used(one.label, one.origin) else replace(one, label=None)
        for segment in segments
        for one in _recordings_of(card, segment)
    ]


def _recordings_of(card: Card, segment: RawSegment) -> list[Recording]:
    """Return the stretches without a gap of a segment, their rate checked."""
    if not len(segment.samples):
        return []
    if segment.seconds is None:
        cut = stretches(len(segment.samples), None, segment.breaks)
    else:
        cut = continuous(card, segment.seconds, segment.origin, segment.breaks)
    return [
        Recording(
            segment.animal,
            segment.label,
            segment.samples[each],
            segment.origin,
            segment.group,
            segment.split,
            None if segment.extra is None else segment.extra[each],
            "" if segment.group is not None else segment.place,  # windows that come cut stand alone
            segment.follows and number == 0,
        )
        for number, each in enumerate(cut)
    ]


def class_of(card: Card, label: str, origin: str) -> int | None:
    """Return the class index of a label of the source, None where the card ignores it.

    Raises UserError for a label the card does not mention.
    """
    known = card.class_map.index()
    if label not in known:
        raise UserError(
            f"{origin}: the label {label!r} is not in the card {card.name}{did_you_mean(label, known)}; "
            f"add it to classes.names, classes.merge or classes.ignore (known labels: {listed(known)})"
        )
    return known[label]


def to_g(card: Card, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert samples in the card's units to g."""
    signal = card.signal
    per_g = {
        "g": 1.0,
        "m/s2": STANDARD_GRAVITY,
        "mg": 1000.0,
        "counts": signal.recorded_counts_per_g or signal.counts_per_g,
    }
    return samples / per_g[signal.units]


def is_faulty(median_g: float, seconds: float) -> bool:
    """Tell whether a recording of so many seconds cannot have this median length of the acceleration."""
    low, high = SHORT_BAND if seconds < SHORT_S else RECORDING_BAND
    return not low < median_g < high


def source_window(card: Card) -> int:
    """Return the window's length in samples of the files, before any resampling."""
    return math.ceil(card.window * card.signal.rate_hz / card.rate_hz)


def check_gravity(card: Card, recordings: Sequence[Recording]) -> None:
    """Check that the median length of the acceleration vector is about 1 g, per animal and per recording.

    Not over all data at once, because one logger with other units or one faulty recording would not move
    that median; nor over less than a recording, because an animal may be violent for a while.
    Raises UserError that says what was found and what units it looks like, or which recording
    is at fault.
    """
    lengths = [np.linalg.norm(to_g(card, recording.samples), axis=1) for recording in recordings]
    places: dict[tuple[str, str], list[int]] = {}
    for number, recording in enumerate(recordings):
        places.setdefault((recording.animal, recording.place or f"#{number}"), []).append(number)
    of_place = [np.concatenate([lengths[number] for number in numbers]) for numbers in places.values()]
    medians = np.array([np.median(length) for length in of_place])
    units_hold = np.mean((medians > GRAVITY_BAND[0]) & (medians < GRAVITY_BAND[1])) > 0.5
    for numbers, length, median in zip(places.values(), of_place, medians):
        whole = max(len(recordings[number].samples) for number in numbers) >= source_window(card)
        if units_hold and whole and is_faulty(median, len(length) / card.signal.rate_hz):
            key = READERS[card.source.reader].exclude_key
            raise UserError(
                f"{recordings[numbers[0]].origin}: the median length of the acceleration is {median:.3g} g "
                f"where about 1 g is expected, over {plural(len(length), 'row')} of the recording, and most "
                f"others have that; it is faulty or in other units: repair it, or leave it out with "
                f"source.{key}"
            )
    by_animal: dict[str, list[int]] = {}
    for number, recording in enumerate(recordings):
        by_animal.setdefault(recording.animal, []).append(number)
    for animal, numbers in by_animal.items():
        median = float(np.median(np.concatenate([lengths[number] for number in numbers])))
        if not GRAVITY_BAND[0] < median < GRAVITY_BAND[1]:
            raise UserError(
                f"{recordings[numbers[0]].origin} and the other recordings of animal {animal}: read as "
                f'"{card.signal.units}", the median length of the acceleration is {median:.3g} g '
                f"where about 1 g is expected; {_looks_like(card, median)}"
            )


def _looks_like(card: Card, median: float) -> str:
    raw = float(median * (1.0 / to_g(card, np.ones(1))[0]))
    for units, one_g in (("g", 1.0), ("m/s2", STANDARD_GRAVITY), ("mg", 1000.0)):
        if units != card.signal.units and GRAVITY_BAND[0] <= raw / one_g <= GRAVITY_BAND[1]:
            return f'it looks like "{units}": set signal.units to that if the source agrees'
    if raw < 0.5 * (STANDARD_GRAVITY if card.signal.units == "m/s2" else 1.0):
        return "it looks as if gravity had been removed: mcukd needs the total acceleration, gravity included"
    if raw > 50:
        return (
            f'it looks like raw counts with about {raw:.0f} per g: set signal.units to "counts" and '
            f"signal.recorded_counts_per_g to the sensor's scale"
        )
    return "check signal.units and the columns"


def continuous(
    card: Card, seconds: NDArray[np.float64], origin: str, breaks: Sequence[int] = ()
) -> list[slice]:
    """Split time stamps (n,) in seconds into stretches without a gap and check their rate.

    See `mcukd.data.gaps` for what is a gap. breaks: samples before which it is cut in any case.
    Raises UserError when time runs backwards, or where a stretch of at least a window is more than 10 % off
    the card's rate.
    """
    steps = np.diff(seconds)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise UserError(
            f"{origin}: time runs backwards by {-steps[at]:.3g} s after {at + 1} samples; sort the rows by "
            f"time, or tell recordings apart (one file each, or columns.segment)"
        )
    cut = stretches(len(seconds), seconds, breaks)
    for stretch in cut:
        if stretch.stop - stretch.start >= source_window(card):
            _check_rate(card, seconds[stretch], origin)
    return cut


def _check_rate(card: Card, seconds: NDArray[np.float64], origin: str) -> None:
    steps = np.diff(seconds)
    duration, expected = float(seconds[-1] - seconds[0]), len(steps) / card.signal.rate_hz
    # Stamps cut to whole seconds hide up to one of their steps at each end, which is as long as the samples
    # that share a stamp.
    sharing = float(np.bincount(np.concatenate([[0], np.cumsum(steps > 0)])).max())
    slack = 2 * sharing / card.signal.rate_hz if (steps == 0).any() else 0.0
    if abs(duration - expected) > RATE_TOLERANCE * expected + slack:
        rate = len(steps) / duration if duration > 0 else float("inf")
        raise UserError(
            f"{origin}: the time stamps give {rate:.4g} samples per second, more than 10 % off the card's "
            f"rate of {card.signal.rate_hz:g} Hz; correct signal.rate_hz or the recording"
        )


def check_classes_present(card: Card, found: Sequence[int], labels: Iterable[str]) -> None:
    """Check that every class of the card has at least one recording."""
    for number, name in enumerate(card.classes):
        if number not in found:
            wanted = [name, *card.class_map.merge.get(name, ())]
            raise UserError(
                f"the data of card {card.name} has no recording of class {name} (labels {listed(wanted)}); "
                f"found labels {listed(sorted(set(labels)))}: correct [classes] or add the data"
            )


def check_alive(extras: Sequence[Extra], recordings: Sequence[Recording]) -> None:
    """Check that every channel moves in the recordings of every animal. Raises UserError that names both."""
    names = [name for extra in extras for name in extra.channels]
    by_animal: dict[str, list[NDArray[np.float64]]] = {}
    for recording in recordings:
        assert recording.extra is not None
        by_animal.setdefault(recording.animal, []).append(recording.extra)
    for animal, parts in by_animal.items():
        lowest = np.min([part.min(axis=0) for part in parts], axis=0)
        highest = np.max([part.max(axis=0) for part in parts], axis=0)
        for name, low, high in zip(names, lowest, highest):
            if low == high:
                raise UserError(
                    f"the extra channel {name} of animal {animal} is {low:g} in every sample, so its sensor "
                    f"was dead; use source.exclude_animals, or take the channel out of [[extra]]"
                )
