"""Sources of cards: where their files lie, and the one way in which all commands read them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcukd.data.card import Card
from mcukd.data.raw_segments import RawSegment, goes_on, without
from mcukd.data.readers.reader import FolderSource, Request
from mcukd.data.readers.registry import READERS
from mcukd.errors import UserError


def raw_segments(
    card: Card,
    data_root: Path | None,
    *,
    seed: int = 0,
    extra: bool = False,
    wanted: Callable[[str | None, str, str], bool] | None = None,
    limit: int | None = None,
    progress: bool = False,
    joined: bool = False,
) -> Iterator[RawSegment]:
    """Yield the segments of a card's source but those of excluded animals, without the rows it drops.

    seed: of simulated samples. extra: read the extra channels as well. wanted: tells by label, animal and
    origin which segments to read; None: all, whatever their label. limit: hand long segments on in pieces of
    about this many samples where the reader can, for a bounded memory. progress: show a bar where it takes
    long. joined: tell which segments follow the one before (`RawSegment.follows`), all of a recording's being
    wanted. Raises UserError for what cannot be read, naming file and line.
    """
    source = card.source
    excluded = frozenset(getattr(source, "exclude_animals", ()))
    drop = getattr(source, "drop", None)

    def keep(label: str | None, animal: str, origin: str) -> bool:
        return animal not in excluded and (wanted is None or wanted(label, animal, origin))

    # A stretch that stands still may go on in the next piece, so that with `drop` segments are read whole.
    request = _request(card, data_root, seed, extra, keep, limit if drop is None else None, progress)
    before: RawSegment | None = None
    for segment in READERS[source.reader].read(request):
        if joined:
            one = without(segment, drop)
            before, one = one, replace(one, follows=goes_on(before, one))
            if keep(segment.label, segment.animal, segment.origin):
                yield one
        elif keep(segment.label, segment.animal, segment.origin):
            yield without(segment, drop)


def source_folder(card: Card, data_root: Path | None) -> Path:
    """Find the card's data folder.

    Looked for under `data_root`, else the environment's MCUKD_DATA, and then beside the card itself; a
    folder that starts with "." is always beside the card, and an absolute one is just that. Raises UserError
    that lists the places.
    """
    if not isinstance(card.source, FolderSource):
        raise ValueError(f"the reader {card.source.reader} has no folder")
    return find_folder(card.name, card.source.folder, card.path, data_root)


def find_folder(name: str, folder: str, card_path: Path | None, data_root: Path | None) -> Path:
    """Find `folder` as `source_folder` says; UserError that lists the places where it was looked for."""
    if Path(folder).is_absolute():
        if Path(folder).is_dir():
            return Path(folder)
        raise UserError(f"the data of card {name} is not in {folder}; correct source.folder in the card")
    roots = []
    if not folder.startswith("."):
        root = data_root or (Path(os.environ["MCUKD_DATA"]) if os.environ.get("MCUKD_DATA") else None)
        roots += [root] if root else []
    roots += [card_path.parent] if card_path else []
    places = [root / folder for root in roots]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"the data of card {name} is not in {' or '.join(str(place) for place in places)}; "
        f"name the folder that holds "
        f"{folder!r} with --data-root or in the environment variable MCUKD_DATA"
    )


def source_files(card: Card, data_root: Path | None, extra: bool = False) -> list[Path]:
    """Return the files the card's samples come from, in the order they are read.

    extra: those of the extra channels as well. Raises UserError for a missing folder or file, or a CSV file
    whose path does not match the card's pattern.
    """
    return READERS[card.source.reader].files(_request(card, data_root, 0, extra))


def source_facts(card: Card, data_root: Path | None, seed: int = 0) -> dict[str, Any]:
    """Return what identifies a card's samples beside the card and the files."""
    return READERS[card.source.reader].facts(_request(card, data_root, seed, False))


def _request(
    card: Card,
    data_root: Path | None,
    seed: int,
    extra: bool,
    keep: Callable[[str | None, str, str], bool] = lambda label, animal, origin: True,
    limit: int | None = None,
    progress: bool = False,
) -> Request[Any]:
    return Request(
        card=card.name,
        source=card.source,
        columns=card.columns,
        signal=card.signal,
        position=card.position,
        window=card.window,
        extra=card.extra if extra else (),
        folder=source_folder(card, data_root) if isinstance(card.source, FolderSource) else None,
        seed=seed,
        keep=keep,
        limit=limit,
        progress=progress,
    )
