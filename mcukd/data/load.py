"""Windows of sensor counts from a card, and the identity of a data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.counted import CountedRecording, parsed_once
from mcukd.data.counts import count_limits, to_counts
from mcukd.data.extra import centred, vectors
from mcukd.data.gaps import window_starts
from mcukd.data.past import Past
from mcukd.data.readers.reader import FolderSource
from mcukd.data.recordings import (
    Recording,
    check_alive,
    check_classes_present,
    check_gravity,
    class_of,
    read_recordings,
    to_g,
)
from mcukd.data.resample import resampled
from mcukd.data.sources import source_facts, source_files, source_folder
from mcukd.data.windows import NO_LABEL, Windows
from mcukd.errors import UserError
from mcukd.files import file_state, sha256_file, sha256_text
from mcukd.text import listed


def load_windows(
    card: Card,
    data_root: Path | None = None,
    *,
    training: bool = False,
    seed: int = 0,
    extra: bool = False,
    past: bool = False,
) -> Windows:
    """Read (or simulate) a data set, check it against its card and cut it into windows of sensor counts.

    training: use the card's train_hop, so that training windows may overlap; evaluation uses its hop.
    seed: of the simulated herd; files ignore it.
    extra: read the channels of [[extra]] as well; a card that names none gives none.
    past: with what was recorded before each window (`Windows.past`).
    Raises UserError when data is missing or breaks the card's contract on labels, units, rate or length.
    """
    recordings = load_counts(card, data_root, seed=seed, extra=extra, whole=past)
    return cut(card, recordings, card.train_hop if training else card.hop, past=past)


def load_counts(
    card: Card, data_root: Path | None = None, *, seed: int = 0, extra: bool = False, whole: bool = False
) -> tuple[CountedRecording, ...]:
    """Return the recordings of a card as counts, checked as `load_windows` says.

    A process parses a data set once: the same card and files give the recordings that are in memory.
    whole: also what lies between the recordings of known labels, with the label NO_LABEL.
    """
    extra = extra and bool(card.extra)
    key = _cache_key(card, data_root, seed, extra, whole)
    return parsed_once(key, lambda: tuple(counted(card, _checked(card, data_root, seed, extra, whole))))


def _checked(card: Card, data_root: Path | None, seed: int, extra: bool, whole: bool) -> list[Recording]:
    """Read (or simulate) recordings without a gap at the board's rate and check the card's contract."""
    recordings = read_recordings(card, data_root, seed=seed, extra=extra, whole=whole)
    labelled = [(one, one.label) for one in recordings if one.label is not None]
    classes = [class_of(card, label, one.origin) for one, label in labelled]
    check_classes_present(
        card, [number for number in classes if number is not None], (label for _, label in labelled)
    )
    check_gravity(card, [one for one, _ in labelled])
    if extra:
        check_alive(card.extra, [one for one, _ in labelled])
    return recordings if card.signal.resample_hz is None else resampled(card, recordings)


def counted(card: Card, recordings: Sequence[Recording]) -> Iterator[CountedRecording]:
    """Yield recordings as the board's sensor would give them.

    Those without a label are not numbered, so that the others have the same number with and without them.
    """
    limits = count_limits(card.signal)
    numbers = count()
    for recording in recordings:
        label, segment = NO_LABEL, -1
        if recording.label is not None:
            known = class_of(card, recording.label, recording.origin)
            assert known is not None, "recordings of ignored labels have none"
            label, segment = known, next(numbers)
        yield CountedRecording(
            recording.animal,
            label,
            to_counts(to_g(card, recording.samples), card.counts_per_g, limits),
            segment if recording.group is None else recording.group,
            recording.split,
            recording.extra,
            recording.follows,
        )


def _cache_key(card: Card, data_root: Path | None, seed: int, extra: bool, whole: bool = False) -> str | None:
    """Return the identity of samples within a process, None where a file has changed just now.

    Sizes and times of files stand for their bytes, which would take long to hash.
    """
    facts = {**_facts(card, data_root, seed, extra), "whole": whole}
    if isinstance(card.source, FolderSource):
        states = {str(path): file_state(path) for path in source_files(card, data_root, extra)}
        if None in states.values():
            return None
        facts["files"] = states
    return json.dumps(facts, sort_keys=True)


def cut(card: Card, recordings: Sequence[CountedRecording], hop: int, *, past: bool = False) -> Windows:
    """Cut recordings into windows `hop` samples apart; what is left at a recording's end is dropped.

    past: with what was recorded before each; recordings are then those of `load_counts` with `whole`.
    Raises UserError when an animal or a class is left without a window.
    """
    parts: list[NDArray[np.int16]] = []
    others: list[NDArray[np.float32]] = []
    labels, animals, segments, splits = [], [], [], []
    begins: list[NDArray[np.int64]] = []
    origins: list[NDArray[np.int64]] = []
    place = origin = 0
    for recording in recordings:
        first, place = place, place + len(recording.counts)
        origin = origin if recording.follows else first
        if recording.label == NO_LABEL:
            continue
        starts = window_starts(len(recording.counts), card.window, hop)
        if not len(starts):
            continue
        index = starts[:, None] + np.arange(card.window)
        parts.append(recording.counts[index])
        if recording.extra is not None:
            others.append(centred(card.extra, recording.extra[index]))
        labels += [recording.label] * len(starts)
        animals += [recording.animal] * len(starts)
        segments += [recording.segment] * len(starts)
        splits += [recording.split] * len(starts)
        begins.append(first + starts)
        origins.append(np.full(len(starts), origin, np.int64))
    _check_nothing_lost(card, recordings, set(animals), set(labels))
    return Windows(
        counts=np.concatenate(parts),
        labels=np.array(labels, dtype=np.int64),
        animals=np.array(animals, dtype=str),
        segments=np.array(segments, dtype=np.int64),
        classes=card.classes,
        rate_hz=card.rate_hz,
        counts_per_g=card.counts_per_g,
        card=card.name,
        simulated=card.simulated,
        split=None if None in splits else np.array(splits, dtype=str),
        extra=np.concatenate(others) if others else None,
        extra_names=tuple(name for each in card.extra for name in each.channels) if others else (),
        extra_vectors=vectors(card.extra) if others else (),
        past=Past(
            np.concatenate([recording.counts for recording in recordings]),
            np.concatenate(begins),
            np.concatenate(origins),
        )
        if past
        else None,
    )


def count_windows(card: Card, recordings: Sequence[CountedRecording], hop: int) -> int:
    """Return how many windows `cut` makes of recordings."""
    return sum(len(window_starts(len(one.counts), card.window, hop)) for one in recordings)


def dataset_sha256(card: Card, data_root: Path | None = None, seed: int = 0, *, extra: bool = False) -> str:
    """Return the identity of the samples as a SHA-256 in hexadecimal.

    It covers the source files' names and bytes, or the simulator's version and seed, and everything in
    the card that changes a window; the extra channels and their files only with `extra`.
    """
    extra = extra and bool(card.extra)
    facts = _facts(card, data_root, seed, extra)
    if isinstance(card.source, FolderSource):
        folder = source_folder(card, data_root)
        facts["files"] = {
            path.relative_to(folder).as_posix(): sha256_file(path)
            for path in source_files(card, data_root, extra)
        }
    return sha256_text(json.dumps(facts, sort_keys=True))


def _facts(card: Card, data_root: Path | None, seed: int, extra: bool) -> dict[str, Any]:
    """Return everything but the files that changes a window."""
    facts = card.model_dump(
        mode="json", by_alias=True, exclude={"title", "description", "licence", "citation"}
    )
    # A key that came later leaves the identity of the sets that do not use it as it was.
    if facts["signal"]["resample_hz"] is None:
        del facts["signal"]["resample_hz"]
    if not extra:
        del facts["extra"]
    if facts["source"].get("drop", 0) is None:
        del facts["source"]["drop"]
    # They name an axis, and where a choice is from, and change no window.
    del facts["signal"]["neck_axis"], facts["signal"]["mounting_from"]
    facts.update(source_facts(card, data_root, seed))
    return facts


def _check_nothing_lost(
    card: Card, recordings: Sequence[CountedRecording], animals: set[str], labels: set[int]
) -> None:
    recordings = [recording for recording in recordings if recording.label != NO_LABEL]
    for animal in sorted({recording.animal for recording in recordings} - animals):
        longest = max(len(recording.counts) for recording in recordings if recording.animal == animal)
        raise UserError(
            f"animal {animal} of card {card.name} has no window: its longest segment has {longest} "
            f"samples where windows.length is {card.window}; shorten the window "
            f"or add {animal!r} to source.exclude_animals"
        )
    lost = [name for number, name in enumerate(card.classes) if number not in labels]
    if lost:
        raise UserError(
            f"the class {lost[0]} of card {card.name} has no window: all its segments are shorter "
            f"than windows.length, {card.window} samples; shorten the window or merge the class (present: "
            f"{listed(card.classes[number] for number in sorted(labels))})"
        )
