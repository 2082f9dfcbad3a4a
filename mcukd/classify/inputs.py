"""Recordings that a command line names: files, or cards of recordings imported without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcukd.classify.recording import Layout
from mcukd.data.unlabelled import load_unlabelled


@dataclass(frozen=True)
class InputRecording:
    """A recording to classify. individual, recorded_hz: from its card, None without one.

    simulated: whether its card says that no animal wore a sensor.
    """

    path: Path
    layout: Layout
    individual: str | None = None
    recorded_hz: float | None = None
    simulated: bool = False


def find_recordings(paths: Sequence[Path], layout: Layout) -> list[InputRecording]:
    """Return the recordings at paths, which are recordings themselves, cards, or folders with a card.

    layout: of files without a card; a card states its columns, units and segments itself. Raises UserError
    for a folder or TOML file that is no card of recordings without labels.
    """
    found: list[InputRecording] = []
    for path in paths:
        if not path.is_dir() and path.suffix.lower() != ".toml":
            found.append(InputRecording(path, layout))
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
        found += [
            InputRecording(card.file(one), own, one.animal, card.signal.rate_hz, card.simulated)
            for one in card.recordings
        ]
    return found
