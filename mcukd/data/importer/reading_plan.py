"""Reading plan of an import: its files, their layout, and the roles of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mcukd.data.importer.text import TextForm
from mcukd.data.importer.time_parts import TimeParts
from mcukd.data.importer.times import TimeForm


@dataclass(frozen=True)
class SourceFile:
    """One file. relative: path below the folder. animal, label: what path or user say of all its rows."""

    path: Path
    relative: str
    form: Optional[TextForm]
    animal: Optional[str] = None
    label: Optional[str] = None
    time: Optional[TimeForm] = None


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
    bursts: Optional[dict[str, list[str]]] = None
    time: Optional[str] = None
    clock_column: Optional[str] = None
    animal: Optional[str] = None
    label: Optional[str] = None
    segment: Optional[str] = None
    tokens: Optional[dict[str, str]] = None
    unlabelled: bool = False
    counter: Optional[str] = None
    sensor: Optional[str] = None
    animals: tuple[str, ...] = ()
    parts: Optional[TimeParts] = None
