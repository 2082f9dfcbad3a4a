"""Export of a simulated herd as files and a card, in the shape a user's own data would have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcukd.config_files import toml_string
from mcukd.data.card import Card
from mcukd.data.readers.simulator import SimulatorSource
from mcukd.data.recordings import Recording
from mcukd.data.simulation.herd import SIMULATOR_VERSION
from mcukd.data.simulation.simulator import simulate
from mcukd.errors import UserError
from mcukd.files import folder_beside
from mcukd.progress import progress

CARD_FILE = "card.toml"


def export_simulation(card: Card, out: Path, seed: int = 0) -> Path:
    """Simulate the herd of `card` and write `out`/<animal>/<bout>_<behaviour>.csv in g and `out`/card.toml.

    Returns the new card's path; loading it gives the same counts as the herd in memory. The folder appears
    whole or not at all. Raises UserError when `out` exists and is not an empty folder.
    """
    if not isinstance(card.source, SimulatorSource):
        raise UserError(
            f'card {card.name} is not simulated; name one with the reader "simulator", like herd-sim'
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; name a new one with --out")
    with folder_beside(out) as temporary:
        folder = temporary / "herd"
        folder.mkdir()
        recordings = simulate(card, seed)
        with progress("Writing segments", len(recordings)) as advance:
            for number, recording in enumerate(recordings):
                write_segment(folder, number, recording, card)
                advance(1)
        (folder / CARD_FILE).write_text(_card_text(card, seed), encoding="utf-8")
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return out / CARD_FILE


def write_segment(folder: Path, number: int, recording: Recording, card: Card) -> None:
    """Write one recording as a CSV file of its segment."""
    import pyarrow
    from pyarrow import csv

    path = folder / recording.animal / f"{number:05d}_{recording.label}.csv"
    path.parent.mkdir(exist_ok=True)
    seconds = np.arange(len(recording.samples)) / card.rate_hz
    columns = {"seconds": seconds.round(6)}
    columns.update({axis: recording.samples[:, place] for place, axis in enumerate(card.axes)})
    csv.write_csv(pyarrow.table(columns), path, csv.WriteOptions(quoting_style="none"))


def _card_text(card: Card, seed: int) -> str:
    source, signal, windows = card.source, card.signal, card.windows
    assert isinstance(source, SimulatorSource)
    description = (
        f"SIMULATED by mcukd, simulator version {SIMULATOR_VERSION}, from card {card.name}: seed {seed}, "
        f"{source.animals} animals, {source.minutes_per_animal:g} minutes each. "
        f"No animal wore a sensor for it."
    )
    axes = "\n".join(
        f"  {{ name = {toml_string(axis.name)}, meaning = {toml_string(axis.meaning)} }},"
        for axis in signal.axes
    )
    hops = [f"{name} = {getattr(windows, name)}" for name in ("train_hop", "operation_hop")]
    hops = [line for line in hops if not line.endswith("None")]
    lines = [
        f"name = {toml_string(f'{card.name}-seed{seed}')}",
        f"title = {toml_string(card.title)}",
        f"description = {toml_string(description)}",
        f"licence = {toml_string(card.licence)}",
        f"citation = {toml_string(card.citation)}",
        "simulated = true",
        f"position = {toml_string(card.position)}",
        "",
        "[source]",
        'reader = "segments"',
        'folder = "."',
        r"pattern = '(?P<animal>sim\d+)/\d+_(?P<label>[a-z]+)\.csv'",
        "",
        "[columns]",
        f"acceleration = [{', '.join(toml_string(axis) for axis in card.axes)}]",
        'time = "seconds"',
        "",
        "[signal]",
        'units = "g"',
        f"rate_hz = {signal.rate_hz:g}",
        f"range_g = {signal.range_g:g}",
        f"counts_per_g = {signal.counts_per_g:g}",
        f"axes = [\n{axes}\n]",
        "",
        "[classes]",
        f"names = [{', '.join(toml_string(name) for name in card.classes)}]",
        f"ignore = [{', '.join(toml_string(name) for name in card.class_map.ignore)}]",
        *_merge_lines(card),
        "",
        "[windows]",
        f"length = {windows.length}",
        f"hop = {windows.hop}",
        *hops,
    ]
    return "\n".join(lines) + "\n"


def _merge_lines(card: Card) -> list[str]:
    if not card.class_map.merge:
        return []
    merged = [
        f"{toml_string(name)} = [{', '.join(toml_string(label) for label in labels)}]"
        for name, labels in card.class_map.merge.items()
    ]
    return ["", "[classes.merge]", *merged]
