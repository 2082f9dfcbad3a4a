"""Facts about a data set, for the command line and for a first look before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.card import Card
from mcukd.data.counts import count_limits
from mcukd.data.folds import make_folds, natural_order
from mcukd.data.load import count_windows, cut, dataset_sha256, load_counts
from mcukd.data.readers.reader import FolderSource
from mcukd.data.sources import source_folder
from mcukd.data.windows import Windows
from mcukd.errors import UserError

SPLITS = ("loao", "holdout", "official")


def find_data(card: Card, data_root: Path | None) -> Path | None:
    """Return the card's data folder, or None where it is not found or there is none to find."""
    if not isinstance(card.source, FolderSource):
        return None
    try:
        return source_folder(card, data_root)
    except UserError:
        return None


def describe(card: Card, data_root: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Load a data set and return what is in it.

    Among the keys: extra (channel for a teacher → unit), windows (class → animal → number at the evaluation
    hop), total (of those), training_total (at the training hop), clipped (animal →
    share of values at the ends of the sensor's range) and splits (split → number of folds, or the sentence
    that says why it is not possible).
    Raises UserError as load_windows does.
    """
    recordings = load_counts(card, data_root, seed=seed)
    windows = cut(card, recordings, card.hop)
    training = count_windows(card, recordings, card.train_hop)
    animals = sorted({str(animal) for animal in windows.animals}, key=natural_order)
    signal = card.signal
    return {
        "name": card.name,
        "title": card.title,
        "simulated": card.simulated,
        "licence": card.licence,
        "citation": card.citation,
        "position": card.position,
        "reader": card.source.reader,
        "card": str(card.path),
        "sha256": dataset_sha256(card, data_root, seed),
        "units": signal.units,
        "rate_hz": card.rate_hz,
        "range_g": signal.range_g,
        "counts_per_g": card.counts_per_g,
        "axes": {axis.name: axis.meaning for axis in signal.axes},
        "extra": {name: each.unit for each in card.extra for name in each.channels},
        "window": card.window,
        "window_seconds": windows.seconds,
        "hop": card.hop,
        "train_hop": card.train_hop,
        "operation_hop": card.operation_hop,
        "classes": list(card.classes),
        "animals": animals,
        "segments": len(np.unique(windows.segments)),
        "total": len(windows),
        "training_total": training,
        "windows": _windows_per_class(windows, animals),
        "clipped": _clipped_share(card, windows, animals),
        "splits": {split: _folds_or_reason(windows, split) for split in SPLITS},
    }


def _windows_per_class(windows: Windows, animals: list[str]) -> dict[str, dict[str, int]]:
    return {
        name: {
            animal: int(np.sum((windows.labels == number) & (windows.animals == animal)))
            for animal in animals
        }
        for number, name in enumerate(windows.classes)
    }


def _clipped_share(card: Card, windows: Windows, animals: list[str]) -> dict[str, float]:
    """Share of values per animal that lie at the ends of the sensor's range."""
    lowest, highest = count_limits(card.signal)
    at_end = (windows.counts == lowest) | (windows.counts == highest)
    return {animal: float(at_end[windows.animals == animal].mean()) for animal in animals}


def _folds_or_reason(windows: Windows, split: str) -> dict[str, Any]:
    try:
        folds = make_folds(windows, split)
    except UserError as error:
        return {"folds": 0, "reason": str(error)}
    return {"folds": len(folds), "test_animals": [list(fold.test_animals) for fold in folds]}
