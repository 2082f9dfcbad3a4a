"""Reading plan of an import: its files, their layout, and the roles of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcukd.data.importer.text import TextForm
from mcukd.data.importer.time_parts import TimeParts
from mcukd.data.importer.times import TimeForm


@dataclass(frozen=True)
class SourceFile:
    """One file. relative: path below the folder. animal, label: what path or user say of all its rows."""

    path: Path
    relative: str
    form: TextForm | None
    animal: str | None = None
    label: str | None = None
    time: TimeForm | None = None


@dataclass(frozen=True)
class ReadingPlan:
    """How the files are to be read.

    layout: "rows" (a row per sample), "bursts" (a row per burst, a column per sample), "e-obs" (a row per
    burst, samples in one cell), "device". clock_column: of the clock where date and clock are apart.
    tokens: role → part of the path it was taken from. unlabelled: nobody observed the animals.
    counter: column that counts rows and tells where some are missing. animals: as far as they are known
    before the samples are read. parts: columns that make up the stamps, where they are several.
    """

    root: Path
    files: tuple[SourceFile, ...]
    layout: str
    acceleration: tuple[str, ...] = ()
    bursts: dict[str, list[str]] | None = None
    time: str | None = None
    clock_column: str | None = None
    animal: str | None = None
    label: str | None = None
    segment: str | None = None
    tokens: dict[str, str] | None = None
    unlabelled: bool = False
    counter: str | None = None
    sensor: str | None = None
    animals: tuple[str, ...] = ()
    parts: TimeParts | None = None
