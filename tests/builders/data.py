"""Small recorded data sets on disk, made for one test each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.card import Card, load_card
from mcukd.data.describe import describe
from mcukd.data.load import load_windows
from mcukd.data.quality.check import check

CARD = """
name = "small"
title = "Small"
description = "For tests."
licence = "none"
citation = "none"
simulated = false
position = "collar"

[source]
{source}

[columns]
{columns}

[signal]
units = "{units}"
rate_hz = 10
range_g = 8
counts_per_g = 100
axes = [{{ name = "x", meaning = "" }}, {{ name = "y", meaning = "" }}, {{ name = "z", meaning = "" }}]

[classes]
names = ["graze", "rest"]
ignore = ["other"]

[classes.merge]
rest = ["lie"]

[windows]
length = {length}
hop = {hop}
train_hop = {train_hop}
"""
SEGMENTS = """reader = "segments"
folder = "."
pattern = '(?P<label>[a-z]+)/(?P<animal>[A-Z])\\d+\\.csv'"""
LONG = 'reader = "long-csv"\nfolder = "."\nfile = "all.csv"'


def write_card(folder: Path, *, long: bool = False, time: bool = False, **changes: Any) -> Card:
    columns = 'acceleration = ["x", "y", "z"]'
    if long:
        columns += '\nanimal = "cow"\nlabel = "what"'
    if time:
        columns += '\ntime = "t"'
    values = {"units": "g", "length": 10, "hop": 10, "train_hop": 5, **changes}
    path = folder / "card.toml"
    path.write_text(
        CARD.format(source=LONG if long else SEGMENTS, columns=columns, **values), encoding="utf-8"
    )
    return load_card(str(path))


def samples(n: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Samples (n, 3) of about 1 g times `scale`."""
    noise = np.random.default_rng(seed).normal(0, 0.02, (n, 3))
    return scale * (noise + np.array([0.0, 0.0, 1.0]))


def write_segment(
    folder: Path, name: str, values: np.ndarray, rate_hz: float | None = None, start: float = 0.0
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "x,y,z" if rate_hz is None else "t,x,y,z"
    lines = [header]
    for number, row in enumerate(values):
        stamp = [] if rate_hz is None else [f"{start + number / rate_hz:.3f}"]
        lines.append(",".join([*stamp, *(f"{value:.6f}" for value in row)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_herd(folder: Path, scale: float = 1.0, rate_hz: float | None = None) -> None:
    """Two animals with both classes, forty samples each."""
    for seed, name in enumerate(
        ("graze/A1.csv", "graze/B2.csv", "rest/A3.csv", "lie/B4.csv", "other/A5.csv")
    ):
        write_segment(folder, name, samples(40, scale, seed), rate_hz)


def agrees(card: Card) -> None:
    """Assert that check, describe and what trains count the same windows, by class and animal."""
    facts, checked = describe(card), check(card)
    windows, training = load_windows(card), load_windows(card, training=True)
    index = card.class_map.index()
    for kind, one in (("windows", windows), ("training_windows", training)):
        for animal, found in checked.animals.items():
            for number in range(len(card.classes)):
                counted = sum(count for label, count in found[kind].items() if index.get(label) == number)
                cut = int(np.sum((one.labels == number) & (one.animals == animal)))
                assert counted == cut, (kind, animal, card.classes[number])
    assert facts["total"] == len(windows) and facts["training_total"] == len(training)
    for name, per_animal in facts["windows"].items():
        for animal, count in per_animal.items():
            found = checked.animals[animal]["windows"]
            assert count == sum(
                n for label, n in found.items() if index.get(label) == card.classes.index(name)
            )


def write_moving_herd(folder: Path, length: int = 400, noise: float = 0.02) -> Card:
    """Write three animals, whose grazing swings and whose resting does not."""
    rng = np.random.default_rng(0)
    for animal in "ABC":
        for label, swing in (("graze", 0.5), ("rest", 0.0)):
            values = [0.1, -0.2, -0.95] + swing * np.sin(np.arange(length)[:, None] * [0.9, 1.1, 0.7])
            values = values + noise * rng.normal(size=(length, 3))
            path = folder / label / f"{animal}1.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in values))
    return write_card(folder)
