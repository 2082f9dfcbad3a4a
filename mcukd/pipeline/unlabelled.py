"""Windows of recordings without labels, sampled for the training of students in bounded memory.

Recordings of months are not read whole: of each, some parts of its Parquet file, drawn by the seed.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.classify.inputs import InputRecording, find_recordings
from mcukd.classify.recording import BLOCK, Layout, open_recording
from mcukd.data.card import Card
from mcukd.data.counts import count_limits
from mcukd.data.gaps import window_starts
from mcukd.data.recordings import RATE_TOLERANCE
from mcukd.data.same_animal import named_otherwise
from mcukd.data.unlabelled import load_unlabelled
from mcukd.data.windows import NO_LABEL, Windows
from mcukd.data.worn import Worn, compare, worn_in
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.unlabelled import evenly_drawn
from mcukd.errors import UserError
from mcukd.files import sha256_file, sha256_text
from mcukd.progress import progress

#: Parts that are read of one recording at most; more windows are taken of each where they are few.
MOST_PARTS = 48


def recordings_sha256(config: DistillConfig) -> str | None:
    """Return the identity of the unlabelled recordings: their cards and files. None without any.

    Raises UserError for a path that holds no card of recordings without labels, and for a missing file.
    """
    if not config.unlabelled_cards:
        return None
    facts = []
    for name in config.unlabelled_cards:
        card = load_unlabelled(Path(name))
        assert card.path is not None
        files = {one.file: sha256_file(card.file(one)) for one in card.recordings}
        facts.append([sha256_file(card.path), files])
    return sha256_text(json.dumps(facts, sort_keys=True))


def recorded_windows(config: DistillConfig, card: Card, training: Windows) -> Windows | None:
    """Return windows (U, T, 3) of the unlabelled recordings, without labels; None where none are named.

    At most `config.unlabelled_ratio` times the training windows, as evenly over the animals as they allow;
    the seed of the final models decides which. They are counts of the card's sensor, as the board's would be.
    Raises UserError for recordings at another rate than the card's, with an axis that is swapped or points
    the other way, simulated beside labelled ones that were recorded, too short for a window, or damaged, and
    of an animal with another name than in the card.
    """
    if not config.unlabelled_cards:
        return None
    if config.uses_extra_channels:
        raise UserError(
            "--teacher-sensors is all, and recordings without labels have the accelerometer only; give "
            "--teacher-sensors accelerometer, or leave --unlabelled out."
        )
    layout = Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0, limits=count_limits(card.signal))
    worn = worn_in(training, card.axes, config.mounting or card.signal.mounting)
    found = [one for name in config.unlabelled_cards for one in _checked(Path(name), layout, card, worn)]
    most = math.ceil(config.unlabelled_ratio * len(training))
    quota = math.ceil(2 * most / len(found))
    counts, animals = [], []
    with progress("Unlabelled recordings", len(found)) as advance:
        for one in found:
            own = sampled_windows(one, card.window, quota, config.seed)
            counts.append(own)
            animals += [one.individual] * len(own)
            advance(1, str(one.individual))
    every = np.concatenate(counts)
    if not len(every):
        raise UserError(
            f"--unlabelled {config.unlabelled}: no stretch of these recordings has the {card.window} samples "
            "of a window; name longer recordings."
        )
    names = np.array(animals, dtype=str)
    used = evenly_drawn(names, min(most, len(names)), config.seed)
    sampled = Windows(
        counts=every[used],
        labels=np.full(len(used), NO_LABEL, np.int64),
        animals=names[used],
        segments=np.arange(len(used)),
        classes=training.classes,
        rate_hz=training.rate_hz,
        counts_per_g=training.counts_per_g,
        card=training.card,
        simulated=training.simulated,
    )
    if not config.transductive:
        for animal, other in named_otherwise(training, sampled).items():
            raise UserError(
                f"--unlabelled {config.unlabelled}: recordings of animal {animal!r} hold samples of animal "
                f"{other!r} of card {card.name}, from which the fold that holds it out would learn; give "
                "both one name, or --transductive."
            )
    return sampled


def sampled_windows(recording: InputRecording, window: int, count: int, seed: int) -> NDArray[np.int16]:
    """Return at most `count` windows (n, T, 3) of a recording at random, none of which overlap.

    They are of as many parts of the recording as possible, MOST_PARTS at most; a short recording gives what
    it has.
    """
    # Segments tell where samples lie apart; stamps are half of what would have to be decoded.
    opened = open_recording(recording.path, replace(recording.layout, time_column=None, start_ns=0))
    rng = np.random.default_rng([seed, zlib.crc32(recording.path.name.encode())])
    rows = opened.row_groups()
    parts = _parts(rows)
    chosen = [parts[number] for number in sorted(rng.permutation(len(parts))[:MOST_PARTS].tolist())]
    samples = sum(rows[group] for part in chosen for group in part)
    found = [np.empty((0, window, len(recording.layout.columns)), np.int16)]
    # Part by part, because a block may hold rows of several groups, which would lie apart otherwise.
    read = (opened.blocks(groups=part, first=sum(rows[: part[0]])) for part in chosen)
    for block in chain.from_iterable(read):
        assert block.segments is not None, "recordings of a card state their segments"
        cuts = np.flatnonzero(np.diff(block.segments)) + 1
        starts = np.concatenate(
            [
                first + window_starts(last - first, window, window)
                for first, last in zip([0, *cuts], [*cuts, len(block.counts)])
            ]
        )
        share = math.ceil(count * len(block.counts) / samples)
        drawn = np.sort(rng.permutation(starts)[:share])
        found.append(block.counts[drawn[:, None] + np.arange(window)])
    every = np.concatenate(found)
    return every[np.sort(rng.permutation(len(every))[:count])]


def _parts(rows: Sequence[int]) -> list[list[int]]:
    """Return row groups that follow each other, by their rows, in parts of BLOCK rows or more."""
    parts: list[list[int]] = []
    size = BLOCK
    for group, count in enumerate(rows):
        if size >= BLOCK:
            parts.append([])
            size = 0
        parts[-1].append(group)
        size += count
    return parts


def _checked(path: Path, layout: Layout, card: Card, worn: Worn) -> list[InputRecording]:
    """Return the recordings of a card of recordings without labels, compared with the labelled data."""
    unlabelled = load_unlabelled(path)
    rate = unlabelled.signal.rate_hz
    if abs(rate - card.rate_hz) > RATE_TOLERANCE * card.rate_hz:
        raise UserError(
            f"{unlabelled.path}: its recordings have {rate:g} Hz, but card {card.name} {card.rate_hz:g} Hz; "
            f"import them again with --resample {card.rate_hz:g}."
        )
    if unlabelled.simulated and not card.simulated:
        raise UserError(
            f"{unlabelled.path}: simulated is true, but the labelled data of card {card.name} were recorded; "
            "a model of both would not say what it learned from animals. Name recordings of animals, or, if "
            "these are, import them again with --recorded."
        )
    for one in unlabelled.recordings:
        fit = compare(worn, np.array(one.gravity_g), ("x", "y", "z"))
        if fit.refused:
            raise UserError(f"{unlabelled.file(one)}: {fit.note}.")
    return find_recordings([path], layout)
