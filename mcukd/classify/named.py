"""What is named to be classified: files themselves, or cards of recordings imported without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from mcukd.classify.recording import Layout
from mcukd.data.unlabelled import load_unlabelled


@dataclass(frozen=True)
class Named:
    """A recording to classify. individual, recorded_hz: as its card says, None without one."""

    path: Path
    layout: Layout
    individual: Optional[str] = None
    recorded_hz: Optional[float] = None


def named_recordings(paths: Sequence[Path], layout: Layout) -> list[Named]:
    """Return the recordings that paths name: files as they are, and those of cards and their folders.

    layout: of files without a card. A card says itself what its columns, units and stretches are. Raises
    UserError for a folder or TOML file that is no card of recordings without labels.
    """
    found: list[Named] = []
    for path in paths:
        if not path.is_dir() and path.suffix.lower() != ".toml":
            found.append(Named(path, layout))
            continue
        card = load_unlabelled(path)
        own = replace(
            layout,
            columns=("x", "y", "z"),
            time_column="time",
            start_ns=None,
            per_g=card.signal.per_g,
            segment_column="segment",
        )
        found += [Named(card.file(one), own, one.animal, card.signal.rate_hz) for one in card.recordings]
    return found
